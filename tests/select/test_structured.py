"""Selections that keep patterns: by hand, against brute force, and what they refuse."""

import pytest
import torch

from tombola.masks import count
from tombola.select import Select, blocks, channels, n_of_m, top

INF = float("inf")


def drawn(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def scores():
    return {"conv": drawn(6, 8, 3, 3), "fc": drawn(10, 12, seed=1)}


@pytest.mark.parametrize("select", [top, n_of_m(2, 4), blocks(2, 2), channels()])
def test_each_is_a_selection(select, scores, generator):
    assert isinstance(select, Select)
    before = generator.get_state()
    masks = select(scores, 60, generator=generator)
    assert {name: (mask.shape, mask.dtype) for name, mask in masks.items()} == {
        name: (score.shape, torch.bool) for name, score in scores.items()
    }
    assert generator.get_state().equal(before)  # nothing is drawn


def test_half_of_the_weights_are_two_of_every_four(scores, generator):
    masks = n_of_m(2, 4)(scores, (432 + 120) // 2, generator=generator)
    for name, mask in masks.items():
        groups, values = (each.movedim(1, -1).reshape(-1, 4) for each in (mask, scores[name]))
        assert groups.sum(1).tolist() == [2] * len(groups)
        best = values.topk(2, dim=1).indices
        assert groups.gather(1, best).all()


@pytest.mark.parametrize("kept", [1, 50, 137, 276])
def test_n_of_m_keeps_as_many_as_it_is_asked_to(scores, generator, kept):
    masks = n_of_m(2, 4)(scores, kept, generator=generator)
    assert count(masks) == kept
    assert max(mask.movedim(1, -1).reshape(-1, 4).sum(1).max().item() for mask in masks.values()) <= 2


def test_n_of_m_with_equal_scores_and_with_numbers_for_each(generator):
    equal = {"a": torch.zeros(2, 8), "b": torch.zeros(1, 4)}
    masks = n_of_m(1, 4)(equal, {"a": 3, "b": 1}, generator=generator)
    assert masks["a"].int().tolist() == [[1, 0, 0, 0, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0]]
    assert masks["b"].int().tolist() == [[1, 0, 0, 0]]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda g: n_of_m(3, 2), "1 <= n <= m"),
        (lambda g: n_of_m(2, 4)({"w": torch.ones(3, 6)}, 3, generator=g), "do not divide by 4; exclude it"),
        (lambda g: n_of_m(2, 4)({"w": torch.ones(8)}, 3, generator=g), "do not divide by 4"),
        (lambda g: n_of_m(2, 4)({"w": torch.ones(1, 4)}, 3, generator=g), "2 of 4 neighbours are at most 0.5"),
        (lambda g: n_of_m(2, 4)({"w": torch.full((1, 4), INF - INF)}, 1, generator=g), "hold NaN"),
        (lambda g: blocks(0, 2), "at least 1"),
        (lambda g: blocks(2, 2)({"w": torch.ones(4)}, 2, generator=g), "blocks are cut from weights"),
        (lambda g: blocks(2, 2)({"w": torch.ones(4, 4)}, 3, generator=g), "fewer than the best block has"),
        (lambda g: blocks(2, 2)({"w": torch.ones(4, 4)}, 17, generator=g), "17 of 16 weights cannot stay"),
        (lambda g: channels()({"w": torch.ones(4)}, 2, generator=g), "outputs are rows"),
        (lambda g: channels()({"w": torch.full((2, 2), INF - INF)}, 2, generator=g), "hold NaN"),
        (lambda g: channels()({"w": torch.ones(2, 2)}, {"v": 2}, generator=g), "numbers for"),
    ],
)
def test_what_makes_no_sense_is_refused(generator, call, said):
    with pytest.raises(ValueError, match=said):
        call(generator)


def test_blocks_stay_or_go_as_a_whole(scores, generator):
    masks = blocks(2, 4)(scores, 200, generator=generator)
    assert count(masks) == 200  # 25 blocks of 8: sides divide
    for name, mask in masks.items():
        tiles = mask.flatten(1).unfold(0, 2, 2).unfold(1, 4, 4).flatten(2).sum(2)
        assert set(tiles.flatten().tolist()) <= {0, 8}
        means = scores[name].flatten(1).unfold(0, 2, 2).unfold(1, 4, 4).flatten(2).mean(2)
        if (tiles == 0).any():
            assert means[tiles == 8].min() > means[tiles == 0].max()


def test_blocks_at_the_edges_are_smaller(generator):
    score = torch.zeros(3, 3)
    score[2, 2] = 5.0
    assert blocks(2, 2)({"w": score}, 1, generator=generator)["w"].nonzero().tolist() == [[2, 2]]
    assert count(blocks(2, 2)({"w": score}, 4, generator=generator)) == 1  # the next one has 4, and 5 is too many


def test_channels_are_rows_and_the_best_by_mean(generator):
    scores = {"narrow": torch.tensor([[3.0, 3.0], [1.0, 1.0]]), "wide": torch.tensor([[2.0] * 5, [4.0] * 5])}
    masks = channels()(scores, 9, generator=generator)  # 4.0 with 5 weights, 3.0 with 2; 2.0 has 5 and is too many
    assert masks["wide"].all(1).tolist() == [False, True]
    assert masks["narrow"].all(1).tolist() == [True, False]
    assert count(masks) == 7


def test_units_with_pruned_weights_do_not_come_back(generator):
    score = torch.tensor([[9.0, -INF], [1.0, 1.0], [0.0, 0.0]])
    for select in (channels(), blocks(1, 2)):
        assert select({"w": score}, 4, generator=generator)["w"].any(1).tolist() == [False, True, True]
        assert count(select({"w": score}, 6, generator=generator)) == 4


@pytest.mark.gpu
@pytest.mark.parametrize("select", [n_of_m(2, 4), blocks(2, 2), channels()])
def test_masks_lie_where_their_scores_lie(select, scores, generator):
    there = {name: score.cuda() for name, score in scores.items()}
    masks = select(there, 100, generator=generator)
    for name, mask in select(scores, 100, generator=generator).items():
        assert masks[name].device.type == "cuda"
        assert masks[name].cpu().equal(mask)
