"""Weights in large pages are the same weights, and only what is large moves."""

import copy
import mmap
import pickle

import pytest
import torch
from torch import nn

from tombola.deploy import _pages, compile
from tombola.deploy._pages import LARGE, in_large_pages, settle_

linux_only = pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="only Linux is asked for large pages")


@linux_only
@pytest.mark.parametrize("dtype", [torch.float32, torch.int16, torch.float64])
def test_a_large_tensor_begins_with_a_page(dtype):
    tensor = torch.arange(3 * LARGE).view(3, LARGE).to(dtype)
    moved = in_large_pages(tensor)
    assert moved.data_ptr() % LARGE == 0
    assert moved.equal(tensor)
    assert moved.data_ptr() != tensor.data_ptr()
    assert in_large_pages(moved) is moved


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_other_tensors_stay():
    large = torch.zeros(2 * LARGE // 4)
    quantised, shared = torch.quantize_per_tensor(large, 0.1, 0, torch.qint8), large.clone().share_memory_()
    small = torch.zeros(LARGE // 4 - 1)
    for tensor in (small, large[::2], large.to_sparse(), large.to("meta"), torch.zeros(0), quantised, shared):
        assert in_large_pages(tensor) is tensor


@linux_only
def test_a_kernel_without_large_pages(monkeypatch):
    class Area(mmap.mmap):
        def madvise(self, advice):
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(_pages.mmap, "mmap", Area)
    assert in_large_pages(torch.ones(LARGE)).equal(torch.ones(LARGE))


@linux_only
def test_a_module_keeps_its_parameters_and_what_it_shares():
    net = nn.Sequential(nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 1024))
    net[2].weight = net[0].weight
    before, owner = net[0].weight.detach().clone(), net[0].weight
    settle_(net)
    assert net[0].weight is net[2].weight is owner
    assert owner.data_ptr() % LARGE == 0
    assert owner.equal(before)
    assert owner.requires_grad


@linux_only
def test_a_deployed_network_lies_there_whether_copied_or_loaded():
    net = nn.Sequential(nn.Linear(1024, 1024))
    before = net[0].weight.data_ptr()
    deployed = compile(net, {"0.weight": torch.rand(1024, 1024) < 0.9}, torch.zeros(1, 1024), batches=[1])
    x = torch.randn(1, 1024)
    for each in (deployed, copy.deepcopy(deployed), pickle.loads(pickle.dumps(deployed))):
        assert all(value.data_ptr() % LARGE == 0 for value in each.parameters() if value.ndim == 2)
        assert each(x).equal(deployed(x))
    assert net[0].weight.data_ptr() == before
