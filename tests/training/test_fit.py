import math
import os

import pytest
import torch
from torch import nn

from tombola import data, models
from tombola.data import DataSet, Scaling
from tombola.isolation import torch_threads
from tombola.training import Epoch, adam, evaluate, fit, sgd

MNIST = os.path.expanduser(os.environ.get("TOMBOLA_DATA", "~/.cache/tombola/datasets")) + "/mnist.npz"


def net(seed=0, name="mlp:2-16-2"):
    return models.build(name, generator=torch.Generator().manual_seed(seed))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_one_step_worked_by_hand():
    x, y = torch.tensor([[1.0], [1.0]]), torch.tensor([0, 0])
    data = DataSet("one", x, y, x, y, Scaling("none"))
    model = nn.Linear(1, 2, bias=False)
    nn.init.zeros_(model.weight)
    trained = fit(model, data, epochs=1, batch_size=2, optimiser=sgd(0.5), generator=seeded())
    # softmax(0, 0) = 1/2, 1/2; the gradient is softmax - (1, 0) = -1/2, 1/2; the rate 1/2
    torch.testing.assert_close(trained.weight.data, torch.tensor([[0.25], [-0.25]]))


@pytest.mark.parametrize("optimiser", [sgd(0.1), sgd(0.1, momentum=0.0), adam(0.01)])
def test_it_learns_what_no_linear_classifier_can(corners, optimiser):
    trained = fit(net(), corners, epochs=60, batch_size=16, optimiser=optimiser, generator=seeded())
    assert evaluate(trained, *corners.test()).accuracy == 1.0


def test_digits_are_learnt():
    digits = data.load("digits")
    lenet = models.build("lenet-300-100", input_shape=digits.input_shape, generator=seeded())
    assert evaluate(fit(lenet, digits, generator=seeded()), *digits.test()).accuracy >= 0.96


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isfile(MNIST), reason=f"no file {MNIST}")
def test_mnist_is_learnt():
    mnist = data.load("mnist")
    model = models.build("mlp:784-500-10", bias=False, generator=seeded())
    trained = fit(model, mnist, epochs=2, generator=seeded())
    assert evaluate(trained, *mnist.test()).accuracy >= 0.975


@pytest.mark.usefixtures("untouched")
def test_nothing_of_the_callers_changes(corners):
    model = net()
    model.fc1.eval()
    model(corners.x_train[:4]).sum().backward()
    values = {key: value.clone() for key, value in model.state_dict().items()}
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    trained = fit(model, corners, epochs=1, generator=seeded())
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, values[key], rtol=0, atol=0)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=0, atol=0)
    modes = [module.training for module in model.modules()]
    assert modes == [module.training for module in trained.modules()] == [True, True, False, True, True]
    assert all(parameter.grad is None for parameter in trained.parameters())


def weights(seed, corners):
    trained = fit(nn.Sequential(*net().children(), nn.Dropout(0.2)), corners, epochs=2, generator=seeded(seed))
    return torch.cat([parameter.detach().reshape(-1) for parameter in trained.parameters()])


def test_the_result_follows_from_the_generator_whatever_the_global_state(corners):
    first = weights(1, corners)
    torch.rand(3)
    torch.testing.assert_close(weights(1, corners), first, rtol=0, atol=0)
    assert not weights(2, corners).equal(first)


