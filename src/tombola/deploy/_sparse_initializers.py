"""Weights of an ONNX file as positions and values, where that takes fewer bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import SparseTensorProto, TensorProto


def sparse_initializers(content: bytes) -> bytes:
    """An `.onnx` file with every weight as a sparse initialiser for which that is smaller; the others as they were.

    A sparse initialiser has the values that are not zero and, for each of them, its 64-bit place in the flattened
    tensor. That is 12 bytes for a float32, so it is smaller if fewer than a third of all numbers are not zero. Runtimes
    make them dense when they load the file: what becomes smaller is the file.

    Args:
        content: of an `.onnx` file that has its weights inside.
    """
    import onnx

    model = onnx.load_model_from_string(content)
    graph, dense = model.graph, []
    for tensor in list(graph.initializer):
        sparse = _sparse(tensor)
        if sparse.ByteSize() < tensor.ByteSize():
            graph.sparse_initializer.append(sparse)
        else:
            dense.append(tensor)
    del graph.initializer[:]
    graph.initializer.extend(dense)
    return model.SerializeToString()


def _sparse(tensor: TensorProto) -> SparseTensorProto:
    """The same tensor by its places; its name is that of the values."""
    from onnx import helper, numpy_helper

    flat = numpy_helper.to_array(tensor).reshape(-1)
    places = np.flatnonzero(flat)
    values = numpy_helper.from_array(flat[places], tensor.name)
    return helper.make_sparse_tensor(values, numpy_helper.from_array(places.astype(np.int64)), list(tensor.dims))
