"""What a network at evaluation need not do: dropout, and normalisation on its own."""

from __future__ import annotations

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from ._trace import shape_of

NOTHING = {nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.Identity}
NORMS = {nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d}
CONVOLUTIONS = {nn.Conv1d, nn.Conv2d, nn.Conv3d}


def fold_(module: fx.GraphModule, shared: set[str]) -> None:
    """Takes dropout out of a network at evaluation, and batch norm into the layer in front of it, in place.

    Args:
        module: its modules are its own.
        shared: paths of modules that something else uses too, which stay as they are.
    """
    modules: dict[str, nn.Module] = dict(module.named_modules())
    for node in list(module.graph.nodes):
        if node.op != "call_module" or str(node.target) in shared or len(node.all_input_nodes) != 1:
            continue
        kind, before = type(modules[node.target]), node.all_input_nodes[0]
        if kind in NOTHING or (kind in NORMS and _folded_(module, modules, before, node, shared)):
            node.replace_all_uses_with(before)
            module.graph.erase_node(node)
    module.delete_all_unused_submodules()
    module.recompile()


def _folded_(
    module: fx.GraphModule, modules: dict[str, nn.Module], before: fx.Node, norm: fx.Node, shared: set[str]
) -> bool:
    """Whether a normalisation went into the layer whose result it takes."""
    path = str(before.target)
    if before.op != "call_module" or path in shared or len(before.users) > 1:
        return False
    layer, following = modules[path], modules[str(norm.target)]
    if getattr(following, "running_mean", None) is None or layer._forward_hooks or following._forward_hooks:
        return False
    assert isinstance(following, _BatchNorm)
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d) and type(layer) in CONVOLUTIONS:
        fused: nn.Module = fuse_conv_bn_eval(layer, following)
    elif type(layer) is nn.Linear and len(shape_of(norm)) == 2:  # otherwise its outputs are no channels
        fused = fuse_linear_bn_eval(layer, following)
    else:
        return False
    module.set_submodule(path, fused)
    modules[path] = fused
    return True
