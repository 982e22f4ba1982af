"""What a search has found, in figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from tombola.data import DataSet
    from tombola.search import Found
    from tombola.ticket import Ticket

FLOAT, DOUBLE = 32, 64  # bits


def outcome(found: Found, data: DataSet, possible: int) -> dict[str, Any]:
    """What the network does, and what its mask promises, as JSON data.

    Args:
        found: the result of a search.
        data: that it has seen.
        possible: how many generations of a weight there can be.
    """
    from tombola.masks import count, density
    from tombola.search import mask_bits, occam_bound
    from tombola.training import evaluate

    test, train = evaluate(found.model, *data.test()), evaluate(found.model, *data.train())
    bits = mask_bits(found.masks, generations=found.generations, possible=possible)
    learned = FLOAT * _statistics(found.model) + (2 * DOUBLE if _is_fitted(data) else 0)
    promise = occam_bound(train.count - train.correct, train.count, bits + learned, classes=data.classes)
    return {
        "density": density(found.masks),
        "kept": count(found.masks),
        "searched": sum(mask.numel() for mask in found.masks.values()),
        "per_layer": {name: {"size": mask.numel(), "kept": int(mask.sum())} for name, mask in found.masks.items()},
        "free_density": found.free_density,
        "drawn_again": sum(int((each > 0).sum()) for each in found.generations.values()),
        "accuracy": test.accuracy,
        "train_accuracy": train.accuracy,
        "train_errors": promise.errors,
        "train_examples": promise.examples,
        "mask_bits": bits,
        "other_bits": learned,
        "occam_bound": promise.bound,
        "confidence": promise.confidence,
        "vacuous": promise.is_vacuous,
        "promise": str(promise),
        "notes": _notes(found),
    }


def written(found: Found, settings: dict[str, Any], data: DataSet, output: Path) -> dict[str, Any]:
    """The ticket in its file, and whether what a stranger makes of this file is the network that was searched for.

    Args:
        found: the result of a search.
        settings: what the ticket says of it.
        data: gives an example, from which the ticket says how often each weight is used.
        output: the file.
    """
    from tombola.cost import uses
    from tombola.ticket import load_ticket

    example = data.scaling(data.x_train[:1])
    network = {"model": settings["model"], "input_shape": list(data.input_shape), "classes": data.classes}
    network["bias"] = settings["biases"] is not None
    record = found.ticket.record | {"uses": uses(found.model, example), "search": settings, "network": network}
    size = replace(found.ticket, record=record).save(output)
    return {
        "ticket": str(output),
        "bytes": size,
        "dense_bytes": 4 * found.ticket.source_parameters,
        "source_unchanged": is_unchanged(load_ticket(output), found.model),
    }


def is_unchanged(ticket: Ticket, model: nn.Module) -> bool:
    """Whether all kept weights of a model are those that the second generator finds at their addresses, others 0.

    Only weights without a law, frozen at what they are, are compared with what the ticket has saved.
    """
    import numpy as np

    from tombola._reference import reference_edges

    for name, parameter in model.named_parameters():
        wanted = np.zeros(ticket.tensors[name].mask.shape, np.float32)
        rows, columns, values = reference_edges(ticket, name, 0, wanted.shape[0])
        wanted[rows, columns] = values
        if not np.array_equal(wanted, parameter.detach().cpu().reshape(wanted.shape).numpy()):
            return False
    return True


def _statistics(model: nn.Module) -> int:
    """How many numbers normalisations have learned from training examples."""
    named = dict(model.named_buffers())
    return sum(value.numel() for name, value in named.items() if name.endswith(("running_mean", "running_var")))


def _is_fitted(data: DataSet) -> bool:
    """Whether the scaling of inputs follows from training examples."""
    return data.scaling.kind == "standard" or (data.x_train.is_floating_point() and data.scaling.kind != "none")


def _notes(found: Found) -> list[str]:
    """What a user has to know besides, a sentence to a line."""
    lines = []
    if found.free_density is not None:
        lines.append(f"density of the scores, had there been no number to meet: {found.free_density:.4g}")
    frozen = [name for name, value in found.model.named_parameters() if name not in found.masks]
    if frozen:
        lines.append(f"frozen at 1 or 0, not searched: {len(frozen)} parameters, as {frozen[0]}")
    if _statistics(found.model):
        lines.append("the statistics of batch norm are those of the search; no ticket holds them, data give them back")
    if empty := [name for name, mask in found.masks.items() if not mask.any()]:
        lines.append(f"COLLAPSED: nothing is left of {', '.join(empty)}")
    return lines
