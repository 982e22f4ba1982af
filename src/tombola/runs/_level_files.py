"""The files of one level of pruning: what its ticket is, and what the next level goes on from."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tombola.data import DataSet
from tombola.imp import Level
from tombola.ticket import Ticket, check_json, load_ticket, strict_json, ticket_cost
from tombola.training import load_model, save_model

from ._run_folder import LEVELS, RunFolder

WEIGHTS, TICKET, RECORD = "weights.safetensors", "level.ticket", "level.json"
TRAINING, REWIND = "training.safetensors", "rewind.safetensors"


@dataclass(frozen=True)
class LevelRecord:
    """What is known of a finished level.

    Attributes:
        level: its number, 0 for the dense network.
        kept: how many of the prunable weights are kept.
        density: the same as a fraction.
        accuracy: on the test set, of the trained network.
        loss: mean cross-entropy there, in nats.
        step: at which training ended.
        seconds: from the end of the level before.
        seconds_outside_training: those in which it was neither trained nor evaluated.
        kept_multiply_adds: of kept weights for one example; None where they are not counted, as of data without a name.
    """

    level: int
    kept: int
    density: float
    accuracy: float
    loss: float
    step: int
    seconds: float
    seconds_outside_training: float
    kept_multiply_adds: int | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> LevelRecord:
        """The record that was written down; records of before multiply-adds were counted have none."""
        adds = content.get("kept_multiply_adds")
        return cls(**{name: content[name] for name in NUMBERS}, kept_multiply_adds=adds if type(adds) is int else None)


COUNTS = {"level", "kept", "step"}
NUMBERS = {
    name: int if name in COUNTS else float for name in LevelRecord.__dataclass_fields__ if name != "kept_multiply_adds"
}
WHOLE = {**NUMBERS, "configuration": str, "pruned": [str], "sha256": {WEIGHTS: str, TICKET: str}}


@dataclass(frozen=True, eq=False)
class LevelFiles:
    """The levels of a run: `levels/NN/` with trained weights, a ticket and a record.

    The ticket holds the weights that training of the level began with, and the masks. The record is written last and
    has the hashes of the others: a level is there if they agree.

    Args:
        run: the open folder.
        data: what is trained on; its scaling goes into the files of weights. None for plain state dicts.
        name: of the model, as `tombola.models.build` takes it; likewise.
    """

    run: RunFolder
    data: DataSet | None = None
    name: str | None = None

    def folder(self, number: int) -> Path:
        """Where the files of a level are."""
        return self.run.path / LEVELS / f"{number:02d}"

    @property
    def training(self) -> Path:
        """The state of the level that is trained; gone when it is finished."""
        return self.run.path / TRAINING

    @property
    def rewind(self) -> Path:
        """The state of training at the rewind point."""
        return self.run.path / REWIND

    def save(self, level: Level) -> int | None:
        """Writes weights and ticket; the level is there once `finish` has been called too.

        Returns:
            The multiply-adds of kept weights for one example, or None if not all weights could be counted.

        Raises:
            OSError: if a file cannot be written.
        """
        folder = self.folder(level.number)
        folder.mkdir(exist_ok=True)
        save_model(folder / WEIGHTS, level.model, name=self.name, data=self.data)
        example = None if self.data is None else self.data.scaling(self.data.x_train[:1])
        if example is not None:
            example = example.to(next(level.begun.parameters()).device)
        ticket = Ticket.from_masks(level.begun, level.masks, example=example)
        if self.name is not None and self.data is not None:
            shape, classes = list(self.data.input_shape), self.data.classes
            ticket.record["network"] = {"model": self.name, "input_shape": shape, "classes": classes}
        ticket.save(folder / TICKET)
        cost = ticket_cost(ticket)
        return None if cost.not_counted else cost.kept_multiply_adds

    def finish(self, record: LevelRecord, pruned: Sequence[str]) -> None:
        """Writes a level's record, with the hashes of its other files.

        Args:
            record: of the level.
            pruned: the names of the parameters that have masks.
        """
        folder = self.folder(record.level)
        hashes = {name: _sha256(folder / name) for name in (WEIGHTS, TICKET)}
        content = {**asdict(record), "configuration": self.run.sha256, "pruned": list(pruned), "sha256": hashes}
        self.run.write(str((folder / RECORD).relative_to(self.run.path)), content)
        self.training.unlink(missing_ok=True)

    def finished(self) -> list[LevelRecord]:
        """The records of the levels that are there, from 0 up to the first that is not."""
        records: list[LevelRecord] = []
        while (content := self._content(len(records))) is not None:
            records.append(LevelRecord.from_json(content))
        return records

    def load(self, record: LevelRecord, model: nn.Module) -> Level:
        """A finished level, so that `imp(..., after=level)` goes on behind it.

        Args:
            record: of the level.
            model: of the same build. Buffers of `begun` are its own: a ticket holds parameters alone.

        Raises:
            ValueError: if the level is not there, or not whole.
        """
        content = self._content(record.level)
        if content is None:
            raise ValueError(f"level {record.level} is not there, or not whole, in {self.run.path}")
        folder = self.folder(record.level)
        trained = load_model(folder / WEIGHTS, model).model.train(model.training)
        ticket = load_ticket(folder / TICKET)
        masks, begun = ticket.masks(), copy.deepcopy(model)
        with torch.no_grad():
            for name, parameter in begun.named_parameters():
                parameter.copy_(torch.tensor(ticket.values[name]).view_as(parameter))
        kept = {name: masks[name] for name in content["pruned"]}
        return Level(record.level, record.kept, record.density, kept, begun, trained, record.step)

    def _content(self, number: int) -> dict[str, Any] | None:
        """What the record of a level says; None if the level is not there, not whole, or of another configuration."""
        folder = self.folder(number)
        try:
            content: dict[str, Any] = strict_json((folder / RECORD).read_text(encoding="utf-8"), "its text")
            check_json(content, WHOLE, "text")
            hashes = {name: _sha256(folder / name) for name in (WEIGHTS, TICKET)}
        except (OSError, ValueError):
            return None
        expected = {"level": number, "configuration": self.run.sha256, "sha256": hashes}
        return None if any(content[name] != value for name, value in expected.items()) else content


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
