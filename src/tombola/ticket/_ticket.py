"""The one record for every kind of ticket: masks, and the address of what they mask."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tombola.activations import RELU, Activation
from tombola.cost import uses
from tombola.masks import Masks, check_masks
from tombola.random_source import Law, Scheme, Source, matrix_shape

from ._encoding import Mask, pack, unpack
from ._generations import check_numbers, generation_masks, put_later, values_at

FIRST_BLOCK = 64  # rows and columns whose hash pins the generator
SAVED = {torch.float32, torch.float16, torch.bfloat16}


@dataclass(frozen=True, eq=False)
class MaskedTensor:
    """One tensor of the parent network and which of its weights are kept.

    Attributes:
        mask: over the tensor as it is addressed: rows by columns.
        law: what the source's values follow; None where the values are saved with the ticket.
        transposed: whether the rows are the layer's inputs (then the layer's weight is the transpose).
        generations: which of the kept weights were drawn again once, twice, ...: disjoint parts of the mask. Their
            values are those of the source's next generations at the same addresses.
    """

    mask: Mask
    law: Law | None
    transposed: bool = False
    generations: tuple[Mask, ...] = ()

    @property
    def outputs(self) -> int:
        """How many outputs a layer with this weight has."""
        return self.mask.shape[1 if self.transposed else 0]

    @property
    def inputs(self) -> int:
        """How many inputs it has."""
        return self.mask.shape[0 if self.transposed else 1]


@dataclass(frozen=True, eq=False)
class Stage:
    """One layer of the pruned network.

    Attributes:
        layer: the target layer that this stage takes part in.
        weight: name of its weight among the tensors.
        bias: name of its bias, or None.
        relu: whether a ReLU follows; between the two stages of a pair, whether `activation` does.
        activation: what follows the hidden units of a pair.
        copies: `(outputs,)` int32, the target unit that each output stands for, -1 for an output that is not used;
            None where they correspond one to one.
    """

    layer: str
    weight: str
    bias: str | None
    relu: bool
    copies: np.ndarray | None = None
    activation: Activation = RELU


@dataclass(frozen=True, eq=False)
class Ticket:
    """A sparse subnetwork of a randomly initialised network.

    The random network is named by its source, not stored. `module()` builds the subnetwork, `save()` writes a file
    that `load()` reads, `verify()` checks everything that the ticket claims.

    Attributes:
        kind: "strong" (constructed: no training), "universal" (the features of a family of functions, as strong) or
            "masked" (masks for an ordinary model).
        source: where the parent's values come from; None if they are saved.
        tensors: the parent's tensors and their masks, by name.
        stages: the layers of the pruned network in order; empty for kind "masked".
        values: saved values of tensors without a law.
        record: JSON data: construction, target, tolerance, certificate, report and provenance.

    Example:
        >>> from tombola import construct
        >>> target = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> ticket = construct(target, torch.zeros(1, 4), seed=7)
        >>> module = ticket.module(form="masked")  # every weight is 0 or random: nothing was trained
        >>> sum(int((weight != 0).sum()) for weight in module.parameters()) == ticket.kept
        True
    """

    kind: str
    source: Source | None
    tensors: dict[str, MaskedTensor]
    stages: tuple[Stage, ...] = ()
    values: dict[str, np.ndarray] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        """How many weights of the parent are kept."""
        return sum(tensor.mask.kept for tensor in self.tensors.values())

    @property
    def source_parameters(self) -> int:
        """How many weights the parent has, kept or not."""
        return sum(tensor.mask.shape[0] * tensor.mask.shape[1] for tensor in self.tensors.values())

    @property
    def density(self) -> float:
        """The kept fraction of the parent."""
        return self.kept / max(1, self.source_parameters)

    @property
    def certificate(self) -> Any | None:  # noqa: ANN401 - of a class that lives in a package above this one
        """The proved bound on the output error, or None for tickets without one."""
        if "certificate" not in self.record:
            return None
        if self.kind == "universal":
            from tombola.universal import FeatureCertificate

            return FeatureCertificate.from_json(self.record["certificate"], self.record["family"]["features"])
        from tombola.strong import Certificate

        return Certificate.from_json(self.record["certificate"])

    def block(self, name: str, start: int, stop: int) -> np.ndarray:
        """Values `(stop - start, columns)` float32 of some rows of the parent's tensor, kept or not.

        Of weights that were drawn again the last draw, where they are kept.
        """
        return self._values(name, range(start, stop), range(self.tensors[name].mask.shape[1]))

    def _values(self, name: str, rows: range, columns: range) -> np.ndarray:
        law = self.tensors[name].law
        if law is None:
            return self.values[name][rows.start : rows.stop, columns.start : columns.stop]
        if self.source is None:
            raise ValueError(f"tensor {name!r} has a law but the ticket has no source")
        found = self.source.block(name, law, rows, columns)
        again = self.tensors[name].generations
        put_later(found, again, (rows, columns), self.source, lambda later: later.block(name, law, rows, columns))
        return found

    def fingerprints(self) -> dict[str, str]:
        """SHA-256 by tensor, of its first block, or of all its values where they are saved.

        A changed generator, seed, law or saved value shows here.
        """
        return {
            name: array_sha256(self._values(name, *(range(size) for size in first_block(tensor))))
            for name, tensor in self.tensors.items()
        }

    def module(self, *, form: str = "sparse") -> nn.Module:
        """The pruned network as a stock `nn.Module`.

        Args:
            form: "masked" (the whole parent, pruned weights at zero: for small networks), "sparse" (only units that
                are used) or "collapsed" (one layer per target layer, with effective weights); see `realise`.

        Raises:
            ValueError: for another form, or a ticket of kind "masked".
        """
        from tombola.realise import realise

        return realise(self, form=form)

    def save(self, path: Path | str) -> int:
        """Writes the ticket to a file, atomically, and returns its size in bytes. Equal tickets give equal bytes.

        Raises:
            ValueError: if the ticket is not complete, so that no one could load it.
            OSError: if the file cannot be written; a file that was there before is left as it was.
        """
        from ._file import save_ticket

        return save_ticket(self, Path(path))

    @classmethod
    def from_masks(
        cls,
        model: nn.Module,
        masks: Masks,
        *,
        source: Source | None = None,
        scheme: Scheme | None = None,
        example: Tensor | None = None,
        generations: Mapping[str, Tensor] | None = None,
    ) -> Ticket:
        """A ticket for an ordinary model: its masks, and where the unmasked values come from.

        Args:
            model: the network that the masks belong to, at the values that the ticket should hold.
            masks: bool tensors by parameter name; parameters without a mask are kept whole.
            source: if given, values are addresses: parameters to which `scheme` gives a law are not saved.
            scheme: the scheme that `initialise` was called with; needed with `source`.
            example: a batch that the model takes. With it the ticket says how often each weight is used, from which
                `ticket_cost` counts multiply-adds; convolutions need it.
            generations: integers in the shapes of parameters with a law, by name: how often each of their weights was
                drawn again from its own address. Default: never.

        Raises:
            ValueError: if masks and model do not fit, a parameter differs from its address, or a value to be saved
                would be rounded: float32 and shorter types are saved.

        Example:
            >>> layer = nn.Linear(3, 1)
            >>> ticket = Ticket.from_masks(layer, {"weight": torch.tensor([[True, False, True]])})
            >>> ticket.kept, ticket.source_parameters
            (3, 4)
        """
        parameters = {name: value.detach().cpu() for name, value in model.named_parameters()}
        check_masks(masks, parameters)
        if (source is None) != (scheme is None):
            raise ValueError("source and scheme come together: the scheme says which law a parameter follows")
        again = {name: numbers.cpu() for name, numbers in (generations or {}).items()}
        check_numbers(again, parameters)
        tensors, values = {}, {}
        for name, value in parameters.items():
            law = _law_at(name, value, source, scheme, again.get(name))
            mask = masks.get(name, torch.ones_like(value, dtype=torch.bool)).cpu()
            tensors[name] = _masked(mask, law, again.get(name))
            if law is None:
                values[name] = _saved(name, value)
        record: dict[str, Any] = {"shapes": {name: list(value.shape) for name, value in parameters.items()}}
        if example is not None:
            record["uses"] = uses(model, example)
        return cls("masked", source, tensors, values=values, record=record).sealed()

    def sealed(self) -> Ticket:
        """This ticket with the hashes that `verify` compares: of first blocks and of the effective weights."""
        from tombola.effective import effective_sha256

        hashes = {"fingerprints": self.fingerprints(), "effective_sha256": effective_sha256(self)}
        return replace(self, record={**self.record, **hashes})

    def masks(self) -> Masks:
        """The masks as bool tensors in the shapes of the pruned network's parameters."""
        shapes = self.record.get("shapes", {})
        masks: dict[str, Tensor] = {}
        for name, tensor in self.tensors.items():
            dense = torch.from_numpy(unpack(tensor.mask))
            oriented = dense.T if tensor.transposed else dense
            masks[name] = oriented.reshape(shapes[name]) if name in shapes else oriented
        return masks


