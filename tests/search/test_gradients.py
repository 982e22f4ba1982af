"""Forward passes and gradients of every method beside formulas written out once more, in float64."""

import pytest
import torch
from tests.problems.searches import net_of, state_of
from torch.func import functional_call

from tombola.search import biprop, continuous_sparsification, edge_popup, gem_miner, iterand, supermask

DENSITY = 0.4


def largest(scores, kept):
    """The masks of the `kept` largest scores by a full sort."""
    joined = torch.cat([score.flatten() for score in scores.values()])
    chosen = torch.zeros(joined.numel(), dtype=torch.bool)
    chosen[joined.sort(descending=True, stable=True).indices[:kept]] = True
    parts = chosen.split([score.numel() for score in scores.values()])
    return {name: part.view(score.shape) for part, (name, score) in zip(parts, scores.items(), strict=True)}


def each_largest(scores, kept):
    return {name: largest({name: score}, kept[name])[name] for name, score in scores.items()}


def popup(state, scores, weights):
    masks = each_largest({name: score.abs() for name, score in scores.items()}, state.kept)
    return {name: (w * masks[name], w * scores[name].sign(), 0.0) for name, w in weights.items()}


def raw(state, scores, weights):
    masks = largest(scores, state.kept)
    return {name: (w * masks[name], w, 0.0) for name, w in weights.items()}


def binary(state, scores, weights):
    masks = each_largest({name: score.abs() for name, score in scores.items()}, state.kept)
    alpha = {name: w[masks[name]].abs().mean() for name, w in weights.items()}
    return {name: (alpha[name] * w.sign() * masks[name], w * scores[name].sign(), 0.0) for name, w in weights.items()}


def drawn(rescale):
    def formula(state, scores, weights):
        found = {}
        for name, w in weights.items():
            chance = 1 / (1 + torch.exp(-scores[name]))
            mask = (state.noise(name) < chance).double()
            factor = mask.numel() / mask.sum() if rescale else 1.0
            found[name] = (factor * w * mask, factor * w * chance * (1 - chance), 0.0)
        return found

    return formula


def rounded(penalty):
    def formula(state, scores, weights):
        free = {name: (~frozen).double() for name, frozen in state.memory("frozen").items()}
        return {
            name: (w * free[name] * (scores[name] >= 0.5), w * free[name], 2 * penalty * scores[name])
            for name, w in weights.items()
        }

    return formula


def soft(beta, penalty):
    def formula(state, scores, weights):
        b = beta ** ((int(state.step) - 1) / (state.steps - 1))
        found = {}
        for name, w in weights.items():
            m = 1 / (1 + torch.exp(-b * scores[name]))
            slope = b * m * (1 - m)
            found[name] = (w * m, w * slope, penalty * slope)
        return found

    return formula


# name -> (method, what it should compute: weights, slopes of the gradient, what the penalty adds to it)
FORMULAS = {
    "edge-popup": (edge_popup(), popup),
    "edge-popup, raw and global": (edge_popup(by_layer=False, absolute=False), raw),
    "IteRand, global": (iterand(by_layer=False), raw),
    "biprop": (biprop(), binary),
    "supermask": (supermask(first=0.4), drawn(False)),
    "supermask, rescaled": (supermask(rescale=True, first=0.4), drawn(True)),
    "Gem-Miner": (gem_miner(freezes=3), rounded(0.0)),
    "Gem-Miner, with a penalty": (gem_miner(freezes=3, penalty=0.7), rounded(0.7)),
    "continuous sparsification": (continuous_sparsification(), soft(200.0, 0.0)),
    "continuous sparsification, with a penalty": (continuous_sparsification(beta=9.0, penalty=0.3), soft(9.0, 0.3)),
}


@pytest.mark.parametrize(("method", "formula"), FORMULAS.values(), ids=FORMULAS.keys())
@pytest.mark.parametrize("kind", ["mlp", "residual"])
@pytest.mark.parametrize("step", [0, 6])
def test_the_forward_pass_and_its_gradient_are_those_of_the_formula(method, formula, kind, step, generator):
    state = state_of(method, net_of(kind), density=DENSITY, dtype=torch.float64).train()
    with torch.no_grad():
        for score in state.scores().values():
            score += 0.05 * torch.randn(score.shape, generator=generator, dtype=torch.float64)
    state.step += step
    x = torch.randn(7, 16, generator=generator, dtype=torch.float64)
    outputs = state(x)
    outputs.square().sum().backward()

    scores = {name: score.detach() for name, score in state.scores().items()}
    made = formula(state, scores, {name: w.detach() for name, w in state.frozen().items()})
    effective = {name: values.clone().requires_grad_() for name, (values, _, _) in made.items()}
    wanted = functional_call(state.network, effective, (x,))
    torch.testing.assert_close(outputs, wanted, rtol=1e-12, atol=1e-12)
    gradients = torch.autograd.grad(wanted.square().sum(), list(effective.values()))
    for (name, (_, slope, extra)), gradient in zip(made.items(), gradients, strict=True):
        found = state.scores()[name].grad
        torch.testing.assert_close(found, gradient * slope + extra, rtol=1e-10, atol=1e-12)
        assert found.any(), "there is something to compare"
