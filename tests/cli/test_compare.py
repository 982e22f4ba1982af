import pytest
import torch

from tombola.ticket import Ticket


def masked(path, *kept):
    """A ticket of four saved weights, some of them kept."""
    layer = torch.nn.Linear(2, 2, bias=False)
    Ticket.from_masks(layer, {"weight": torch.tensor(kept).bool().reshape(2, 2)}).save(path)


def test_json_describes_both(made):
    result = made("compare", "two.ticket", "one.ticket", "--json")
    assert (result.code, result.err) == (0, "")
    first, second = result.record["first"], result.record["second"]
    assert (first["construction"], second["construction"]) == ("two-layer", "one-extra")
    assert (first["weight_epsilon"], second["weight_epsilon"]) == (0.01, 0.05)
    assert first.keys() == second.keys()
    assert first["kept"] == made("info", "two.ticket", "--json").record["kept"]


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [((1, 1, 0, 0), (1, 0, 1, 0), 1 / 3), ((1, 1, 1, 1), (1, 1, 1, 1), 1.0), ((1, 0, 0, 0), (0, 0, 0, 1), 0.0)],
)
def test_the_overlap_is_what_both_keep_over_what_either_keeps(tombola, tmp_path, first, second, overlap):
    masked(tmp_path / "a", *first)
    masked(tmp_path / "b", *second)
    assert tombola("compare", "a", "b", "--json").record["overlap"] == pytest.approx(overlap)


def test_a_ticket_overlaps_with_itself_and_not_with_another_seed(made):
    assert made("compare", "two.ticket", "two.ticket", "--json").record["overlap"] == 1
    made("construct", "net.safetensors", "--seed", 8, "-o", "other.ticket")
    assert made("compare", "two.ticket", "other.ticket", "--json").record["overlap"] is None
    assert "other parents" in made("compare", "two.ticket", "other.ticket").out


def test_the_table_has_a_column_for_each(made):
    out = made("compare", "two.ticket", "one.ticket").out
    assert "two.ticket" in out.splitlines()[1]
    assert "one.ticket" in out.splitlines()[1]
    assert max(map(len, out.splitlines())) <= 80
