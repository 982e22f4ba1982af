"""What every subset-sum solver must do. A new solver adds one line to the table."""

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from tests.problems.subset_sums import every_subset, ordered_sum, planted

import tombola.subset_sum._problem as problem
from tombola.subset_sum import lightest, nearest, sparsest

# name -> (solver, what it minimises among the subsets within epsilon, for a pool and its selections)
SOLVERS = {
    "sparsest": (sparsest, lambda pool, selections: selections.sum(1).astype(float)),
    "nearest": (nearest, lambda pool, selections: np.zeros(len(selections))),
    "lightest": (lightest, lambda pool, selections: np.abs(pool * selections).sum(1)),
}
ROUNDING = 2.0**-26  # of the sum of a pool's magnitudes: what the solvers say about their errors

each_solver = pytest.mark.parametrize(("solver", "cost"), SOLVERS.values(), ids=SOLVERS.keys())
seeded = hypothesis.settings(max_examples=80, deadline=None, derandomize=True, database=None)


@st.composite
def problems(draw, largest=14):
    """Pools of many kinds (ties, zeros, tiny and huge numbers), targets in and out of reach, all sorts of epsilon."""
    m, n = draw(st.integers(0, 5)), draw(st.integers(1, largest))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["uniform", "coarse", "equal", "product", "crowded", "tiny", "far"]))
    epsilon = draw(st.sampled_from([0.0, 1e-6, 1e-3, 0.01, 0.25, 2.0]))
    candidates, targets = random.uniform(-1, 1, (m, n)), random.uniform(-1.5, 1.5, m)
    if kind == "coarse":  # exact sums: many subsets tie, many lie exactly at the tolerance, some candidates are 0
        candidates, targets = np.round(4 * candidates) / 4, np.round(4 * targets) / 4
    if kind == "equal":
        candidates = np.repeat(candidates[:, :1], n, axis=1)
    if kind == "product":
        candidates *= random.uniform(-1, 1, (m, n))
    if kind == "crowded":  # most candidates are needed
        candidates = np.abs(candidates)
        targets = 0.8 * candidates.sum(1)
    if kind == "tiny":
        candidates, targets, epsilon = 1e-30 * candidates, 1e-30 * targets, 1e-30 * epsilon
    if kind == "far":
        targets *= 1e6
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return candidates.astype(dtype), targets.astype(dtype), epsilon


def some_problem(m=150, n=10, seed=0):
    candidates, targets, _ = planted(m, n, 4, noise=0.05, seed=seed)
    targets[::17] += 5.0
    return candidates, targets


@each_solver
@seeded
@given(problems())
def test_the_selection_reproduces_value_error_and_met(solver, cost, given_problem):
    candidates, targets, epsilon = given_problem
    found = solver(candidates, targets, epsilon=epsilon)
    assert found.selection.shape == candidates.shape
    for row, pool in enumerate(candidates.astype(np.float64)):
        assert found.value[row] == ordered_sum(pool, found.selection[row : row + 1])[0]
    assert_array_equal(found.error, np.abs(targets.astype(np.float64) - found.value))
    assert_array_equal(found.met, found.error <= epsilon)
    assert not (found.selection & (candidates == 0)).any()


@each_solver
@seeded
@given(problems())
def test_no_subset_is_better(solver, cost, given_problem):
    candidates, targets, epsilon = given_problem
    found = solver(candidates, targets, epsilon=epsilon)
    assert found.proved.all()
    selections = every_subset(candidates.shape[1])
    for row, pool in enumerate(candidates.astype(np.float64)):
        error = np.abs(float(targets[row]) - ordered_sum(pool, selections))
        within = (error <= epsilon) & (solver is not nearest)
        rounding = ROUNDING * np.abs(pool).sum()
        if not within.any():
            assert_allclose(found.error[row], error.min(), rtol=0, atol=rounding)
            continue
        costs = cost(pool, selections)
        best = costs[within].min()
        assert_allclose(cost(pool, found.selection[row : row + 1])[0], best, rtol=1e-12)
        assert found.met[row]
        if solver is sparsest:
            assert_allclose(found.error[row], error[costs == best].min(), rtol=0, atol=rounding)


@each_solver
@seeded
@given(problems(largest=10), st.integers(1, 4))
def test_more_candidates_never_lose(solver, cost, given_problem, more):
    candidates, targets, epsilon = given_problem
    m, n = candidates.shape
    extra = np.float32(0.3) * np.abs(candidates).max(1, keepdims=True) * np.ones(more, candidates.dtype)
    wider = np.concatenate([candidates, extra], 1)
    before, after = solver(candidates, targets, epsilon=epsilon), solver(wider, targets, epsilon=epsilon)
    assert (after.met >= before.met).all()
    for row in range(m):
        pool = wider[row].astype(np.float64)
        if before.met[row] and solver is not nearest:
            old = cost(pool[:n], before.selection[row : row + 1])[0]
            assert cost(pool, after.selection[row : row + 1])[0] <= old * (1 + 1e-12)
        elif not after.met[row] or solver is nearest:
            assert after.error[row] <= before.error[row] + ROUNDING * np.abs(pool).sum()


