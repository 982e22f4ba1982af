"""Masks in a trainer of Hugging Face's transformers: in force at every step, saved and restored."""

import copy
import json
import pickle

import pytest
import torch
from tests.integrations.trainers import Look, bert, bits, is_pruned, random_masks, transformers_trainer
from torch import nn

from tombola.integrations.transformers import KeepPruned


@pytest.fixture
def masks():
    return random_masks(bert())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"gradient_accumulation_steps": 2},
        {"optim": "sgd", "learning_rate": 0.1},
        {"optim": "adafactor"},
        {"bf16": True},
        {"eval_strategy": "steps", "eval_steps": 3, "eval_on_start": True},
    ],
)
def test_pruned_weights_are_zero_at_every_step(tmp_path, masks, options):
    model, look = bert(), Look(masks)
    before = bits(model)
    transformers_trainer(tmp_path, model, KeepPruned(masks), look, **options).train()
    assert len(look.seen) == 16
    assert all(look.seen)
    assert not bits(model).equal(before)


def test_without_the_callback_they_are_not(tmp_path, masks):
    look = Look(masks)
    transformers_trainer(tmp_path, bert(), look).train()
    assert not any(look.seen)


def test_one_callback_serves_train_after_train(tmp_path, masks):
    model, keep, look = bert(), KeepPruned(masks), Look(masks)
    trainer = transformers_trainer(tmp_path, model, keep, look, max_steps=3)
    trainer.train()
    trainer.evaluate()
    trainer.train()
    hooked = [trainer.optimizer]
    for _ in range(2):
        trainer = transformers_trainer(tmp_path, model, keep, look, max_steps=3)
        trainer.train()
        hooked.append(trainer.optimizer)
    assert len(look.seen) == 24
    assert all(look.seen)
    assert not any(optimiser.optimizer._optimizer_step_post_hooks for optimiser in hooked)


def test_after_training_pruned_weights_may_be_trained_again(tmp_path, masks):
    model = bert()
    transformers_trainer(tmp_path, model, KeepPruned(masks)).train()
    assert is_pruned(model, masks)
    transformers_trainer(tmp_path, model).train()
    assert not is_pruned(model, masks)


def test_copies_made_during_training_are_whole_and_free(tmp_path, masks):
    model, keep, copies = bert(), KeepPruned(masks), []

    def copied(model, optimiser):
        copies.extend([copy.deepcopy(model), copy.deepcopy(keep), pickle.loads(pickle.dumps(keep))])

    look = Look(masks, 3, copied)
    transformers_trainer(tmp_path, model, keep, look).train()
    average, *callbacks = copies
    assert is_pruned(average, masks)
    assert all(look.seen)
    for callback in callbacks:
        fresh = bert()
        transformers_trainer(tmp_path, fresh, callback).train()
        assert bits(fresh).equal(bits(model))


@pytest.fixture
def interrupted(tmp_path, masks):
    """The folder of a checkpoint after half of the steps."""
    transformers_trainer(tmp_path, bert(), KeepPruned(masks), save_strategy="steps", save_steps=4).train()
    return str(tmp_path / "checkpoint-4")


@pytest.mark.parametrize("options", [{}, {"restore_callback_states_from_checkpoint": True}])
def test_a_checkpoint_brings_its_masks(tmp_path, masks, interrupted, options):
    model, look = bert(seed=3), Look(masks)
    trainer = transformers_trainer(tmp_path, model, KeepPruned(), look, **options)
    trainer.train(resume_from_checkpoint=interrupted)
    assert len(look.seen) == 8
    assert all(look.seen)
    assert is_pruned(model, masks)
    (keep,) = [hook for hook in trainer.callback_handler.callbacks if isinstance(hook, KeepPruned)]
    assert all(keep.masks[name].equal(mask) for name, mask in masks.items())


