"""The one record for every kind of ticket: masks, and the address of what they mask."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..masks import Masks, check_masks
from ..random_source import Law, Source
from ._encoding import BitMask, Mask, pack

if TYPE_CHECKING:
    from ..random_source._initialise import Scheme

FIRST_BLOCK = 64  # rows and columns whose hash pins the generator


@dataclass(frozen=True)
class MaskedTensor:
    """One tensor of the parent network and which of its weights are kept.

    Attributes:
        mask: over the tensor as it is addressed: rows by columns.
        law: what the source's values follow; None where the values are saved with the ticket.
        transposed: whether the rows are the layer's inputs (then the layer's weight is the transpose).
    """

    mask: Mask
    law: Law | None
    transposed: bool = False


@dataclass(frozen=True)
class Stage:
    """One layer of the pruned network.

    Attributes:
        layer: the target layer that this stage takes part in.
        weight: name of its weight among the tensors.
        bias: name of its bias, or None.
        relu: whether a ReLU follows.
        copies: `(outputs,)` int32, the target unit that each output stands for, -1 for an output that is not used;
            None where they correspond one to one.
    """

    layer: str
    weight: str
    bias: str | None
    relu: bool
    copies: np.ndarray | None = None


@dataclass(frozen=True)
class Ticket:
    """A sparse subnetwork of a randomly initialised network.

    The random network is named by its source, not stored. `module()` builds the subnetwork, `save()` writes a file
    that `load()` reads, `verify()` checks everything that the ticket claims.

    Attributes:
        kind: "strong" (constructed: no training) or "masked" (masks for an ordinary model).
        source: where the parent's values come from; None if they are saved.
        tensors: the parent's tensors and their masks, by name.
        stages: the layers of the pruned network in order; empty for kind "masked".
        values: saved values of tensors without a law.
        record: JSON data: construction, target, tolerance, certificate, report and provenance.
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
    def certificate(self) -> Any | None:  # noqa: ANN401 - a Certificate, which lives in a package above this one
        """The proved bound on the output error, or None for tickets without one."""
        if "certificate" not in self.record:
            return None
        from ..strong import Certificate

        return Certificate.from_json(self.record["certificate"])

    def block(self, name: str, start: int, stop: int) -> np.ndarray:
        """Values `(stop - start, columns)` of some rows of the parent's tensor, kept or not."""
        tensor = self.tensors[name]
        if tensor.law is None:
            return self.values[name][start:stop]
        if self.source is None:
            raise ValueError(f"tensor {name!r} has a law but the ticket has no source")
        return self.source.block(name, tensor.law, range(start, stop), range(tensor.mask.shape[1]))

    def fingerprints(self) -> dict[str, str]:
        """SHA-256 of the first block of each tensor: a changed generator, seed or law shows here."""
        return {
            name: hashlib.sha256(
                np.ascontiguousarray(self.block(name, 0, min(FIRST_BLOCK, tensor.mask.shape[0]))[:, :FIRST_BLOCK])
            ).hexdigest()
            for name, tensor in self.tensors.items()
        }

    def module(self, *, form: str = "sparse") -> nn.Module:
        """The pruned network as a stock `nn.Module`.

        Args:
            form: "masked" (the whole parent, pruned weights at zero: for small networks), "sparse" (only units that
                are used) or "collapsed" (the target's shape, with effective weights; strong tickets on non-negative
                inputs or two-sign tickets whose two paths agree are described in `realise`).

        Raises:
            ValueError: for another form, or a ticket that has no such form.
        """
        from ..realise import realise

        return realise(self, form=form)

    def save(self, path: Path | str) -> int:
        """Writes the ticket to a file, atomically, and returns its size in bytes."""
        from ._file import save_ticket

        return save_ticket(self, Path(path))

    @classmethod
    def from_masks(
        cls, model: nn.Module, masks: Masks, *, source: Source | None = None, scheme: Scheme | None = None
    ) -> Ticket:
        """A ticket for an ordinary model: its masks, and where the unmasked values come from.

        Args:
            model: the network that the masks belong to, at the values that the ticket should hold.
            masks: bool tensors by parameter name; parameters without a mask are kept whole.
            source: if given, values are addresses: parameters to which `scheme` gives a law are not saved.
            scheme: the scheme that `initialise` was called with; needed with `source`.

        Raises:
            ValueError: if masks and model do not fit, or a parameter differs from its address.

        Example:
            >>> layer = nn.Linear(3, 1)
            >>> ticket = Ticket.from_masks(layer, {"weight": torch.tensor([[True, False, True]])})
            >>> ticket.kept, ticket.source_parameters
            (3, 4)
        """
        parameters = {name: value.detach() for name, value in model.named_parameters()}
        check_masks(masks, parameters)
        if (source is None) != (scheme is None):
            raise ValueError("source and scheme come together: the scheme says which law a parameter follows")
        tensors, values, shapes = {}, {}, {}
        for name, value in parameters.items():
            rows = value.reshape(len(value) if value.ndim else 1, -1)
            mask = masks.get(name, torch.ones_like(value, dtype=torch.bool)).reshape(rows.shape)
            law = scheme(name, value) if scheme else None
            if law is not None and source is not None and not torch.equal(source.tensor(name, law, value.shape), value):
                raise ValueError(f"parameter {name!r} is not what the source has at its address; call initialise first")
            tensors[name] = MaskedTensor(pack(mask.numpy()), law)
            shapes[name] = list(value.shape)
            if law is None:
                values[name] = rows.float().numpy().copy()
        ticket = cls("masked", source, tensors, values=values, record={"shapes": shapes})
        return ticket.sealed()

    def sealed(self) -> Ticket:
        """This ticket with the hashes that `verify` compares: of the source's first blocks and the effective weights."""
        from ..effective import effective_sha256

        record = {**self.record, "fingerprints": self.fingerprints(), "effective_sha256": effective_sha256(self)}
        return Ticket(self.kind, self.source, self.tensors, self.stages, self.values, record)

    def masks(self) -> Masks:
        """The masks as bool tensors in the shapes of the pruned network's parameters."""
        from ._encoding import unpack

        shapes: Mapping[str, list[int]] = self.record.get("shapes", {})
        masks: dict[str, Tensor] = {}
        for name, tensor in self.tensors.items():
            dense = torch.from_numpy(unpack(tensor.mask))
            masks[name] = (dense.T if tensor.transposed else dense).reshape(shapes.get(name, [-1]) if shapes else dense.T.shape if tensor.transposed else dense.shape)
        return masks


def empty_mask(rows: int, columns: int) -> BitMask:
    """A mask that keeps nothing."""
    return BitMask(np.zeros((rows, -(-columns // 8)), np.uint8), columns)
