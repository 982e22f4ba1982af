import pytest
import torch

from tombola.masks import apply
from tombola.search._kept_weights import kept_masks, kept_weights
from tombola.search._straight_through import straight_through

SHAPES = {"conv": (8, 3, 3, 3), "fc": (40, 30), "bias": (70,)}
KINDS = {
    "drawn": lambda x: x,
    "many equal": lambda x: x.round(),
    "all equal": lambda x: torch.ones_like(x),
    "zeros of both signs": lambda x: torch.where(x > 0, 0.0, -0.0),
    "all sizes": lambda x: x * 10.0 ** (12 * x.roll(1)),
    "too small for a float": lambda x: x * 1e-41,
    "infinities": lambda x: torch.where(x > 1, torch.inf, torch.where(x < -1, -torch.inf, x)),
}


def drawn(kind, generator):
    return {name: KINDS[kind](torch.randn(shape, generator=generator)) for name, shape in SHAPES.items()}


def by_hand(scores, weights, kept):
    """A stable sort of all, the published way."""
    joined = torch.cat([score.flatten() for score in scores.values()])
    mask = torch.zeros(joined.numel())
    mask[joined.sort(descending=True, stable=True).indices[:kept]] = 1
    parts = mask.split([score.numel() for score in scores.values()])
    return {name: part.view(w.shape) * w for part, (name, w) in zip(parts, weights.items(), strict=True)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("absolute", [True, False])
def test_compiled_loops_keep_what_a_full_sort_keeps(kind, absolute, generator):
    scores = drawn(kind, generator)
    weights = {name: torch.rand(score.shape, generator=generator) + 1 for name, score in scores.items()}
    compared = {name: score.abs() for name, score in scores.items()} if absolute else scores
    total = sum(score.numel() for score in scores.values())
    for kept in (1, 2, 17, total // 2, total - 1, total):
        found = kept_weights(scores, weights, kept, absolute=absolute)
        torch.testing.assert_close(found, by_hand(compared, weights, kept), rtol=0, atol=0)
        assert sum(int(values.count_nonzero()) for values in found.values()) == kept
    for share in (0.01, 0.3, 1.0):
        counts = {name: max(1, int(share * score.numel())) for name, score in scores.items()}
        found = kept_weights(scores, weights, counts, absolute=absolute)
        for name, count in counts.items():
            wanted = by_hand({name: compared[name]}, {name: weights[name]}, count)
            torch.testing.assert_close(found[name], wanted[name], rtol=0, atol=0)


@pytest.mark.parametrize("absolute", [True, False])
def test_the_masks_of_the_ticket_are_those_of_training(absolute, generator):
    scores = drawn("many equal", generator)
    weights = {name: torch.rand(score.shape, generator=generator) + 1 for name, score in scores.items()}
    found = kept_weights(scores, weights, 400, absolute=absolute)
    torch.testing.assert_close(found, apply(kept_masks(scores, 400, absolute=absolute), weights), rtol=0, atol=0)


@pytest.mark.parametrize("absolute", [True, False])
def test_tensors_in_another_order_of_memory_give_the_same(absolute, generator):
    scores = {"conv": torch.randn(6, 5, 3, 3, generator=generator).round()}
    weights = {"conv": torch.randn(6, 5, 3, 3, generator=generator)}
    wanted = kept_weights(scores, weights, 100, absolute=absolute)
    last = {"memory_format": torch.channels_last}
    found = kept_weights(
        {"conv": scores["conv"].to(**last)}, {"conv": weights["conv"].to(**last)}, 100, absolute=absolute
    )
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sign", [1, -1])
def test_nan_is_refused_by_name(absolute, dtype, sign):
    scores = {"a": torch.zeros(3, dtype=dtype), "b": torch.tensor([0.0, 1.0], dtype=dtype)}
    scores["b"][1] = torch.copysign(torch.tensor(torch.nan), torch.tensor(float(sign)))
    with pytest.raises(ValueError, match="'b' hold NaN"):
        kept_weights(scores, scores, 2, absolute=absolute)


def test_infinities_are_no_nan(generator):
    scores = {"a": torch.tensor([torch.inf, -torch.inf, 1.0])}
    assert kept_weights(scores, {"a": torch.ones(3)}, 2, absolute=False)["a"].tolist() == [1, 0, 1]
    assert kept_weights(scores, {"a": torch.ones(3)}, 2, absolute=True)["a"].tolist() == [1, 1, 0]


def test_what_comes_out_is_no_ones_memory(generator):
    scores = {"a": torch.randn(30, generator=generator)}
    weights = {"a": torch.randn(30, generator=generator)}
    before = weights["a"].clone()
    found = kept_weights(scores, weights, 30, absolute=True)
    found["a"].fill_(9)
    torch.testing.assert_close(weights["a"], before, rtol=0, atol=0)


@pytest.mark.parametrize("layout", ["in order", "transposed"])
def test_the_compiled_gradient_is_the_product(layout, generator):
    shape = (20, 30)
    gradient, slope, scores = (torch.randn(shape, generator=generator) for _ in range(3))
    scores[0] = 0
    scores.requires_grad_()
    if layout == "transposed":
        gradient = gradient.T.contiguous().T
    straight_through(scores, torch.zeros(shape), slope, signs=True).backward(gradient)
    torch.testing.assert_close(scores.grad, gradient * slope * scores.detach().sign(), rtol=0, atol=0)
