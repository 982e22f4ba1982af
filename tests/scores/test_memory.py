"""Scores take no more memory than they say: measured as the peak of a fresh process."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import torch
from tombola import scores

torch.set_num_threads(1)
layers = [torch.nn.Linear(3000, 3000, bias=False) for _ in range(5)]
net = torch.nn.Sequential(*layers)
batches = [(torch.ones(2, 3000), torch.zeros(2, 3000))]
masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in net.named_parameters()}
given = {"masks": masks, "loss": torch.nn.functional.mse_loss, "generator": torch.Generator()}
small = torch.nn.Linear(2, 2, bias=False)
small_masks = {"weight": torch.ones(2, 2, dtype=torch.bool)}
score = getattr(scores, sys.argv[1])
score(small, [(torch.ones(1, 2), torch.zeros(1, 2))], **given | {"masks": small_masks})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
score(net, batches, **given)
peak = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
sys.stdout.write(str(peak / sum(4 * weight.numel() for weight in net.parameters())))
"""


def copies(name):
    """How many times the memory of the parameters a criterion takes at most, beside the model itself."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, name], capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.slow
def test_snip_makes_so_many_copies_and_no_more():
    """A copy of the model with masked weights, sums, slopes and, layer by layer, scores; a fifth copy would show."""
    assert copies("snip") < 4.1
