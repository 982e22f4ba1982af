import pytest
import torch
from torch import nn

from tombola.runs import ImpSettings, default_steps


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"steps": 0}, "steps"),
        ({"batch_size": 0}, "batch_size"),
        ({"learning_rate": 0.0}, "learning rate"),
        ({"learning_rate": float("nan")}, "learning rate"),
        ({"momentum": 1.0}, "momentum"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"reset": "hope"}, "fine-tuning"),
        ({"rewind": 100}, "beyond the run"),
        ({"rewind": -1}, "beyond the run"),
        ({"reset": "learning-rate", "rewind": 5}, "rewind point"),
        ({"reset": "fine-tuning", "retrain": 0}, "at least one step"),
        ({"retrain": 5}, "retrain"),
        ({"levels": 0}, "levels"),
        ({"factor": 1.0}, "factor"),
        ({"densities": (0.1, 0.5)}, "must fall"),
        ({"densities": ()}, "densities"),
        ({"linear_to": 1.5}, "density"),
        ({"linear_to": 0.1, "densities": (0.5,)}, "linear_to"),
        ({"optimiser": "lion"}, "sgd or adam"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"rate": "zigzag"}, "stepwise"),
        ({"warm_up": -1}, "warm_up"),
        ({"clip": 0.0}, "clip"),
        ({"threads": 0}, "threads"),
    ],
)
def test_a_setting_out_of_range(changed, said):
    with pytest.raises(ValueError, match=said):
        ImpSettings(**{"model": "mlp:4-2", "steps": 100, **changed})


def test_settings_that_say_nothing_do_not_count():
    first, second = (ImpSettings("mlp:4-2", steps=9, densities=(0.5,), levels=levels) for levels in (3, 4))
    assert first.to_json() == second.to_json()
    assert ImpSettings("mlp:4-2", steps=9, levels=3).to_json() != ImpSettings("mlp:4-2", steps=9, levels=4).to_json()


@pytest.mark.parametrize(("retrain", "stop"), [(None, 18), (2, 11)])
def test_fine_tuning_is_as_long_as_training_unless_it_is_said(retrain, stop):
    net, way = nn.Linear(1, 1), ImpSettings("mlp:4-2", steps=9, reset="fine-tuning", retrain=retrain).way()
    assert way.begin(net, net, 9, torch.Generator()).stop == stop


@pytest.mark.parametrize(("batch_size", "steps"), [(128, 1008), (1, 5 * 1437), (2000, 1000)])
def test_the_default_is_five_epochs_and_a_thousand_steps(digits, batch_size, steps):
    assert default_steps(digits, batch_size) == steps


def test_a_linear_schedule_is_its_levels_and_its_density():
    first, second = (ImpSettings("mlp:4-2", steps=9, linear_to=0.2, levels=4, factor=f) for f in (0.5, 0.8))
    assert first.to_json() == second.to_json()
    assert first.schedule()(1000) == [1000, 800, 600, 400, 200]


def test_the_trainer_is_what_the_settings_say(digits):
    settings = ImpSettings("mlp:4-2", steps=40, rate="stepwise:0.5", warm_up=4, clip=2.0, weight_decay=0.1)
    train = settings.trainer(digits)
    assert [round(train.rate(step), 3) for step in (0, 3, 19, 20)] == [0.25, 1.0, 1.0, 0.1]
    assert (train.clip, train.steps, train.batch_size) == (2.0, 40, 128)
    assert train.optimiser([nn.Parameter(torch.zeros(1))]).defaults["weight_decay"] == 0.1
