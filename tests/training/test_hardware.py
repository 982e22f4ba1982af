import pytest
import torch
from torch import nn

from tombola import models
from tombola.data import DataSet, Scaling
from tombola.training import Hardware, Trainer, sgd


@pytest.fixture(scope="module")
def stripes():
    """Images with upright or level stripes."""
    draw = torch.Generator().manual_seed(0)
    y = torch.arange(200) % 2
    waves = torch.sin(torch.arange(8) * 1.6 + 6.3 * torch.rand(200, 1, generator=draw))
    upright, level = waves[:, None, None, :].expand(200, 3, 8, 8), waves[:, None, :, None].expand(200, 3, 8, 8)
    x = torch.where(y[:, None, None, None] == 0, upright, level)
    return DataSet("stripes", x[:150], y[:150], x[150:], y[150:], Scaling("none"))


def net():
    draw = torch.Generator().manual_seed(2)
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(216, 2))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1, generator=draw)
    return model


def trained(data, hardware, masks=None, steps=20):
    train = Trainer(data, steps, batch_size=50, optimiser=sgd(0.05), hardware=hardware)
    return train(net(), masks or {}, start=0, stop=steps, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("hardware", "far"),
    [
        (Hardware(), 1e-4),
        (Hardware(bfloat16=True), 0.05),
        pytest.param(Hardware(compiled=True), 1e-4, marks=pytest.mark.slow),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
def test_all_ways_lead_to_nearly_the_same_weights_and_pruned_ones_stay_zero(stripes, hardware, far):
    mask = {"0.weight": torch.rand(6, 3, 3, 3, generator=torch.Generator().manual_seed(1)) < 0.5}
    plain = trained(stripes, Hardware(channels_last=False), mask)
    other = trained(stripes, hardware, mask)
    assert (other[0].weight[~mask["0.weight"]] == 0).all()
    assert all(parameter.is_contiguous() and parameter.dtype == torch.float32 for parameter in other.parameters())
    torch.testing.assert_close(other.state_dict(), plain.state_dict(), rtol=0.0, atol=far)
    assert not other[0].weight.equal(net()[0].weight)


def test_images_lie_with_channels_last_only_where_there_are_convolutions():
    dense = models.build("mlp:4-3-2", generator=torch.Generator().manual_seed(0))
    assert Hardware().is_channels_last(net())
    assert not Hardware().is_channels_last(dense)
    assert Hardware(channels_last=True).is_channels_last(dense)
    assert not Hardware(channels_last=False).is_channels_last(net())


def test_the_model_sees_what_was_asked_for(stripes):
    seen = {}

    class Looking(nn.Conv2d):
        def forward(self, x):
            out = super().forward(x)
            seen["type"], seen["last"] = out.dtype, x.is_contiguous(memory_format=torch.channels_last)
            return out

    model = net()
    model[0] = Looking(3, 6, 3)
    train = Trainer(stripes, 1, hardware=Hardware(bfloat16=True))
    train(model, {}, start=0, stop=1, generator=torch.Generator().manual_seed(0))
    assert seen == {"type": torch.bfloat16, "last": True}


def test_a_negative_number_of_workers_is_refused():
    with pytest.raises(ValueError, match="0 or more, got -1"):
        Hardware(workers=-1)