def first_block(tensor: MaskedTensor) -> tuple[int, int]:
    """Rows and columns of the part of a tensor whose hash pins it; all of it where values are saved."""
    rows, columns = tensor.mask.shape
    return (rows, columns) if tensor.law is None else (min(FIRST_BLOCK, rows), min(FIRST_BLOCK, columns))


def array_sha256(values: np.ndarray) -> str:
    """SHA-256 of float32 values, little-endian."""
    return hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()


def _law_at(
    name: str, value: Tensor, source: Source | None, scheme: Scheme | None, generations: Tensor | None
) -> Law | None:
    """The law of a parameter that lies at its address, None for one whose values have to be saved."""
    law = scheme(name, value) if scheme else None
    if law is None or source is None:
        if generations is not None:
            raise ValueError(f"parameter {name!r} follows no law, so that it cannot have been drawn again")
        return None
    at = torch.zeros(value.shape, dtype=torch.int16) if generations is None else generations
    if not torch.equal(values_at(source, name, law, at), value):
        raise ValueError(f"parameter {name!r} is not what the source has at its address; call initialise first")
    return law


def _masked(mask: Tensor, law: Law | None, generations: Tensor | None) -> MaskedTensor:
    rows, columns = matrix_shape(mask.shape)
    dense = mask.reshape(rows, columns).numpy()
    if generations is None:
        return MaskedTensor(pack(dense), law)
    again = generation_masks(generations.reshape(rows, columns).numpy(), dense)
    return MaskedTensor(pack(dense), law, generations=again)


def _saved(name: str, value: Tensor) -> np.ndarray:
    if value.dtype not in SAVED:
        raise ValueError(f"parameter {name!r} is {value.dtype}, which a ticket would round; call model.float() first")
    return value.float().reshape(matrix_shape(value.shape)).numpy().copy()
