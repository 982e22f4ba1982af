"""The laws of every criterion of pruning at initialisation: one line in the table holds a new one to all of them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import partial

import pytest
import torch
from tests.problems.small_networks import NETWORKS, arguments, network
from torch import nn

from tombola import scores
from tombola.scores import InnerSteps, Score


@dataclass(frozen=True)
class Line:
    """A criterion and what it claims.

    Attributes:
        score: the criterion.
        reads: of the batches: "nothing", "shapes", "inputs" or "labels", each of them with those before.
        nonnegative: whether no score is below 0.
        draws: whether scores depend on the generator; those that do not are the same for permuted hidden units.
        revives: whether the score of a pruned weight is of account.
    """

    score: Score
    reads: str = "nothing"
    nonnegative: bool = True
    draws: bool = False
    revives: bool = False


SCORES = {
    "random": Line(scores.random, draws=True),
    "magnitude": Line(scores.magnitude),
    "relative magnitude": Line(scores.relative_magnitude),
    "snip": Line(scores.snip, "labels"),
    "snip, batch statistics": Line(partial(scores.snip, batch_statistics=True), "labels"),
    "force": Line(scores.force, "labels", revives=True),
    "grasp": Line(scores.grasp, "labels", nonnegative=False),
    "grasp, smallest": Line(
        partial(scores.grasp, keep="smallest", batch_statistics=False), "labels", nonnegative=False
    ),
    "prospr": Line(scores.prospr, "labels"),
    "prospr, momentum": Line(partial(scores.prospr, inner=InnerSteps(2, 0.2, 0.9), batch_statistics=True), "labels"),
    "prospr, first order": Line(partial(scores.prospr, first_order=True), "labels"),
    "fts": Line(scores.fts, "labels"),
    "hts": Line(scores.hts, "labels", draws=True),
    "ntk-sap": Line(scores.ntk_sap, "shapes", draws=True),
    "ntk-sap, own weights": Line(partial(scores.ntk_sap, redraw=None, passes=1), "shapes", draws=True),
    "synflow": Line(scores.synflow, "shapes"),
    "synflow, scaled": Line(partial(scores.synflow, scale_norms=True, average_pools=True), "shapes"),
    "synflow-l2": Line(scores.synflow_l2, "shapes"),
    "synflow-l2, by modulus": Line(partial(scores.synflow_l2, by_modulus=True), "shapes"),
    "px": Line(scores.px, "inputs"),
    "phew": Line(partial(scores.phew, density=0.9), "shapes", draws=True),
}
READS = ("nothing", "shapes", "inputs", "labels")

each = pytest.mark.parametrize("line", SCORES.values(), ids=SCORES.keys())
each_reading = pytest.mark.parametrize(
    "line", [pytest.param(line, id=name) for name, line in SCORES.items() if line.reads != "nothing"]
)
each_fixed = pytest.mark.parametrize(
    "line", [pytest.param(line, id=name) for name, line in SCORES.items() if not line.draws]
)
networks = pytest.mark.parametrize("name", NETWORKS)
densities = pytest.mark.parametrize("density", [1.0, 0.6])
exactly = partial(torch.testing.assert_close, rtol=0, atol=0)


def seeded(given: dict, seed: int = 0) -> dict:
    return given | {"generator": torch.Generator().manual_seed(seed)}


@each
@networks
@densities
def test_scores_have_the_names_and_shapes_of_the_masks_and_are_finite(line, name, density):
    given = arguments(name, density)
    found = line.score(**given)
    assert isinstance(line.score, Score)
    assert list(found) == list(given["masks"])
    for key, score in found.items():
        assert score.shape == given["masks"][key].shape
        assert score.is_floating_point()
        assert not score.requires_grad
        assert bool(score.isfinite().all())
        assert bool((score >= 0).all()) or not line.nonnegative


@each
@networks
def test_they_follow_from_the_generator_and_only_those_that_draw_depend_on_it(line, name):
    given = arguments(name)
    found = line.score(**seeded(given))
    with torch.random.fork_rng(devices=[]):
        torch.rand(3)
        exactly(line.score(**seeded(given)), found)
    other = line.score(**seeded(given, 1))
    assert any(not score.equal(other[key]) for key, score in found.items()) == line.draws


@each
@networks
@pytest.mark.usefixtures("untouched")
def test_nothing_of_the_model_and_of_the_batches_changes(line, name):
    given, calls = arguments(name, 0.6), []
    model = given["model"].train()
    next(model.children()).eval()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    hook = next(model.children()).register_forward_hook(lambda *seen: calls.append(seen))
    state, modes = copy.deepcopy(model.state_dict()), [part.training for part in model.modules()]
    batches = copy.deepcopy(given["batches"])
    masks = copy.deepcopy(given["masks"])
    line.score(**given)
    exactly(dict(model.state_dict()), dict(state))
    exactly(given["batches"], batches)
    exactly(given["masks"], masks)
    assert [part.training for part in model.modules()] == modes
    assert all(bool((value.grad == 1).all()) and value.requires_grad for value in model.parameters())
    assert not calls
    hook.remove()


@each
def test_modes_gradients_and_frozen_parameters_do_not_matter(line):
    given = arguments("convolutional", 0.6)
    found = line.score(**seeded(given))
    model = copy.deepcopy(given["model"]).train()
    for key in given["masks"]:
        model.get_parameter(key).requires_grad_(False)
    with torch.no_grad():
        again = line.score(**seeded(given | {"model": model}))
    exactly(again, found)


@each
def test_tied_weights_are_one_parameter(line):
    given = arguments("tied")
    assert set(given["masks"]) == {"0.weight", "4.weight"}
    model = given["model"]
    found = line.score(**given)
    assert list(found) == ["0.weight", "4.weight"]
    assert model[0].weight is model[2].weight


@each
@networks
def test_the_values_of_pruned_weights_are_of_no_account(line, name):
    given = arguments(name, 0.6)
    found = line.score(**seeded(given))
    model = copy.deepcopy(given["model"])
    with torch.no_grad():
        for key, mask in given["masks"].items():
            model.get_parameter(key)[~mask] = 1e3 if line.revives else torch.nan
    again = line.score(**seeded(given | {"model": model}))
    for key, mask in given["masks"].items():
        exactly(again[key][mask], found[key][mask])


@each_fixed
def test_permuted_hidden_units_have_permuted_scores(line):
    given, order = arguments("mlp", 0.6), torch.tensor([3, 1, 7, 0, 2, 6, 5, 4])
    found = line.score(**seeded(given))
    model = copy.deepcopy(given["model"])
    masks = given["masks"] | {
        "0.weight": given["masks"]["0.weight"][order],
        "2.weight": given["masks"]["2.weight"][:, order],
    }
    with torch.no_grad():
        for value in (model[0].weight, model[0].bias):
            value.copy_(value[order].clone())
        model[2].weight.copy_(model[2].weight[:, order].clone())
    again = line.score(**seeded(given | {"model": model, "masks": masks}))
    expected = found | {"0.weight": found["0.weight"][order], "2.weight": found["2.weight"][:, order]}
    torch.testing.assert_close(again, expected, rtol=1e-9, atol=1e-12)


@each
@networks
def test_a_criterion_reads_no_more_than_it_says(line, name):
    given = arguments(name)
    found = line.score(**seeded(given))
    level, batches = READS.index(line.reads), given["batches"]
    if level < 3:
        batches = [(x, torch.zeros(len(x))) for x, _ in batches]
    if level < 2:
        batches = [(torch.zeros_like(x), y) for x, y in batches]
    others = [] if level < 1 else batches
    loss = given["loss"] if level == 3 else None
    if level < 3:
        loss = refuse
    exactly(line.score(**seeded(given | {"batches": others, "loss": loss})), found)


def refuse(outputs, targets):
    raise AssertionError("a criterion without labels has no use for a loss")


@each_reading
def test_batches_have_to_be_there_and_on_the_device_of_the_model(line):
    given = arguments("mlp")
    with pytest.raises(ValueError, match="no batches"):
        line.score(**given | {"batches": []})
    elsewhere = [given["batches"][0], tuple(value.to("meta") for value in given["batches"][1])]
    with pytest.raises(ValueError, match=r"batch 1 are on meta, and the model is on cpu"):
        line.score(**given | {"batches": elsewhere})
    with pytest.raises(ValueError, match="batch 1 has no examples"):
        line.score(**given | {"batches": [given["batches"][0], tuple(value[:0] for value in given["batches"][1])]})


@each
def test_masks_that_do_not_fit_are_refused(line):
    given = arguments("mlp")
    with pytest.raises(ValueError, match="names no parameter"):
        line.score(**given | {"masks": {"nobody": torch.ones(2, dtype=torch.bool)}})
    with pytest.raises(ValueError, match=r"wanted torch\.bool of shape"):
        line.score(**given | {"masks": {"0.weight": torch.ones(2, 2, dtype=torch.bool)}})


@each
def test_a_weight_that_is_not_finite_is_refused_or_not_looked_at(line):
    given = arguments("mlp")
    with torch.no_grad():
        given["model"][0].weight[0, 0] = torch.nan
    try:
        found = line.score(**given)
    except ValueError:
        return
    assert all(bool(score.isfinite().all()) for score in found.values())


@pytest.mark.parametrize(
    "line", [pytest.param(line, id=name) for name, line in SCORES.items() if line.reads == "labels"]
)
def test_a_loss_that_is_no_finite_number_is_refused_with_the_number_of_its_batch(line):
    given = arguments("mlp")
    given["batches"][1][0][2, 3] = torch.nan
    with pytest.raises(ValueError, match="the loss of batch 1 is nan"):
        line.score(**given)
    with pytest.raises(ValueError, match=r"the loss of batch 0 has the shape \(8,\)"):
        line.score(**arguments("mlp") | {"loss": partial(nn.functional.cross_entropy, reduction="none")})


@pytest.mark.gpu
@each
def test_on_a_gpu_scores_stay_there_and_are_nearly_the_same(line):
    given = arguments("residual", 0.6)
    model = copy.deepcopy(given["model"]).cuda()
    batches = [(x.cuda(), y.cuda()) for x, y in given["batches"]]
    found = line.score(**seeded(given | {"model": model, "batches": batches}))  # the generator and the masks on the CPU
    for key, wanted in line.score(**seeded(given)).items():
        assert found[key].device.type == "cuda"
        scale = float(wanted.abs().max())
        torch.testing.assert_close(found[key].cpu() / scale, wanted / scale, rtol=0, atol=1e-8)


@each_fixed
def test_float32_gives_nearly_the_same(line):
    given = arguments("residual")
    model, batches = network("residual").float(), [(x.float(), y) for x, y in given["batches"]]
    found = line.score(**given | {"model": model, "batches": batches})
    for key, wanted in line.score(**given).items():
        scale = float(wanted.abs().max())
        torch.testing.assert_close(found[key].double() / scale, wanted / scale, rtol=0, atol=1e-4)