@each_solver
@hypothesis.settings(seeded, max_examples=50)
@given(problems(largest=12))
def test_tensors_and_arrays_have_equally_good_answers(solver, cost, given_problem):
    candidates, targets, epsilon = given_problem
    arrays = solver(candidates, targets, epsilon=epsilon)
    tensors = solver(torch.from_numpy(candidates), torch.from_numpy(targets), epsilon=epsilon)
    assert_array_equal(tensors.met.numpy(), arrays.met)
    assert_array_equal(tensors.proved.numpy(), arrays.proved)
    for row, pool in enumerate(candidates.astype(np.float64)):
        costs = [cost(pool, np.asarray(found.selection[row : row + 1]))[0] for found in (arrays, tensors)]
        if arrays.met[row]:
            assert_allclose(costs[0], costs[1], rtol=1e-12)
        if solver is not lightest or not arrays.met[row]:
            rounding = ROUNDING * np.abs(pool).sum()
            assert_allclose(tensors.error[row].item(), arrays.error[row], rtol=0, atol=rounding)


@each_solver
def test_tensors_stay_on_their_device_and_have_the_types_of_the_record(solver, cost):
    candidates, targets = (torch.from_numpy(array) for array in some_problem(20))
    found = solver(candidates, targets, epsilon=0.01)
    types = [getattr(found, name).dtype for name in ("selection", "value", "error", "met", "proved")]
    assert types == [torch.bool, torch.float64, torch.float64, torch.bool, torch.bool]


@pytest.mark.gpu
@each_solver
def test_the_answer_on_a_gpu_is_the_answer_on_the_processor(solver, cost):
    candidates, targets = (torch.from_numpy(array) for array in some_problem())
    here = solver(candidates, targets, epsilon=0.01)
    there = solver(candidates.cuda(), targets.cuda(), epsilon=0.01)
    assert there.selection.is_cuda
    torch.testing.assert_close(there.selection.cpu(), here.selection)


@each_solver
def test_the_answer_does_not_depend_on_threads_or_blocks(solver, cost, monkeypatch):
    candidates, targets = some_problem()
    whole = solver(candidates, targets, epsilon=0.01)
    rows = [solver(candidates[row : row + 1], targets[row : row + 1], epsilon=0.01) for row in range(len(targets))]
    monkeypatch.setattr(problem, "INLINE", 0)
    monkeypatch.setattr(problem, "available_cores", lambda: 3)
    threaded = solver(candidates, targets, epsilon=0.01)
    assert_array_equal(threaded.selection, whole.selection)
    assert_array_equal(np.concatenate([row.selection for row in rows]), whole.selection)


@each_solver
def test_permuted_rows_have_permuted_answers(solver, cost):
    candidates, targets = some_problem()
    order = np.random.default_rng(1).permutation(len(targets))
    found = solver(candidates, targets, epsilon=0.01)
    permuted = solver(candidates[order], targets[order], epsilon=0.01)
    assert_array_equal(permuted.selection, found.selection[order])


@each_solver
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["arrays", "tensors"])
def test_a_shared_pool_is_one_pool_per_target_repeated(solver, cost, kind):
    candidates, targets = some_problem(40)
    pool = candidates[0]
    private = solver(kind(np.tile(pool, (40, 1))), kind(targets), epsilon=0.01)
    for shared in (pool, pool[None]):
        found = solver(kind(shared), kind(targets), epsilon=0.01)
        assert_array_equal(np.asarray(found.selection), np.asarray(private.selection))


@each_solver
def test_arguments_are_left_alone_and_may_be_read_only_or_strided(solver, cost):
    candidates, targets = some_problem(30)
    expected = solver(candidates, targets, epsilon=0.01).selection
    strided, read_only = np.asfortranarray(candidates), targets.copy()
    read_only.flags.writeable = False
    assert_array_equal(solver(strided, read_only, epsilon=0.01).selection, expected)
    assert_array_equal(candidates, some_problem(30)[0])


@each_solver
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["arrays", "tensors"])
@pytest.mark.parametrize(
    ("candidates", "targets", "epsilon", "message"),
    [
        ([[1.0, np.nan]], [0.5], 0.1, "candidates must be finite"),
        ([[1.0, -np.inf]], [0.5], 0.1, "candidates must be finite"),
        ([[1.0, 2.0]], [np.nan], 0.1, "targets must be finite"),
        ([[1e308, 1e308]], [1.0], 0.1, "finite sum"),
        ([[1.0, 2.0]], [0.5], -0.1, "epsilon"),
        ([[1.0, 2.0]], [0.5], np.nan, "epsilon"),
        ([[1.0, 2.0]] * 3, [0.5, 0.5], 0.1, "3 pools"),
        ([[[1.0]]], [0.5], 0.1, r"candidates must be \(m, n\)"),
        ([[1.0]], [[0.5]], 0.1, r"targets \(m,\)"),
        ([[0.1] * 65], [0.5], 0.1, "at most"),
    ],
)
def test_bad_input_is_refused(solver, cost, kind, candidates, targets, epsilon, message):
    with pytest.raises(ValueError, match=message):
        solver(kind(np.array(candidates)), kind(np.array(targets)), epsilon=epsilon)


@each_solver
def test_arrays_of_other_types_are_refused(solver, cost):
    with pytest.raises(ValueError, match="float32 or float64, got int64"):
        solver(np.array([[1, 2]]), np.array([0.5]), epsilon=0.1)
    with pytest.raises(ValueError, match="float32 or float64"):
        solver(torch.tensor([[1.0, 2.0]]), torch.tensor([1]), epsilon=0.1)
    with pytest.raises(TypeError, match="both be NumPy arrays or both tensors"):
        solver(np.array([[1.0, 2.0]]), torch.tensor([1.0]), epsilon=0.1)