class Witness(nn.Module):
    """Passes its inputs on and remembers how many threads torch had for them in training."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def forward(self, x):
        if self.training:
            self.seen.add(torch.get_num_threads())
        return x


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("layer", "threads"),
    [
        (nn.Linear(2, 2), 1),
        (nn.Linear(2, 1_000_000), 3),
        (nn.Sequential(nn.Unflatten(1, (1, 2)), nn.Conv1d(1, 2, 2), nn.Flatten()), 3),
    ],
)
def test_a_small_network_trains_on_one_thread_and_another_on_the_callers(corners, layer, threads):
    with torch_threads(3):
        trained = fit(nn.Sequential(Witness(), layer), corners, epochs=1, batch_size=160, generator=seeded())
    assert trained[0].seen == {threads}


def test_the_learning_rate_falls_along_half_a_cosine(corners):
    rates = []

    def watched(parameters):
        optimiser = sgd(0.4)(parameters)
        optimiser.register_step_pre_hook(lambda *_: rates.append(optimiser.param_groups[0]["lr"]))
        return optimiser

    fit(net(), corners, epochs=2, batch_size=80, optimiser=watched, generator=seeded())
    assert rates == pytest.approx([0.2 * (1 + math.cos(math.pi * step / 4)) for step in range(4)])


def test_pruned_weights_are_zero_after_training_and_the_others_move(corners):
    model = net()
    mask = torch.rand(16, 2, generator=seeded()) < 0.5
    trained = fit(
        model, corners, epochs=3, optimiser=sgd(0.1, weight_decay=0.1), masks={"fc1.weight": mask}, generator=seeded()
    )
    assert (trained.fc1.weight[~mask] == 0).all()
    assert (trained.fc1.weight[mask] != model.fc1.weight[mask]).all()
    assert (trained.fc2.weight != 0).all()


def test_frozen_parameters_stay(corners):
    model = net()
    model.fc1.weight.requires_grad_(False)
    trained = fit(model, corners, epochs=1, generator=seeded())
    torch.testing.assert_close(trained.fc1.weight, model.fc1.weight, rtol=0, atol=0)
    assert not trained.fc2.weight.equal(model.fc2.weight)


def test_each_epoch_is_told(corners):
    told = []
    trained = fit(net(), corners, epochs=40, batch_size=16, generator=seeded(), on_epoch=told.append)
    assert [(type(epoch), epoch.number, epoch.of) for epoch in told] == [(Epoch, i, 40) for i in range(1, 41)]
    assert told[-1].loss < 0.1 < told[0].loss
    assert told[0].accuracy < told[-1].accuracy <= 1
    assert [epoch.seconds for epoch in told] == sorted(epoch.seconds for epoch in told)
    # at the end of the cosine the weights rest, so the last epoch's loss is that of the result
    assert evaluate(trained, *corners.train()).loss == pytest.approx(told[-1].loss, rel=0.05)


def test_the_first_epochs_figures_are_means_over_its_examples(corners):
    told = []
    constant = nn.Linear(2, 2)
    nn.init.zeros_(constant.weight)
    nn.init.zeros_(constant.bias)
    fit(constant, corners, epochs=1, batch_size=7, optimiser=sgd(1e-12), generator=seeded(), on_epoch=told.append)
    assert told[0].loss == pytest.approx(torch.log(torch.tensor(2.0)).item(), abs=1e-6)
    assert told[0].accuracy == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize(("batch_size", "wanted"), [(160, 1000), (16, 100), (1, 7)])
def test_by_default_there_are_a_thousand_steps_and_five_epochs(corners, batch_size, wanted):
    class Enough(Exception):
        pass

    def stop(epoch):
        raise Enough(epoch.of)

    with pytest.raises(Enough, match=f"^{wanted}$"):
        fit(net(), corners, batch_size=batch_size, generator=seeded(), on_epoch=stop)


def test_a_loss_that_is_not_finite_is_an_error(corners):
    with pytest.raises(FloatingPointError, match="in epoch 1; try a smaller learning rate"):
        fit(net(), corners, epochs=2, optimiser=sgd(1e30), generator=seeded())


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("mlp:3-4-2", {}, "does not take inputs of shape 2"),
        ("mlp:2-4-1", {}, r"outputs must be \(batch, 2\); got \(1, 1\)"),
        ("mlp:2-4-2", {"epochs": 0}, "at least 1, got 0 and 64"),
        ("mlp:2-4-2", {"batch_size": 0}, "at least 1, got None and 0"),
        ("mlp:2-4-2", {"masks": {"fc9.weight": torch.ones(4, 2, dtype=torch.bool)}}, "names no parameter"),
        ("mlp:2-4-2", {"masks": {"fc1.weight": torch.ones(4, 3, dtype=torch.bool)}}, "wanted torch.bool of shape"),
    ],
)
def test_what_does_not_fit_together_is_refused(corners, name, options, said):
    with pytest.raises(ValueError, match=said):
        fit(net(name=name), corners, generator=seeded(), **options)


def test_a_model_with_nothing_to_train_is_refused(corners):
    with pytest.raises(ValueError, match="all are frozen"):
        fit(net().requires_grad_(False), corners, epochs=1, generator=seeded())


@pytest.mark.gpu
def test_a_gpu_trains_and_the_result_comes_back(corners):
    trained = fit(net(), corners, epochs=60, batch_size=16, generator=seeded())
    assert trained.fc1.weight.device.type == "cpu"
    assert evaluate(trained, *corners.test()).accuracy == 1.0
