"""Numbers only: which of a few random numbers sum to a given one, and what theory says about how close they come.

`sparsest`, `nearest` and `lightest` share one signature, `(candidates, targets, *, epsilon) -> SubsetSums`.
"""

from tombola.subset_sum._counting_bound import counting_bound as counting_bound
from tombola.subset_sum._failure_probability import failure_probability as failure_probability
from tombola.subset_sum._fixed_size_median_error import fixed_size_median_error as fixed_size_median_error
from tombola.subset_sum._golden_bins import golden_bins as golden_bins
from tombola.subset_sum._golden_ratio_greedy import golden_ratio_greedy as golden_ratio_greedy
from tombola.subset_sum._lightest import lightest as lightest
from tombola.subset_sum._median_error import median_error as median_error
from tombola.subset_sum._nearest import nearest as nearest
from tombola.subset_sum._of_size import of_size as of_size
from tombola.subset_sum._recommended_size import recommended_size as recommended_size
from tombola.subset_sum._record import SubsetSums as SubsetSums
from tombola.subset_sum._sparsest import sparsest as sparsest
