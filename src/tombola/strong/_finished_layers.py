"""Finished layers in a folder, so that a construction that was interrupted goes on where it stopped.

Every layer is a file of its own, written atomically and named by a SHA-256 of everything that it depends on. Nothing
is unpickled. The hash inside notices damage, not deceit: keep the folder where only you can write.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tombola import __version__
from tombola.activations import RELU, Activation
from tombola.files import atomic_write
from tombola.random_source import law_from_json
from tombola.ticket import (
    BitMask,
    MaskedTensor,
    OwnerMask,
    Stage,
    check_json,
    content_sha256,
    layout_to_json,
    read_container,
    strict_json,
    write_container,
)

from ._layer import BuiltLayer, Miss, Recipe, TargetLayer

FORMAT = "tombola-layer/1"
MISS = {"layer": str, "output": int, "input": int, "sign": int, "error": float}
STAGE = {"layer": str, "weight": str, "bias": (str, type(None)), "relu": bool, "activation": (dict, type(None))}
WHOLE = {
    "key": str,
    "tensors": [{"name": str, "columns": int, "law": dict, "transposed": bool}],
    "stages": [
        {"layer": str, "weight": str, "bias": (str, type(None)), "relu": bool, "activation": (dict, type(None))}
    ],
    "numbers": {"edges": int, "targets": int, "zeroed": int, "signed": bool, "failures": int},
    "misses": [MISS],
}


@dataclass(frozen=True)
class FinishedLayers:
    """The finished layers of any number of constructions, in one folder.

    Args:
        folder: where the files are; made when the first is written.
        build: what builds a layer; it is known by its name.
        recipe: source, solver and parent; the solver, and an activation's function, are known by their names.

    Raises:
        ValueError: if one of these functions cannot be imported under its name.
    """

    folder: Path
    build: Callable[..., BuiltLayer]
    recipe: Recipe

    def __post_init__(self) -> None:
        self.settings()

    def settings(self) -> dict[str, Any]:
        """All but the layer itself that the outcome depends on, as JSON data."""
        recipe, activation = self.recipe, self.recipe.parent.activation
        return {
            "version": __version__,
            "build": import_name(self.build),
            "source": asdict(recipe.source),
            "solver": import_name(recipe.solver),
            "activation": activation.to_json(),
            "function": None if activation.function is None else import_name(activation.function),
            "parent": [recipe.parent.law, recipe.parent.biases],
        }

    def path(self, layer: TargetLayer) -> Path:
        """The file of a layer, by the SHA-256 of all that its outcome depends on."""
        values = {field.name: getattr(layer, field.name) for field in fields(layer)}
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        plain = {name: value for name, value in values.items() if name not in arrays}
        shapes = {name: [str(array.dtype), *array.shape] for name, array in arrays.items()}
        record = {"settings": self.settings(), "layer": plain, "shapes": shapes}
        digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode())
        for name in sorted(arrays):
            digest.update(np.ascontiguousarray(arrays[name]).data)
        return self.folder / f"{digest.hexdigest()}.layer"

    def load(self, layer: TargetLayer) -> BuiltLayer | None:
        """The layer as it was built before; None if it was not, or if its file is damaged or something else."""
        path = self.path(layer)
        try:
            metadata, arrays = read_container(path)
            check_json(metadata, {"format": str, "layer": str, "sha256": str}, "metadata")
            text = metadata["layer"]
            if metadata["format"] != FORMAT or metadata["sha256"] != content_sha256(text, arrays):
                return None
            data = strict_json(text, "its record")
            check_json(data, WHOLE, "record")
            return _built(data, arrays, self.recipe.parent.activation) if data["key"] == path.stem else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, layer: TargetLayer, built: BuiltLayer) -> None:
        """Writes a layer atomically.

        Raises:
            OSError: if it cannot be written.
        """
        path = self.path(layer)
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = _arrays(built)
        text = json.dumps(_data(built, path.stem), sort_keys=True, allow_nan=False)
        with atomic_write(path) as file:
            write_container(file, arrays, {"format": FORMAT, "layer": text, "sha256": content_sha256(text, arrays)})


def import_name(function: Callable[..., Any]) -> str:
    """The name under which a function can be imported; with its settings, if it is a `functools.partial` of one.

    Raises:
        ValueError: if there is none.

    Example:
        >>> from tombola import sparsest
        >>> import_name(sparsest)
        'tombola.subset_sum._sparsest.sparsest'
    """
    if isinstance(function, partial) and not function.args:
        return f"{import_name(function.func)} {json.dumps(function.keywords, sort_keys=True)}"
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    found: object = sys.modules.get(str(module))
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not function:
        raise ValueError(
            f"finished layers are kept under the names of the functions that built them, and {function!r} has none "
            f"of its own; pass a function that can be imported, or keep no layers"
        )
    return f"{module}.{name}"


def _arrays(built: BuiltLayer) -> dict[str, np.ndarray]:
    arrays = {"errors": built.errors.astype("<f4")}
    for name, tensor in built.tensors.items():
        mask = tensor.mask
        if isinstance(mask, OwnerMask):
            arrays[f"owner/{name}"] = mask.owner
        else:
            arrays[f"bits/{name}"] = mask.packed
    return arrays


def _data(built: BuiltLayer, key: str) -> dict[str, Any]:
    """All of a layer but its arrays, as JSON data."""
    assert all(stage.copies is None for stage in built.stages), "layers with copies depend on each other"
    assert all(tensor.law is not None for tensor in built.tensors.values()), "all values come from the source"
    return {
        "key": key,
        **layout_to_json(built.tensors, built.stages),
        "numbers": {name: getattr(built, name) for name in WHOLE["numbers"]},
        "misses": [asdict(miss) for miss in built.misses],
    }


def _built(data: dict[str, Any], arrays: Mapping[str, np.ndarray], activation: Activation) -> BuiltLayer:
    """The layer that `_data` and `_arrays` took apart."""
    tensors = {entry["name"]: _tensor(entry, arrays) for entry in data["tensors"]}
    stages = tuple(
        Stage(**{**entry, "activation": activation if entry["activation"] else RELU})  # that of the parent
        for entry in data["stages"]
    )
    if set(tensors) != {name for stage in stages for name in (stage.weight, stage.bias) if name is not None}:
        raise ValueError("its tensors are not those of the stages")
    misses = [Miss(**entry) for entry in data["misses"]]
    return BuiltLayer(tensors, stages, **data["numbers"], errors=arrays["errors"], misses=misses)


def _tensor(entry: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> MaskedTensor:
    name, columns = entry["name"], entry["columns"]
    bits = arrays.get(f"bits/{name}")
    mask = OwnerMask(arrays[f"owner/{name}"], columns) if bits is None else BitMask(bits, columns)
    return MaskedTensor(mask, law_from_json(entry["law"]), entry["transposed"])
