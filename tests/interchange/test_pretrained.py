"""Folders of Hugging Face models with masks: transformers reads them as they are, and the masks come back."""

import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.testing import assert_close
from transformers import BertConfig, BertForSequenceClassification, GPT2Config, GPT2LMHeadModel

from tombola.interchange import load_masks, load_pretrained, save_pretrained

INPUTS = torch.tensor([[1, 5, 2, 8], [3, 3, 0, 7]])


def bert():
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    return BertForSequenceClassification(BertConfig(vocab_size=11, max_position_embeddings=8, **sizes)).eval()


def gpt():
    return GPT2LMHeadModel(GPT2Config(vocab_size=11, n_positions=8, n_embd=16, n_layer=2, n_head=2)).eval()


def drawn(model, generator, density=0.4):
    return {n: torch.rand(p.shape, generator=generator) < density for n, p in model.named_parameters() if p.ndim > 1}


@pytest.mark.parametrize("make", [bert, gpt])
def test_a_model_and_its_masks_come_back(tmp_path, make, generator):
    model = make()
    masks, before = drawn(model, generator), {n: p.detach().clone() for n, p in model.named_parameters()}
    save_pretrained(model, masks, tmp_path / "net")
    assert_close(dict(model.named_parameters()), before, rtol=0, atol=0)  # the model is as it was
    random = torch.get_rng_state()
    back, found = load_pretrained(tmp_path / "net")
    assert torch.get_rng_state().equal(random)
    assert (type(back), back.training) == (type(model), False)
    assert found.keys() == masks.keys()
    parameters = dict(back.named_parameters())
    for name, mask in masks.items():
        assert found[name].equal(mask)
        assert not parameters[name][~mask].any()
        assert_close(parameters[name][mask], before[name][mask], rtol=0, atol=0)
    with torch.no_grad():
        for name, value in model.named_parameters():
            value *= masks.get(name, 1)
        assert_close(back(INPUTS).logits, model(INPUTS).logits, rtol=0, atol=0)


@pytest.mark.parametrize("make", [bert, gpt])
def test_transformers_reads_the_folder_without_us(tmp_path, make, generator):
    model = make()
    masks = drawn(model, generator)
    save_pretrained(model, masks, tmp_path / "net")
    stored = load_file(tmp_path / "net" / "model.safetensors")
    assert all(not stored[name][~mask].any() for name, mask in masks.items())
    loaded, told = type(model).from_pretrained(tmp_path / "net", output_loading_info=True)
    assert not any(told.values())
    assert not loaded.get_parameter(next(iter(masks)))[~next(iter(masks.values()))].any()
    assert load_masks(tmp_path / "net" / "masks.safetensors").keys() == masks.keys()


def test_a_tied_weight_is_pruned_at_both_ends(tmp_path, generator):
    model = gpt()
    mask = torch.rand(11, 16, generator=generator) < 0.5
    save_pretrained(model, {"transformer.wte.weight": mask}, tmp_path / "gpt")
    back, _ = load_pretrained(tmp_path / "gpt")
    assert back.lm_head.weight is back.transformer.wte.weight
    assert not back.lm_head.weight[~mask].any()


def test_a_folder_that_is_not_empty_stays_as_it_is(tmp_path, generator):
    model = gpt()
    masks = drawn(model, generator)
    (tmp_path / "net").mkdir()
    save_pretrained(model, masks, tmp_path / "net")
    before = {path.name: path.read_bytes() for path in (tmp_path / "net").iterdir()}
    with pytest.raises(FileExistsError, match="name a folder that is not"):
        save_pretrained(model, {name: ~mask for name, mask in masks.items()}, tmp_path / "net")
    assert {path.name: path.read_bytes() for path in (tmp_path / "net").iterdir()} == before


def test_what_fails_leaves_nothing_behind(tmp_path, generator, monkeypatch):
    model = gpt()

    def fails(*_, **__):
        raise OSError("no room")

    monkeypatch.setattr(GPT2LMHeadModel, "save_pretrained", fails)
    with pytest.raises(OSError, match="no room"):
        save_pretrained(model, drawn(model, generator), tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("masks", "error", "said"),
    [
        ({"nothing": torch.ones(1).bool()}, ValueError, "'nothing' names no parameter"),
        ({"lm_head.weight": torch.ones(11, 16).bool()}, ValueError, "'lm_head.weight' names no parameter"),
        ({"transformer.wte.weight": torch.ones(16, 11).bool()}, ValueError, r"of shape \(11, 16\)"),
        ({}, ValueError, "no masks to write"),
    ],
)
def test_masks_that_do_not_fit_are_not_written(tmp_path, masks, error, said):
    with pytest.raises(error, match=said):
        save_pretrained(gpt(), masks, tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_another_library_is_refused(tmp_path):
    with pytest.raises(TypeError, match="wanted a model of transformers, got Linear"):
        save_pretrained(nn.Linear(1, 1), {"weight": torch.ones(1, 1).bool()}, tmp_path / "net")


@pytest.fixture
def saved(tmp_path, generator):
    model = gpt()
    save_pretrained(model, drawn(model, generator), tmp_path / "net")
    return tmp_path / "net"


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda place: (place / "masks.safetensors").unlink(), FileNotFoundError, r"holds no masks\.safetensors"),
        (lambda place: (place / "config.json").unlink(), FileNotFoundError, r"holds no config\.json"),
        (
            lambda place: (place / "config.json").write_text(
                (place / "config.json").read_text().replace("GPT2LMHeadModel", "EvilModel")
            ),
            ValueError,
            "class 'EvilModel', which transformers does not have",
        ),
        (
            lambda place: save_file({"other": torch.ones(1)}, place / "masks.safetensors"),
            ValueError,
            "'other' names no parameter",
        ),
        (
            lambda place: save_file({"transformer.wte.weight": torch.full((11, 16), 0.5)}, place / "masks.safetensors"),
            ValueError,
            "has the value 0.5",
        ),
        (
            lambda place: save_file(
                {"transformer.wpe.weight": torch.zeros(8, 16), "transformer.wte.weight": torch.zeros(11, 16)},
                place / "masks.safetensors",
            ),
            ValueError,
            "'transformer.wpe.weight' has values where its mask prunes",
        ),
    ],
)
def test_a_folder_that_does_not_fit_together_is_refused(saved, change, error, said):
    change(saved)
    with pytest.raises(error, match=said):
        load_pretrained(saved)


def test_without_transformers_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"pip install 'tombola\[transformers\]'"):
        load_pretrained(tmp_path)
    with pytest.raises(ImportError, match=r"pip install 'tombola\[transformers\]'"):
        save_pretrained(nn.Linear(1, 1), {}, tmp_path / "net")
