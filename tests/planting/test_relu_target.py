import pytest
import torch

from tombola.planting import relu_target

DEPTHS = (3, 5, 6, 10)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_path_of_one_weight_per_matrix(depth):
    parameters = dict(relu_target(depth).named_parameters())
    sizes = {name: (p.numel(), int((p != 0).sum())) for name, p in parameters.items()}
    weights = {name: (1, 1) for name in parameters if name.endswith("weight")}
    assert len(weights) == depth - 1
    assert sizes == weights | {name: (1, 0) for name in parameters if name.endswith("bias")}


@pytest.mark.parametrize("depth", DEPTHS)
def test_it_is_the_relu(depth):
    x = torch.linspace(-1, 1, 41)[:, None]
    torch.testing.assert_close(relu_target(depth)(x), x.clamp(min=0), rtol=0, atol=0)


def test_a_depth_without_hidden_layer_is_refused():
    with pytest.raises(ValueError, match=r"relu_target: depth counts the layers of neurons.*got 2"):
        relu_target(2)
