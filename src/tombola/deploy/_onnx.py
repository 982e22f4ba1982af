"""ONNX files: a network that runtimes of other makers take, written by torch and read by ONNX Runtime."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ._program import Forward, first_line, program, quietly

if TYPE_CHECKING:
    from onnx import ModelProto

INPUT, OUTPUT = "input", "output"


def need_onnx() -> None:
    """Raises ImportError, which says what to install, unless everything is there that ONNX files need."""
    try:
        for name in ("onnx", "onnxscript", "onnxruntime"):
            importlib.import_module(name)
    except ImportError as error:
        raise ImportError("ONNX files need three packages more: pip install 'tombola[onnx]'", name="onnx") from error


def onnx_bytes(network: nn.Module, example: Tensor) -> bytes:
    """The content of an `.onnx` file, with one input, one output, batches of any size, and weights inside.

    Normalisations that follow a convolution go into its weights, where a zero stays zero.

    Args:
        network: at evaluation; takes one tensor.
        example: a batch that it takes.

    Raises:
        ValueError: if torch cannot follow the forward, or ONNX has no word for what it does.
    """
    found = program(network, example)
    with quietly():
        try:
            exported = torch.onnx.export(
                found,
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: "batch"},),  # once more, for the name alone
                verbose=False,
            )
            assert exported is not None
            return _bare(exported.model_proto).SerializeToString()
        except Exception as error:  # there is one for each part of the exporter
            reason = first_line(error.__cause__ or error)
            raise ValueError(f"torch cannot write the network as ONNX: {reason}") from error


def onnx_forward(content: bytes) -> Forward:
    """The function that an `.onnx` file holds, as ONNX Runtime computes it in one thread.

    Raises:
        ValueError: if ONNX Runtime does not take it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # there is one for each of its own codes
        raise ValueError(f"ONNX Runtime does not take the network: {first_line(error)}") from error
    return lambda x: torch.from_numpy(session.run([OUTPUT], {INPUT: x.numpy()})[0])


def _bare(model: ModelProto) -> ModelProto:
    """A model, changed in place, without what says how it came about, such as paths on this machine."""
    del model.metadata_props[:]
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    del model.graph.value_info[:]  # shapes in between, which every reader works out
    return model
