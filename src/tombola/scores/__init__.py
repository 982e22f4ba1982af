"""Criteria of pruning at initialisation: from a model and batches to a score for each weight."""

from ._score import Batches, Loss, Score

__all__ = ["Batches", "Loss", "Score"]
