import pytest
import torch

from tombola.data import DataSet, Scaling


@pytest.fixture
def corners():
    """Four kinds of points in the plane, one in each quadrant; two classes, separated by no straight line."""
    draw = torch.Generator().manual_seed(1)
    signs = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    kind = torch.arange(240) % 4
    x = signs[kind] * (0.5 + torch.rand(240, 2, generator=draw))
    y = (kind >= 2).long()
    return DataSet("corners", x[:160], y[:160], x[160:], y[160:], Scaling("none"))