def test_a_checkpoint_with_other_masks_is_refused(tmp_path, masks, interrupted):
    name = "classifier.weight"
    trainer = transformers_trainer(tmp_path, bert(), KeepPruned(masks | {name: ~masks[name]}))
    with pytest.raises(ValueError, match=r"under other masks: those of classifier\.weight differ"):
        trainer.train(resume_from_checkpoint=interrupted)


def test_a_dense_checkpoint_goes_on_under_masks_and_is_saved_with_them(tmp_path, masks):
    saving = {"save_strategy": "steps", "save_steps": 4}
    transformers_trainer(tmp_path, bert(), **saving).train()
    model, look = bert(), Look(masks)
    trainer = transformers_trainer(tmp_path, model, KeepPruned(masks), look, max_steps=12, **saving)
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-8"))
    assert len(look.seen) == 8
    assert all(look.seen)
    state = json.loads((tmp_path / "checkpoint-12" / "trainer_state.json").read_text())
    assert state["stateful_callbacks"]["KeepPruned"]["attributes"]["packed"].keys() == masks.keys()


def test_the_best_checkpoint_may_be_a_dense_one(tmp_path, masks):
    saving = {"save_strategy": "steps", "save_steps": 4, "eval_strategy": "steps", "eval_steps": 4}
    # The largest loss counts as the best: that of the checkpoint that was trained least.
    best = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "greater_is_better": True}
    transformers_trainer(tmp_path, bert(), **saving, **best).train()
    model = bert()
    trainer = transformers_trainer(tmp_path, model, KeepPruned(masks), max_steps=12, **saving, **best)
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-8"))
    assert trainer.state.best_model_checkpoint.endswith("checkpoint-4")
    assert is_pruned(model, masks)


def test_masks_of_any_shape_travel_through_a_checkpoint(generator):
    shapes = [(), (1,), (7,), (3, 5), (2, 3, 3, 3), (0, 4)]
    masks = {str(shape): torch.rand(shape, generator=generator) < 0.5 for shape in shapes}
    restored = KeepPruned()
    restored.packed = json.loads(json.dumps(KeepPruned(masks).packed))
    assert all(
        restored.masks[name].equal(mask) and restored.masks[name].dtype == torch.bool for name, mask in masks.items()
    )


def test_the_text_of_a_mask_takes_a_sixth_of_a_byte_per_weight(generator):
    keep = KeepPruned({"weight": torch.rand(300, 100, generator=generator) < 0.5})
    assert len(json.dumps(keep.packed)) == pytest.approx(30_000 / 6, abs=50)


def test_without_masks_nothing_is_trained(tmp_path):
    model = bert()
    before = bits(model)
    with pytest.raises(ValueError, match="KeepPruned has no masks"):
        transformers_trainer(tmp_path, model, KeepPruned()).train()
    assert bits(model).equal(before)


def test_masks_that_do_not_fit_are_refused(tmp_path, masks):
    with pytest.raises(ValueError, match=r"'head\.weight' names no parameter; the model has bert\."):
        transformers_trainer(tmp_path, bert(), KeepPruned({"head.weight": masks["classifier.weight"]})).train()
    wrong = {"classifier.weight": torch.ones(16, 16, dtype=torch.bool)}
    with pytest.raises(ValueError, match=r"of shape \(16, 16\), wanted torch\.bool of shape \(10, 16\)"):
        transformers_trainer(tmp_path, bert(), KeepPruned(wrong)).train()


def test_names_are_those_of_the_model_however_it_is_wrapped(tmp_path, masks):
    model, keep = bert(), KeepPruned(masks)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = transformers_trainer(tmp_path, model)
    keep.on_train_begin(trainer.args, trainer.state, trainer.control, model=nn.DataParallel(model), optimizer=optimiser)
    assert is_pruned(model, masks)
    optimiser.step()
    keep.on_train_end(trainer.args, trainer.state, trainer.control, model=nn.DataParallel(model))
    assert not optimiser._optimizer_step_post_hooks
