import pytest
import torch

from tombola.effective import effective_maps
from tombola.ticket import Ticket, load_ticket


def maps_of(path):
    return {maps.layer: maps for maps in effective_maps(load_ticket(path))}


def test_the_products_add_up_to_the_weight(made, tmp_path):
    weight = maps_of(tmp_path / "two.ticket")["fc2"].positive
    for output, column in ((3, 2), (0, 5), (9, 0)):
        record = made("explain", "two.ticket", "--weight", f"fc2[{output},{column}]", "--json").record
        assert record["zeroed"] == (weight[output, column] == 0)
        assert sum(record["sums"].values()) == pytest.approx(weight[output, column], abs=1e-12)
        for term in record["terms"]:
            assert term["product"] == pytest.approx(term["inner"] * term["outer"])


def test_a_bias_is_made_of_constant_units(made, tmp_path):
    bias = maps_of(tmp_path / "two.ticket")["fc1"].bias
    record = made("explain", "two.ticket", "--weight", "fc1[1,bias]", "--json").record
    assert record["sums"] == {"constant": pytest.approx(bias[1])}


def test_each_sign_of_an_input_has_its_own_sum(made, tmp_path):
    made("construct", "net.safetensors", "--inputs", "ball", "-o", "ball.ticket")
    maps = maps_of(tmp_path / "ball.ticket")["fc1"]
    record = made("explain", "ball.ticket", "--weight", "fc1[2,20]", "--json").record
    assert record["sums"] == {
        "x > 0": pytest.approx(maps.positive[2, 20]),
        "x < 0": pytest.approx(maps.negative[2, 20]),
    }


def test_the_table_shows_terms_sum_and_tolerance(made):
    result = made("explain", "two.ticket", "--weight", "fc2[3,2]")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("fc2[3,2] of two.ticket\n")
    assert result.out.endswith("tolerance: 0.01 times the largest weight of its layer\n")
    assert max(map(len, result.out.splitlines())) <= 80
    assert "  sum " in result.out
    assert "kept out" in result.out


def test_a_copied_neuron_is_explained_too(made):
    record = made("explain", "one.ticket", "--weight", "fc2[3,2]", "--json").record
    assert {term["path"] for term in record["terms"]} == {"copy"}


def test_a_weight_that_was_zeroed_says_so(made, tmp_path):
    weight = maps_of(tmp_path / "two.ticket")["fc1"].positive
    output, column = divmod(int((weight == 0).argmax()), weight.shape[1])
    assert weight[output, column] == 0
    name = f"fc1[{output},{column}]"
    assert made("explain", "two.ticket", "--weight", name).out == (
        f"{name} of two.ticket is 0, no edge is kept: the target's is within the tolerance of 0\n"
        "tolerance: 0.01 times the largest weight of its layer\n"
    )
    record = made("explain", "two.ticket", "--weight", name, "--json").record
    assert record == {"weight": name, "zeroed": True, "sums": {}, "terms": []}


@pytest.mark.parametrize(
    "weight", ["fc1", "fc1[3]", "fc1[3,]", "fc1[-1,0]", "fc1[a,b]", "[3,17]", "fc1[3,17", "fc1(3,17)", ""]
)
def test_a_weight_is_written_in_one_way(made, weight):
    result = made("explain", "two.ticket", "--weight", weight)
    assert (result.code, result.out) == (2, "")
    assert "'fc1[3,17]'" in result.complaint


@pytest.mark.parametrize(
    ("weight", "said"),
    [("fc9[0,0]", "fc1, fc2"), ("fc2[10,0]", "0 to 9"), ("fc2[0,6]", "0 to 5"), ("fc1[0,9999999999999]", "0 to 63")],
)
def test_a_weight_that_the_target_does_not_have(made, weight, said):
    result = made("explain", "two.ticket", "--weight", weight)
    assert (result.code, result.out) == (2, "")
    assert said in result.complaint


def test_a_layer_without_biases(made):
    made("train", "digits", "mlp:64-3-10", "--no-bias", "--epochs", 1, "-o", "plain.safetensors")
    made("construct", "plain.safetensors", "-o", "plain.ticket")
    assert "has no bias" in made("explain", "plain.ticket", "--weight", "fc1[0,bias]").complaint


def test_a_masked_ticket_has_no_sums(made, tmp_path):
    Ticket.from_masks(torch.nn.Linear(3, 2), {}).save(tmp_path / "m.ticket")
    assert "takes a strong one" in made("explain", "m.ticket", "--weight", "weight[0,0]").complaint
