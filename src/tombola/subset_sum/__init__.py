"""Numbers only: which of a few random numbers sum to a given one, and what theory says about how close they come.

`sparsest`, `nearest` and `lightest` share one signature, `(candidates, targets, *, epsilon) -> SubsetSums`.
"""

from tombola.subset_sum._lightest import lightest as lightest
from tombola.subset_sum._nearest import nearest as nearest
from tombola.subset_sum._record import SubsetSums as SubsetSums
from tombola.subset_sum._sparsest import sparsest as sparsest
