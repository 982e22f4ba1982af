"""A model's file: safetensors, with what it takes to use the model again in the header."""

from __future__ import annotations

import importlib.metadata
import json
import os

from safetensors.torch import save
from torch import nn

from tombola.data import DataSet
from tombola.files import atomic_write

FORMAT = "tombola-model-1"


def save_model(
    path: str | os.PathLike[str], model: nn.Module, *, name: str | None = None, data: DataSet | None = None
) -> None:
    """Writes a model with its name, the name of its data and the scaling of its inputs; `load_model` is the inverse.

    Without a name or data it writes a plain state dict, and `load_model` has to be told the model.

    The file is either the old one or the whole new one, see `tombola.files.atomic_write`. Parameters and buffers are
    stored in full, tied ones once for each name.

    Args:
        path: of the file, by custom `*.safetensors`.
        model: on any device.
        name: as `tombola.models.build` takes it.
        data: what the model was trained on; gives scaling, input shape and number of classes.

    Raises:
        OSError: if the file cannot be written.

    Example:
        >>> import pathlib, tempfile, torch
        >>> from tombola import data, models, training
        >>> net = models.build("mlp:64-5-10", generator=torch.Generator().manual_seed(0))
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "net.safetensors"
        >>> save_model(path, net, name="mlp:64-5-10", data=data.load("digits"))
        >>> saved = training.load_model(path)
        >>> saved.name, saved.data, saved.scaling.scale, saved.model.fc1.weight.equal(net.fc1.weight)
        ('mlp:64-5-10', 'digits', 16.0, True)
    """
    tensors = {key: value.detach().cpu().clone().contiguous() for key, value in model.state_dict().items()}
    metadata = {} if name is None or data is None else _metadata(name, data)
    content = with_sorted_header(save(tensors, metadata=metadata))
    with atomic_write(path) as file:
        file.write(content)


def _metadata(name: str, data: DataSet) -> dict[str, str]:
    return {
        "format": FORMAT,
        "tombola_version": _version(),
        "model": name,
        "data": data.name,
        "input_shape": json.dumps(data.input_shape),
        "classes": str(data.classes),
        **data.scaling.metadata(),
    }


def with_sorted_header(content: bytes) -> bytes:
    """The same safetensors file with its header in the order of the keys, so that equal models make equal files."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[end:]


def _version() -> str:
    try:
        return importlib.metadata.version("tombola")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
