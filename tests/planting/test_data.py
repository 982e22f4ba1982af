import pytest
import torch

from tombola.planting import circle_data, circle_target, helix_data, helix_target, relu_data, relu_target

COUNT = 20_000


@pytest.mark.parametrize(
    ("make", "target", "error"), [(relu_data, relu_target, 1e-6), (helix_data, helix_target, 0.05)]
)
def test_without_noise_the_outputs_are_those_of_the_target(make, target, error, generator):
    x, y = make(1000, noise=0.0, generator=generator)
    torch.testing.assert_close(target(3)(x).detach(), y, rtol=0, atol=error)


@pytest.mark.parametrize("make", [relu_data, helix_data])
def test_the_noise_has_the_stated_deviation(make, generator):
    x, y = make(COUNT, generator=generator)
    _, clean = make(COUNT, noise=0.0, generator=torch.Generator().manual_seed(0))
    noise = (y - clean).double()
    assert float(x.min()) >= -1
    assert float(x.max()) <= 1
    # the mean of n normal numbers has deviation s / sqrt(n), their variance 2^(1/2) s^2 / sqrt(n); 5 of them
    assert abs(float(noise.mean())) < 5 * 0.01 / COUNT**0.5
    assert abs(float(noise.var()) / 0.01**2 - 1) < 5 * (2 / COUNT) ** 0.5


def test_one_label_in_a_hundred_is_the_runner_up(generator):
    x, y = circle_data(COUNT, generator=generator)
    _, clean = circle_data(COUNT, flipped=0.0, generator=torch.Generator().manual_seed(0))
    changed = y != clean
    assert abs(float(changed.double().mean()) - 0.01) < 5 * (0.01 / COUNT) ** 0.5
    scores = circle_target(12)(x)[changed].topk(2, dim=1).indices.sort(dim=1).values
    pairs = torch.stack([y, clean], dim=1)[changed].sort(dim=1).values
    assert float((scores == pairs).all(dim=1).double().mean()) > 0.95  # the target errs next to the bounds


def test_areas_of_the_classes(generator):
    _, y = circle_data(COUNT, flipped=0.0, generator=generator)
    areas = torch.tensor([0.2, 0.3, 0.2]) * torch.pi / 4
    torch.testing.assert_close(y.bincount()[:3] / COUNT, areas, rtol=0, atol=0.02)


def test_all_labels_can_be_flipped(generator):
    _, y = circle_data(500, flipped=1.0, generator=generator)
    _, clean = circle_data(500, flipped=0.0, generator=torch.Generator().manual_seed(0))
    assert set((y - clean).tolist()) == {-1, 1}


@pytest.mark.parametrize("make", [relu_data, circle_data, helix_data])
def test_the_generator_decides(make, untouched):
    first, again = (make(10, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(a.equal(b) for a, b in zip(first, again, strict=True))
    assert not make(10, generator=torch.Generator().manual_seed(4))[0].equal(first[0])


def test_numbers_out_of_range_are_refused(generator):
    with pytest.raises(ValueError, match="number of examples must be positive, got 0"):
        relu_data(0, generator=generator)
    with pytest.raises(ValueError, match=r"noise must lie in \[0, inf\], got -1"):
        helix_data(5, noise=-1.0, generator=generator)
    with pytest.raises(ValueError, match=r"flipped must lie in \[0, 1\], got 1.5"):
        circle_data(5, flipped=1.5, generator=generator)
