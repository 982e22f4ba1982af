"""The solvers for tensors: the same objectives and records, batched over instances, in float64 on their device."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from tombola.subset_sum._batched_lists import bits, closest_pair, lightest_in_windows, ordered_sum, subset_sums
from tombola.subset_sum._problem import check_finite
from tombola.subset_sum._record import SubsetSums

ENTRIES = 1 << 22  # how many numbers an intermediate list may hold: 32 MB each
ENUMERATED, ENUMERATED_LARGE = 5, 4  # sizes that are searched by enumeration, in pools up to `EXACT` and beyond
EXACT = 40
HEURISTIC = 28

Select = Callable[[Float64[Tensor, "b n"], Float64[Tensor, " b"]], Bool[Tensor, "b n"]]


def nearest_of_tensors(candidates: Float[Tensor, "*pools"], targets: Float[Tensor, " m"], epsilon: float) -> SubsetSums:
    """The record of `nearest` for tensors that were checked."""
    pools, goals = read(candidates, targets)
    return record(pools, goals, nearest_selection(pools, goals), None, epsilon)


def sparsest_of_tensors(
    candidates: Float[Tensor, "*pools"], targets: Float[Tensor, " m"], epsilon: float
) -> SubsetSums:
    """The record of `sparsest` for tensors that were checked."""
    pools, goals = read(candidates, targets)
    return record(pools, goals, *sparsest_selection(pools, goals, epsilon), epsilon)


def lightest_of_tensors(
    candidates: Float[Tensor, "*pools"], targets: Float[Tensor, " m"], epsilon: float
) -> SubsetSums:
    """The record of `lightest` for tensors that were checked."""
    pools, goals = read(candidates, targets)
    selection, _ = sparsest_selection(pools, goals, epsilon)
    rows = ((goals - ordered_sum(pools, selection)).abs() <= epsilon) & selection.any(1)

    def improve(some: Float64[Tensor, "b n"], wanted: Float64[Tensor, " b"]) -> Bool[Tensor, "b n"]:
        return lightest_selection(some, wanted, epsilon)

    lighter = in_chunks(improve, pools[rows], goals[rows])
    kept = (goals[rows] - ordered_sum(pools[rows], lighter)).abs() <= epsilon  # but for a rounding at the tolerance
    selection[rows] = torch.where(kept[:, None], lighter, selection[rows])
    return record(pools, goals, selection, None, epsilon)


def read(
    candidates: Float[Tensor, "*pools"], targets: Float[Tensor, " m"]
) -> tuple[Float64[Tensor, "m n"], Float64[Tensor, " m"]]:
    """Pools, one per target, and targets in float64."""
    pools, goals = torch.atleast_2d(candidates).double(), targets.double()
    if not bool((pools.abs().sum(1) < torch.inf).all() & (goals.abs() < torch.inf).all()):
        check_finite(candidates, targets)
    return pools.expand(len(goals), -1), goals


def record(
    pools: Float64[Tensor, "m n"],
    targets: Float64[Tensor, " m"],
    selection: Bool[Tensor, "m n"],
    proved: Bool[Tensor, " m"] | None,
    epsilon: float,
) -> SubsetSums:
    """The record of a selection, selected zeros dropped."""
    selection = selection & (pools != 0)
    value = ordered_sum(pools, selection)
    error = (targets - value).abs()
    everywhere = torch.ones_like(error, dtype=torch.bool)
    return SubsetSums(selection, value, error, error <= epsilon, everywhere if proved is None else proved)


def in_chunks(select: Select, pools: Float64[Tensor, "b n"], targets: Float64[Tensor, " b"]) -> Bool[Tensor, "b n"]:
    """The selection of all rows, as many at a time as half lists of 2^(n/2) sums have room for."""
    rows = max(1, ENTRIES >> (pools.shape[1] + 1) // 2)
    chunks = zip(pools.split(rows), targets.split(rows), strict=True)
    return torch.cat([select(*chunk) for chunk in chunks])


def nearest_selection(pools: Float64[Tensor, "b n"], targets: Float64[Tensor, " b"]) -> Bool[Tensor, "b n"]:
    """The subset nearest to each target, by meet in the middle."""
    n = pools.shape[1]
    half = (n + 1) // 2

    def select(some: Float64[Tensor, "c n"], wanted: Float64[Tensor, " c"]) -> Bool[Tensor, "c n"]:
        left, (right, order) = subset_sums(some[:, :half]), subset_sums(some[:, half:]).sort(1)
        _, i, j = closest_pair(left, right, wanted)
        return bits(i | order.gather(1, j[:, None])[:, 0] << half, n)

    return in_chunks(select, pools, targets)


def sparsest_selection(
    pools: Float64[Tensor, "m n"], targets: Float64[Tensor, " m"], epsilon: float
) -> tuple[Bool[Tensor, "m n"], Bool[Tensor, " m"]]:
    """The sparsest subset of each row and whether it is proved: by enumeration, the rest by `hard_selection`."""
    n = pools.shape[1]
    over, under = (
        (targets - ordered_sum(pools, pools > 0) > epsilon),
        (ordered_sum(pools, pools < 0) - targets > epsilon),
    )
    selection = (over[:, None] & (pools > 0)) | (under[:, None] & (pools < 0))
    open_rows = (~over & ~under & (targets.abs() > epsilon)).nonzero()[:, 0]
    for size in range(1, min(ENUMERATED if n <= EXACT else ENUMERATED_LARGE, n) + 1):
        subsets = subsets_of_size(n, size, pools.device)
        error, which = best_of_subsets(pools[open_rows], targets[open_rows], subsets)
        solved = error <= epsilon
        rows = open_rows[solved]
        selection[rows[:, None], subsets[which[solved]]] = True
        open_rows = open_rows[~solved]
    proved = torch.ones_like(over)
    if len(open_rows):
        proved[open_rows] = n <= EXACT
        selection[open_rows] = hard_selection(pools[open_rows], targets[open_rows], epsilon)
    return selection, proved


def subsets_of_size(n: int, size: int, device: torch.device) -> Int64[Tensor, "C k"]:
    """All subsets of `size` of n candidates, one per row, indices ascending."""
    subsets = torch.arange(n, device=device)[:, None]
    for _ in range(size - 1):
        last = subsets[:, -1]
        counts = n - 1 - last
        starts = counts.cumsum(0) - counts
        subsets = subsets.repeat_interleave(counts, 0)
        place = torch.arange(len(subsets), device=device) - starts.repeat_interleave(counts)
        subsets = torch.cat([subsets, (subsets[:, -1] + 1 + place)[:, None]], 1)
    return subsets


def best_of_subsets(
    pools: Float64[Tensor, "b n"], targets: Float64[Tensor, " b"], subsets: Int64[Tensor, "C k"]
) -> tuple[Float64[Tensor, " b"], Int64[Tensor, " b"]]:
    """The smallest error of the listed subsets, added in order of index, and which subset has it."""
    best, which = torch.full_like(targets, torch.inf), torch.zeros_like(targets, dtype=torch.int64)
    rows = max(1, ENTRIES // len(subsets))
    for start in range(0, len(targets), rows):
        some, wanted = pools[start : start + rows], targets[start : start + rows]
        for first in range(0, len(subsets), ENTRIES):
            sums = sum(some[:, column] for column in subsets[first : first + ENTRIES].T)
            error, place = (wanted[:, None] - sums).abs_().min(1)
            better = error < best[start : start + rows]
            best[start : start + rows][better] = error[better]
            which[start : start + rows][better] = place[better] + first
    return best, which


def hard_selection(
    pools: Float64[Tensor, "b n"], targets: Float64[Tensor, " b"], epsilon: float
) -> Bool[Tensor, "b n"]:
    """For rows that five candidates do not solve: the nearest subset, and the fewest if that is within `epsilon`."""
    if pools.shape[1] > EXACT:
        return guess(pools, targets)
    selection = nearest_selection(pools, targets)
    feasible = (targets - ordered_sum(pools, selection)).abs() <= epsilon

    def select(some: Float64[Tensor, "c n"], wanted: Float64[Tensor, " c"]) -> Bool[Tensor, "c n"]:
        return fewest_selection(some, wanted, epsilon)

    if bool(feasible.any()):
        fewest = in_chunks(select, pools[feasible], targets[feasible])
        found = (targets[feasible] - ordered_sum(pools[feasible], fewest)).abs() <= epsilon
        selection[feasible] = torch.where(found[:, None], fewest, selection[feasible])
    return selection


def fewest_selection(
    pools: Float64[Tensor, "b n"], targets: Float64[Tensor, " b"], epsilon: float
) -> Bool[Tensor, "b n"]:
    """The best subset of the fewest, but more than `ENUMERATED`, candidates within `epsilon`."""
    n = pools.shape[1]
    half = (n + 1) // 2
    left, right = grouped(subset_sums(pools[:, :half])), grouped(subset_sums(pools[:, half:]))
    right = [(*group.sort(1), masks) for group, masks in right]
    selection = torch.zeros_like(pools, dtype=torch.bool)
    solved = torch.zeros_like(targets, dtype=torch.bool)
    for size in range(ENUMERATED + 1, n + 1):
        best, mask = torch.full_like(targets, torch.inf), torch.zeros_like(targets, dtype=torch.int64)
        for inside in range(max(0, size - (n - half)), min(half, size) + 1):
            sums, masks = left[inside]
            others, order, other_masks = right[size - inside]
            gap, i, j = closest_pair(sums, others, targets)
            pair = masks[i] | other_masks[order.gather(1, j[:, None])[:, 0]] << half
            mask = torch.where(gap < best, pair, mask)
            best = torch.minimum(gap, best)
        new = ~solved & ((targets - ordered_sum(pools, bits(mask, n))).abs() <= epsilon)
        selection[new] = bits(mask, n)[new]
        solved |= new
        if bool(solved.all()):
            break
    return selection


def grouped(sums: Float64[Tensor, "b N"]) -> list[tuple[Float64[Tensor, "b M"], Int64[Tensor, " M"]]]:
    """A list of all subset sums as one list per size, each with the masks of its subsets."""
    masks = torch.arange(sums.shape[1], device=sums.device)
    h = sums.shape[1].bit_length() - 1
    sizes = bits(masks, h).sum(1)
    groups = [masks[sizes == size] for size in range(h + 1)]
    return [(sums[:, group].contiguous(), group) for group in groups]


def guess(pools: Float64[Tensor, "b n"], targets: Float64[Tensor, " b"]) -> Bool[Tensor, "b n"]:
    """A heuristic for large pools: large candidates where they bring the target closer, then the exact nearest rest."""
    order = pools.abs().argsort(1, descending=True)
    pools = pools.gather(1, order)
    chosen, rest = torch.zeros_like(pools, dtype=torch.bool), targets.clone()
    large = pools.shape[1] - HEURISTIC
    for j in range(large):
        chosen[:, j] = (rest - pools[:, j]).abs() < rest.abs()
        rest = rest - torch.where(chosen[:, j], pools[:, j], 0.0)
    chosen[:, large:] = nearest_selection(pools[:, large:], rest)
    return torch.zeros_like(chosen).scatter(1, order, chosen)


def lightest_selection(
    pools: Float64[Tensor, "b n"], targets: Float64[Tensor, " b"], epsilon: float
) -> Bool[Tensor, "b n"]:
    """The lightest subset within `epsilon` of each row, which must have one."""
    n = pools.shape[1]
    half = (n + 1) // 2
    left, (right, order) = subset_sums(pools[:, :half]), subset_sums(pools[:, half:]).sort(1)
    weights, other_weights = subset_sums(pools[:, :half].abs()), subset_sums(pools[:, half:].abs()).gather(1, order)
    wanted = targets[:, None] - left
    first = torch.searchsorted(right, wanted - epsilon)
    last = torch.searchsorted(right, wanted + epsilon, right=True)
    lightest, where = lightest_in_windows(other_weights, first, last)
    i = (weights + lightest).argmin(1)
    j = order.gather(1, where.gather(1, i[:, None]))[:, 0]
    return bits(i | j << half, n)
