import sys

import pytest
import torch
from safetensors.torch import save_file
from tests.cli.conftest import temporary_files

WORDS = ("net.safetensors", "--model", "mlp:40-60-3")


def test_json_is_the_record_of_the_file_and_the_file_computes_the_same(sparse_net, tombola, tmp_path):
    import onnxruntime

    record = tombola("export", *WORDS, "--onnx", "net.onnx", "--form", "sparse", "--json").record
    assert (record["form"], record["path"], record["model"]) == ("sparse", "net.onnx", "mlp:40-60-3")
    assert record["size"] == (tmp_path / "net.onnx").stat().st_size
    assert record["ratio"] == record["dense_size"] / record["size"] > 2
    assert record["error"] < 1e-4
    for times in (record["latency"], record["dense_latency"]):
        assert 0 < times["low"] <= times["median"] <= times["high"]
    session, x = onnxruntime.InferenceSession(tmp_path / "net.onnx"), torch.randn(9, 40)
    (found,) = session.run(None, {"input": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), sparse_net(x).detach())


def test_the_table_has_the_file_and_its_masked_form(sparse_net, tombola, tmp_path):
    result = tombola("export", *WORDS, "--program", "net.pt2")
    title, header, _, *rows = result.out.splitlines()
    assert title == "net.pt2: mlp:40-60-3, checked on random inputs; time of one, in one thread"
    assert header.split() == ["form", "bytes", "times", "smaller", "error", "ms", "from", "to"]
    assert [row.split()[0] for row in rows] == ["compacted", "masked"]
    assert rows[0].split()[1] == f"{(tmp_path / 'net.pt2').stat().st_size:,}"
    assert (rows[1].split()[2], rows[1].split()[3]) == ("1", "-")
    out = tombola("export", *WORDS, "--program", "net.pt2", "--form", "masked").out
    assert [row.split()[0] for row in out.splitlines()[3:]] == ["masked"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what to write, one of --onnx net.onnx and --program net.pt2"),
        (["--onnx", "a.onnx", "--program", "a.pt2"], "one of --onnx net.onnx and --program net.pt2"),
        (["--onnx", "a.pt2"], "--onnx a.pt2: its name has to end in .onnx"),
        (["--program", "a.pth"], "--program a.pth: its name has to end in .pt2"),
        (["--program", "a.pt2", "--form", "sparse"], "no sparse form; take compacted, or write to .onnx"),
        (["--onnx", "a.onnx", "--form", "dense"], "'compacted', 'sparse', 'masked'"),
        (["--onnx", "nowhere/a.onnx"], "nowhere: the folder to write in does not exist"),
        (["--onnx", "folder.onnx"], "folder.onnx: is in the way: not a regular file"),
    ],
)
def test_what_cannot_be_written_is_bad_input_and_leaves_nothing(words, said, sparse_net, tombola, tmp_path):
    (tmp_path / "folder.onnx").mkdir()
    result = tombola("export", *WORDS, *words)
    assert (result.code, result.out) == (2, "")
    assert said in result.complaint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.onnx", "net.safetensors"]


def test_what_is_read_is_not_written_over(sparse_net, tombola, tmp_path):
    (tmp_path / "net.onnx").symlink_to("net.safetensors")
    before = (tmp_path / "net.safetensors").read_bytes()
    result = tombola("export", *WORDS, "--onnx", "net.onnx")
    assert result.code == 2
    assert "is what is read" in result.complaint
    assert (tmp_path / "net.safetensors").read_bytes() == before


def test_without_the_extra_it_says_what_to_install(sparse_net, tombola, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    result = tombola("export", *WORDS, "--onnx", "net.onnx")
    assert (result.code, result.out) == (2, "")
    assert "pip install 'tombola[onnx]'" in result.complaint
    assert not (tmp_path / "net.onnx").exists()


BRANCHING = """
from torch import nn

class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        return self.layer(x) if x.sum() > 0 else self.layer(-x)
"""


def test_what_cannot_be_exported_leaves_the_old_file(tombola, tmp_path):
    (tmp_path / "branching.py").write_text(BRANCHING)
    save_file({"layer.weight": torch.eye(2, 4), "layer.bias": torch.ones(2)}, tmp_path / "odd.safetensors")
    (tmp_path / "net.pt2").write_bytes(b"old")
    result = tombola("export", "odd.safetensors", "--model", "branching:Branching", "--program", "net.pt2")
    assert (result.code, result.out) == (2, "")
    assert "torch cannot export the network for batches of any size" in result.complaint
    assert (tmp_path / "net.pt2").read_bytes() == b"old"
    assert temporary_files(tmp_path) == []
