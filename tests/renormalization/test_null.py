"""The flow of untrained weights, and what training adds to it."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from tests.problems.flows import planted

from tombola import models
from tombola.random_source import Normal, Uniform, glorot, he
from tombola.renormalization import (
    Flow,
    anomalous,
    deviations,
    drift,
    empirical_null,
    end_to_end,
    expected_null,
    flow_report,
    gaussian_null,
    initial_laws,
    slope,
)
from tombola.renormalization._anomalous import _signal_interval


def glorot_normal(name, value):
    return Normal(math.sqrt(2 / sum(value.shape)))


TABLE = [  # widths, law, level, densities there, drifts over levels 2 to 12 from end to end
    ((784, 300, 100, 10), he, 10, [0.0831, 0.2837, 0.5359], [-0.410, 0.100, 0.310]),
    ((784, 300, 100, 10), glorot_normal, 10, [0.0820, 0.2907, 0.5795], [-0.425, 0.101, 0.324]),
    ((64, 300, 100, 10), he, 12, [0.1705, 0.0030, 0.0866], [0.572, -0.917, 0.345]),
]


def kept(total, levels=14):
    return total * 0.8 ** np.arange(levels + 1)


def weights_of(widths):
    return {f"fc{i}": torch.zeros(b, a) for i, (a, b) in enumerate(pairwise(widths))}


def null_of(weights, scheme, **options):
    sizes = {name: weight.numel() for name, weight in weights.items()}
    return gaussian_null(kept(sum(sizes.values())), sizes, deviations(weights, scheme=scheme), **options)


@pytest.mark.parametrize(("widths", "scheme", "level", "densities", "drifts"), TABLE)
def test_fully_connected_networks(widths, scheme, level, densities, drifts):
    null = null_of(weights_of(widths), scheme)
    assert_allclose(null.densities[level], densities, atol=1e-3)
    assert_allclose(drift([null], window=(2, 12), estimator=end_to_end).value, drifts, atol=1e-3)
    assert_allclose(null.kept, kept(null.sizes.sum()), rtol=1e-9)


def test_a_residual_network_by_stages():
    """ResNet-20 without weights in its shortcuts: one threshold for all layers, of which six make a stage."""
    net = models.build("resnet-20", input_shape=(3, 32, 32), classes=10, generator=torch.Generator().manual_seed(0))
    weights = {name: value for name, value in net.named_parameters() if value.ndim > 1 and value.shape[-1] != 1}
    assert sum(value.numel() for value in weights.values()) == 268_336

    def stages(names):
        found = {}
        for name in names:
            width, inputs = weights[name].shape[:2]
            kind = "conv1" if inputs == 3 else "fc" if weights[name].ndim == 2 else f"stage {width}"
            found[kind] = (*found.get(kind, ()), name)
        return found

    null = null_of(weights, he, grouping=stages)
    assert sorted(null.groups) == ["conv1", "fc", "stage 16", "stage 32", "stage 64"]
    order = [null.groups.index(name) for name in ("conv1", "stage 16", "stage 32", "stage 64", "fc")]
    assert_allclose(null.densities[10][order], [0.680, 0.341, 0.193, 0.068, 0.525], atol=1e-3)
    drifts = drift([null], window=(2, 12), estimator=end_to_end).value[order]
    assert_allclose(drifts, [0.312, 0.104, -0.110, -0.552, 0.246], atol=1e-3)


def test_slopes_are_not_the_end_to_end_changes():
    null = null_of(weights_of((784, 300, 100, 10)), he)
    both = [drift([null], window=(2, 12), estimator=one).value for one in (end_to_end, slope)]
    assert 1e-3 < np.abs(both[0] - both[1]).max() < 9e-3


def test_weights_that_are_drawn_follow_the_closed_form():
    """Densities of groups are within three binomial standard deviations of what is expected."""
    weights = weights_of((784, 300, 100, 10))
    random = torch.Generator().manual_seed(0)
    drawn = {
        name: torch.randn(value.shape, generator=random) * (2 / value.shape[1]) ** 0.5
        for name, value in weights.items()
    }
    expected, found = null_of(weights, he), empirical_null(kept(266_200), drawn)
    spread = np.sqrt(expected.densities * (1 - expected.densities) / expected.sizes)
    assert (np.abs(found.densities - expected.densities) <= 3 * spread + 1 / expected.sizes).all()
    scatter = 4 * (2 / expected.counts) ** 0.5  # of a sum of squares of all weights, relative; others scatter less
    assert (np.abs(found.magnitudes / expected.magnitudes - 1) < scatter).all()
    assert (np.abs(found.squares / expected.squares - 1) < scatter).all()
    ratios = np.array(list(deviations(drawn).values())) / np.array(list(deviations(weights, scheme=he).values()))
    assert (np.abs(ratios - 1) < 4 / (2 * expected.sizes) ** 0.5).all()


def uniform_net(widths, seed=0):
    """Layers as torch draws them, uniform up to one over the root of what comes in."""
    random = torch.Generator().manual_seed(seed)
    return {
        name: (2 * torch.rand(value.shape, generator=random) - 1) * value.shape[1] ** -0.5
        for name, value in weights_of(widths).items()
    }


def test_uniform_weights_by_hand():
    """Of 10 up to 1 and 10 up to 1/2, 10 remain above t = 1/3: 2/3 and 1/3, with means (1 - t^2) / 2 and so on."""
    laws = {"a": Uniform(1.0), "b": Uniform(0.5)}
    found = expected_null([20, 10, 2], {"a": 10, "b": 10}, laws)
    assert_allclose(found.counts, [[10, 10], [20 / 3, 10 / 3], [2, 0]], rtol=1e-12)
    assert_allclose(found.magnitudes[:2], [[5, 2.5], [40 / 9, 25 / 18]], rtol=1e-12)
    assert_allclose(found.squares[:2], [[10 / 3, 10 / 12], [260 / 81, 10 * (1 / 8 - 1 / 27) / 1.5]], rtol=1e-12)


def test_laws_of_both_kinds_share_a_threshold():
    sizes = {"a": 1000, "b": 3000}
    found = expected_null([2000], sizes, {"b": Uniform(2.0), "a": Normal(1.0)})
    threshold = 2 * (1 - found.densities[0, 1])
    assert found.densities[0, 0] == pytest.approx(math.erfc(threshold / 2**0.5), rel=1e-9)
    assert found.kept[0] == pytest.approx(2000)


def test_uniform_weights_that_are_drawn_follow_the_closed_form():
    """The law is found from the weights; their own flow is within three binomial standard deviations of it."""
    drawn = uniform_net((784, 300, 100, 10))
    laws, levels = initial_laws(drawn), kept(266_200)
    assert [type(law) for law in laws.values()] == [Uniform] * 3
    assert_allclose([law.half_width for law in laws.values()], [784**-0.5, 300**-0.5, 0.1], rtol=0.005)
    exact = {name: Uniform(value.shape[1] ** -0.5) for name, value in drawn.items()}
    expected = expected_null(levels, {name: value.numel() for name, value in drawn.items()}, exact)
    found = empirical_null(levels, drawn)
    spread = np.sqrt(expected.densities * (1 - expected.densities) / expected.sizes)
    assert (np.abs(found.densities - expected.densities) <= 3 * spread + 1 / expected.sizes).all()
    assert expected.counts[-1, 0] == found.counts[-1, 0] == 0  # the first layer reaches no further than 1/28
    alive = expected.counts > 0
    scatter = 4 * (2 / expected.counts[alive]) ** 0.5
    assert (np.abs(found.magnitudes[alive] / expected.magnitudes[alive] - 1) < scatter).all()
    assert (np.abs(found.squares[alive] / expected.squares[alive] - 1) < scatter).all()
    normal = gaussian_null(levels, {name: value.numel() for name, value in drawn.items()}, deviations(drawn))
    assert (np.abs(found.densities - normal.densities) > 10 * spread + 1 / expected.sizes).any()


def test_uniform_weights_without_training_have_no_signal():
    runs = [empirical_null(kept(50_200, 6), uniform_net((64, 300, 100, 10), seed)) for seed in range(5)]
    laws = {"fc0": Uniform(1 / 8), "fc1": Uniform(300**-0.5), "fc2": Uniform(0.1)}
    null = expected_null(kept(50_200, 6), {"fc0": 19_200, "fc1": 30_000, "fc2": 1000}, laws)
    exponents = drift(runs, window=(1, 5))
    assert anomalous(exponents, [null]).task_signal < 0.05 < np.abs(exponents.value).max()


def test_the_law_is_that_of_the_weights_or_none():
    random = torch.Generator().manual_seed(1)
    normal = torch.randn(40, 50, generator=random)
    laws = initial_laws({"a": normal, "b": torch.rand(40, 50, generator=random) - 0.5})
    assert [type(law) for law in laws.values()] == [Normal, Uniform]
    assert laws["a"].std == pytest.approx(1, abs=0.05)
    assert initial_laws({"a": torch.zeros(2, 4)}, scheme=glorot) == {"a": Uniform(1.0)}
    with pytest.raises(ValueError, match="'b' are neither uniform nor normal; use empirical_null"):
        initial_laws({"b": normal**3})
    with pytest.raises(ValueError, match="'b' has no weights but zeros"):
        initial_laws({"b": torch.zeros(3, 3)})
    with pytest.raises(ValueError, match="'bias' the law None, not a normal or uniform one"):
        initial_laws({"bias": torch.zeros(3)}, scheme=he)
    with pytest.raises(ValueError, match="of the same parameters"):
        expected_null([3], {"a": 4}, {"b": Uniform(1.0)})
    with pytest.raises(ValueError, match="got 9 to 9"):
        expected_null([9], {"a": 4}, {"a": Uniform(1.0)})


def test_the_empirical_null_by_hand():
    weights = {"a": torch.tensor([3.0, -1.0]), "b": torch.tensor([2.0, 0.5])}
    found = empirical_null([4, 3, 1], weights)
    assert found.counts.tolist() == [[2, 2], [2, 1], [1, 0]]
    assert_allclose(found.magnitudes, [[4, 2.5], [4, 2], [3, 0]])
    assert_allclose(found.squares, [[10, 4.25], [10, 4], [9, 0]])


def test_what_training_adds():
    null = planted([0.1, -0.3, 0.2])
    runs = [planted([0.3, -0.5, 0.2], random=np.random.default_rng(seed), noise=0.01) for seed in range(6)]
    found = anomalous(drift(runs), [null])
    assert_allclose(found.null, [0.1, -0.3, 0.2], atol=1e-9)
    assert_allclose(found.value, [0.2, -0.2, 0.0], atol=0.01)
    assert (found.low <= found.value).all()
    assert (found.value <= found.high).all()
    assert found.task_signal == pytest.approx(math.sqrt(0.08 / 3), abs=0.01)
    assert found.signal_low < found.task_signal < found.signal_high


def test_the_interval_of_the_task_signal_covers_as_it_says():
    """Of eight seeds, for a signal some times its noise and for one that is far from it."""
    random, truth = np.random.default_rng(3), np.array([0.2, -0.2, 0.0])
    for spread in (0.02, 0.2):
        hits = []
        for _ in range(2000):
            away = truth + spread * random.standard_normal((8, 3))
            value, noise = away.mean(axis=0), float(np.sqrt(away.var(axis=0, ddof=1).mean() / 8))
            low, high = _signal_interval(away, value, float(np.sqrt((value**2).mean())), noise, 0.95)
            hits.append(low <= math.sqrt(0.08 / 3) <= high)
        assert 0.92 < np.mean(hits) < 0.97


def test_without_training_there_is_no_signal():
    """Networks that were drawn at random, each with the null of the closed form."""
    weights = weights_of((64, 300, 100, 10))
    runs = []
    for seed in range(5):
        random = torch.Generator().manual_seed(seed)
        drawn = {
            name: torch.randn(value.shape, generator=random) * (2 / value.shape[1]) ** 0.5
            for name, value in weights.items()
        }
        runs.append(empirical_null(kept(50_200), drawn))
    exponents = drift(runs, window=(2, 10))
    assert anomalous(exponents, [null_of(weights, he)]).task_signal < 0.05
    assert anomalous(exponents, runs).task_signal == pytest.approx(0, abs=1e-9)


def test_one_seed_and_missing_groups_in_words():
    null = planted([0.1, -0.1])
    one = anomalous(drift([planted([0.2, -0.2])]), [null])
    assert one.task_signal == pytest.approx(0.1)
    assert (one.signal_low, one.low, one.noise) == (None, None, None)
    nothing = anomalous(drift([planted([0, 0]), planted([0, 0, 0])]), [null])
    assert nothing.task_signal is None
    assert nothing.refusals


def test_a_null_of_few_levels_or_of_other_number_is_refused():
    runs = drift([planted([0.1, -0.1])] * 3)
    with pytest.raises(ValueError, match="has other densities than its run; make it"):
        anomalous(runs, [planted([0.1, -0.1], levels=5)])
    with pytest.raises(ValueError, match="other densities than its run"):
        anomalous(runs, [planted([0.1, -0.1], factor=0.64)])
    with pytest.raises(ValueError, match="each of the 3 runs, not 2"):
        anomalous(runs, [planted([0.1, -0.1])] * 2)


def test_wrong_levels_and_laws():
    with pytest.raises(ValueError, match="got 0 to 3"):
        gaussian_null([3, 0], {"a": 4}, {"a": 1.0})
    with pytest.raises(ValueError, match="deviations above 0"):
        gaussian_null([3], {"a": 4}, {"a": 0.0})
    with pytest.raises(ValueError, match="got 9 to 9"):
        empirical_null([9], {"a": torch.ones(4)})
    with pytest.raises(ValueError, match="'bias' the law None"):
        deviations({"bias": torch.zeros(3)}, scheme=he)
    with pytest.raises(ValueError, match="not a normal one; use empirical_null"):
        deviations({"a": torch.zeros(3, 4)}, scheme=glorot)


def test_the_report_is_plain_data():
    runs = [planted([0.3, -0.5, 0.2], random=np.random.default_rng(seed), noise=0.01) for seed in range(4)]
    report = flow_report(runs, null=[planted([0.1, -0.3, 0.2])], factor=0.8).to_json()
    assert list(report) == [
        "groups", "identity_residual", "drift", "null", "anomalous", "task_signal", "markov", "region", "window",
        "refusals",
    ]  # fmt: skip
    assert report["groups"] == list(report["drift"]) == list(report["null"]) == ["g0", "g1", "g2"]
    assert 0 < report["identity_residual"] < 1e-5
    assert report["drift"]["g1"]["low"] < report["drift"]["g1"]["value"] < report["drift"]["g1"]["high"]
    assert report["window"]["levels"] == [[2, 12]] * 4
    assert report["refusals"] == []


def test_the_report_of_runs_that_do_not_fit_is_words():
    report = flow_report([planted([0, 0]), planted([0, 0, 0])]).to_json()
    assert report["drift"] == {}
    assert report["null"] is report["task_signal"] is report["anomalous"] is None
    assert report["refusals"] == ["run 1 has the groups g0, g1, g2, run 0 has g0, g1"]


def test_a_layer_that_collapses_is_said():
    counts = np.array([[500, 500], [400, 300], [320, 200], [280, 150], [200, 90], [180, 0]])
    flow = Flow(("a", "b"), np.array([500, 500]), counts, 1.0 * counts, 1.0 * counts)
    report = flow_report([flow, flow]).to_json()
    assert report["window"]["levels"] == [[2, 4]] * 2
    assert "'b' has lost all weights at level 5; it has no exponents from there on" in report["refusals"]
