import pytest
import torch

from tombola.random_source import Source, he, initialise
from tombola.ticket import Ticket
from tombola.universal import build, named_family


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


def test_universal_tickets_are_described_by_their_families(tombola, tmp_path):
    for seed in (0, 1):
        build(named_family("hat", 2, knots=3), seed=seed).save(tmp_path / f"{seed}.ticket")
    result = tombola("compare", "0.ticket", "1.ticket", "--json").record
    assert result["first"]["family"] == "hat of 2 inputs, knots 3"
    assert result["first"]["features"] == 6
    assert 0 < result["first"]["certified_bound"] <= 1e-3
    assert result["overlap"] is None
    assert tombola("compare", "0.ticket", "0.ticket", "--json").record["overlap"] == 1


def test_a_universal_ticket_next_to_a_strong_one(made, tmp_path):
    build(named_family("hat", 2, knots=3)).save(tmp_path / "hat.ticket")
    lines = made("compare", "hat.ticket", "two.ticket").out.splitlines()
    rows = {line[:32].strip(): line[32:].split("  ") for line in lines}
    assert [part.strip() for part in rows["bound of"] if part] == ["any feature", "the output, 2-norm"]
    assert [part.strip() for part in rows["features"] if part] == ["6", "-"]
    assert "other parents" in lines[-1]


def test_rows_that_say_nothing_of_either_are_left_out(tombola, tmp_path):
    masked(tmp_path / "a", 1, 0, 0, 0)
    out = tombola("compare", "a", "a").out
    assert "solver" not in out
    assert "family" not in out
    assert "solver" in tombola("compare", "a", "a", "--json").out


def test_each_weight_of_two_masked_tickets_is_compared_with_chance(tombola, tmp_path):
    random = torch.Generator().manual_seed(2)
    nets = [torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Linear(5, 3)) for _ in range(2)]
    masks = [{f"{i}.weight": torch.rand(net[i].weight.shape, generator=random) < 0.7 for i in (0, 1)} for net in nets]
    for name, net, mask in zip("ab", nets, masks, strict=True):
        Ticket.from_masks(net, mask).save(tmp_path / name)
    layers = tombola("compare", "a", "b", "--json").record["layers"]
    assert list(layers) == ["0.weight", "1.weight"]  # biases are kept whole by both
    for name, found in layers.items():
        one, other = masks[0][name], masks[1][name]
        both, counts = one & other, [int(one.sum()), int(other.sum())]
        signs = [net.get_parameter(name).detach()[both].sign() for net in nets]
        assert found["kept"] == counts
        assert found["both"] == int(both.sum())
        assert found["chance"] == pytest.approx(counts[0] * counts[1] / one.numel())
        assert found["same_sign"] == pytest.approx(float((signs[0] == signs[1]).double().mean()))
        assert found["same_sign"] < 1
    out = tombola("compare", "a", "b").out
    assert "kept by both, and by independent masks of the same size" in out
    assert [line.split()[0] for line in out.splitlines()[-2:]] == ["0.weight", "1.weight"]


def test_signs_are_compared_where_weights_are_drawn_and_not_saved(tombola, tmp_path):
    net = torch.nn.Linear(6, 4)
    masks, values = {"weight": torch.arange(24).view(4, 6) % 3 > 0}, []
    for seed in (0, 1):
        net.load_state_dict(initialise(net, Source(seed)), strict=False)
        ticket = Ticket.from_masks(net, masks, source=Source(seed), scheme=he)
        assert "weight" not in ticket.values
        ticket.save(tmp_path / str(seed))
        values.append(net.weight.detach()[masks["weight"]].sign())
    found = tombola("compare", "0", "1", "--json").record["layers"]["weight"]
    assert 0 < found["same_sign"] < 1
    assert found["same_sign"] == pytest.approx(float((values[0] == values[1]).double().mean()))
    assert tombola("compare", "0", "0", "--json").record["layers"]["weight"]["same_sign"] == 1


def test_where_both_keep_nothing_there_are_no_signs_to_compare(tombola, tmp_path):
    masked(tmp_path / "a", 1, 1, 0, 0)
    masked(tmp_path / "b", 0, 0, 1, 1)
    found = tombola("compare", "a", "b", "--json").record["layers"]["weight"]
    assert (found["both"], found["chance"], found["same_sign"]) == (0, 1, None)


def test_strong_tickets_are_not_compared_by_weights(made):
    assert made("compare", "two.ticket", "one.ticket", "--json").record["layers"] is None
    assert "by chance" not in made("compare", "two.ticket", "one.ticket").out
