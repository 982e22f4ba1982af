"""The rule by which transfer is predicted, with its thresholds and how often it was right."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Frequencies:
    """How often tickets transferred where a rule said so, and where it did not.

    Attributes:
        right: pairs of tasks that transferred and were said to.
        yes: pairs that were said to transfer.
        missed: pairs that transferred and were not said to.
        no: pairs that were not said to transfer.
    """

    right: int
    yes: int
    missed: int
    no: int

    def probability(self, verdict: bool) -> float:
        """Of transfer after a verdict: `(hits + 1) / (pairs + 2)`, so never 0 or 1, the rule of succession.

        Example:
            >>> round(Frequencies(right=52, yes=60, missed=0, no=21).probability(True), 3)
            0.855
        """
        hits, pairs = (self.right, self.yes) if verdict else (self.missed, self.no)
        return (hits + 1) / (pairs + 2)


@dataclass(frozen=True)
class Rule:
    """A ticket is said to transfer if its source is no poorer than its target, has a signal, and there is no veto.

    That is `a_A >= a_B - deficit` and `a_A >= least_signal` for the task signals `a` of source and target, and no veto
    by `zero_shot`. All numbers are our own, not from a paper. They were chosen on the pairs that the frequencies count,
    so both are in-sample: 81 pairs of variants of one data set of 8 x 8 digits, one perceptron with 50,200 weights, 400
    steps of plain stochastic gradient descent, density 0.069, four seeds. To transfer meant a recovery above 0.7. Only
    rounded rates were kept (base rate 0.64; precision 0.87 and recall 1.00 with the veto, 0.81 and 1.00 without); the
    counts are the whole numbers that give them. On other data, networks and budgets expect less; `experiments/
    renormalization` measures how much less.

    Attributes:
        deficit: by which the source's signal may fall behind the target's.
        least_signal: that a source needs.
        margin: within which exponents count as the same; for the evidence only.
        frequencies: with the veto.
        without_veto: where no zero-shot error is known.

    Example:
        >>> rule = Rule()
        >>> rule.says(0.30, 0.32, is_vetoed=False), rule.says(0.19, 0.32, is_vetoed=False)
        (True, False)
    """

    deficit: float = 0.05
    least_signal: float = 0.15
    margin: float = 0.05
    frequencies: Frequencies = Frequencies(right=52, yes=60, missed=0, no=21)
    without_veto: Frequencies = Frequencies(right=52, yes=64, missed=0, no=17)

    def says(self, source: float, target: float, *, is_vetoed: bool) -> bool:
        """Whether a ticket is said to transfer.

        Args:
            source: task signal of the source.
            target: task signal of the target.
            is_vetoed: by `zero_shot`.
        """
        return source >= target - self.deficit and source >= self.least_signal and not is_vetoed
