import pytest
import torch
from torch import nn

from tombola.dynamic import rigl, sparse_evolution, top_kast


@pytest.mark.gpu
@pytest.mark.parametrize(
    "make",
    [
        lambda generator: rigl(steps=40, every=4, generator=generator),
        lambda generator: sparse_evolution(steps=40, every=4, generator=generator),
        lambda generator: top_kast(every=4, generator=generator),
    ],
    ids=["rigl", "set", "top-kast"],
)
@pytest.mark.parametrize("drawn_on", ["cpu", "cuda"])
def test_a_network_on_a_gpu_keeps_its_counts(make, drawn_on):
    net = nn.Linear(50, 20).cuda()
    optimiser = torch.optim.AdamW(net.parameters(), lr=0.01)
    mask = torch.rand(20, 50, generator=torch.Generator().manual_seed(0)) < 0.2
    dynamic = make(torch.Generator(drawn_on).manual_seed(0))(optimiser, net, {"weight": mask})
    for _ in range(20):
        optimiser.zero_grad()
        net(torch.ones(3, 50, device="cuda")).square().sum().backward()
        optimiser.step()
        assert (net.weight[~dynamic.masks["weight"]] == 0).all()
    assert dynamic.masks["weight"].device == net.weight.device
    assert int(dynamic.masks["weight"].sum()) == int(mask.sum())
    assert dynamic.updates > 0
