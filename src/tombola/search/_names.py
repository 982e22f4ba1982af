"""The methods of search by name, with the training that suits each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ._biprop import biprop
from ._continuous_sparsification import continuous_sparsification
from ._edge_popup import edge_popup
from ._gem_miner import gem_miner
from ._iterand import iterand
from ._method import Method
from ._supermask import supermask


@dataclass(frozen=True)
class NamedMethod:
    """A method as it is called by name.

    Attributes:
        function: what makes it.
        text: what it does, in a few words.
        optimiser: of its scores, "sgd" (with momentum 0.9) or "adam".
        learning_rate: of the optimiser at the beginning.
        is_by_layer: whether layers can keep the same share each; otherwise all of them are always compared.
    """

    function: Callable[..., Method]
    text: str
    optimiser: str = "sgd"
    learning_rate: float = 1.0
    is_by_layer: bool = True

    def made(self, *, by_layer: bool = True) -> Method:
        """The method as published, but for what is compared."""
        return self.function(by_layer=by_layer) if self.is_by_layer else self.function()


METHODS = {
    "edge-popup": NamedMethod(edge_popup, "the largest scores stay, all learn (Ramanujan 2020)"),
    "supermask": NamedMethod(
        supermask, "weights stay with probabilities that are trained (Zhou 2019)", learning_rate=100.0
    ),
    "iterand": NamedMethod(iterand, "edge-popup that draws pruned weights again now and then (Chijiwa 2021)"),
    "gem-miner": NamedMethod(
        gem_miner,
        "rounded scores, of which more and more are frozen at zero (Sreenivasan 2022)",
        optimiser="adam",
        learning_rate=0.03,
        is_by_layer=False,
    ),
    "biprop": NamedMethod(biprop, "edge-popup on signs, with one magnitude for each layer (Diffenderfer 2021)"),
    "continuous-sparsification": NamedMethod(
        continuous_sparsification, "soft masks that harden (Savarese 2020)", optimiser="adam", learning_rate=0.01
    ),
}
