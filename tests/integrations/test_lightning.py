"""Masks in a Lightning trainer: in force at every step, saved and restored, and gone when they should be."""

import copy
import importlib
import pickle
import subprocess
import sys

import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from tests.integrations.trainers import (
    WARNINGS,
    Net,
    TwoOptimisers,
    Watch,
    bits,
    is_pruned,
    lightning_fit,
    lightning_trainer,
    random_masks,
)

from tombola.integrations.lightning import KeepPruned

pytestmark = [pytest.mark.filterwarnings(line) for line in WARNINGS]


@pytest.fixture
def masks():
    return random_masks(Net())


@pytest.mark.parametrize(
    ("module", "options"),
    [
        (Net, {}),
        (TwoOptimisers, {}),
        (Net, {"accumulate_grad_batches": 2, "gradient_clip_val": 0.1}),
        (Net, {"precision": "bf16-mixed"}),
        (Net, {"precision": "bf16-true"}),
    ],
)
def test_pruned_weights_are_zero_at_every_step_and_stage(tmp_path, masks, module, options):
    net, watch = module(), Watch(masks)
    before = bits(net)
    lightning_trainer(tmp_path, KeepPruned(masks), watch, **options).fit(net)
    assert len(watch.seen) >= 16
    assert all(watch.seen)
    assert not bits(net).equal(before)


def test_without_the_callback_they_are_not(tmp_path, masks):
    watch = Watch(masks)
    lightning_trainer(tmp_path, watch).fit(Net())
    assert not any(watch.seen)


def test_one_callback_serves_fit_after_fit(tmp_path, masks):
    net, keep, watch = Net(), KeepPruned(masks), Watch(masks)
    hooked = []
    for _ in range(3):
        trainer = lightning_trainer(tmp_path, keep, watch, max_epochs=1)
        trainer.fit(net)
        hooked.append(trainer.optimizers[0])
    trainer.validate(net, verbose=False)
    trainer = lightning_trainer(tmp_path, keep, watch, max_epochs=1)
    trainer.fit(net)
    trainer.fit_loop.max_epochs = 2
    trainer.fit(net)
    assert all(watch.seen)
    for optimiser in (*hooked, *trainer.optimizers):
        assert not optimiser._optimizer_step_post_hooks


def test_when_fit_is_over_pruned_weights_may_be_trained_again(tmp_path, masks):
    net = Net()
    lightning_fit(tmp_path, net, masks)
    lightning_trainer(tmp_path).fit(net)
    assert not is_pruned(net, masks)


def test_an_error_in_fit_ends_the_effect(tmp_path, masks):
    def fail(trainer, module):
        raise RuntimeError("power cut")

    keep = KeepPruned(masks)
    trainer = lightning_trainer(tmp_path, keep, Watch(masks, 3, fail))
    with pytest.raises(RuntimeError, match="power cut"):
        trainer.fit(Net())
    assert not any(optimiser._optimizer_step_post_hooks for optimiser in trainer.optimizers)


@pytest.mark.parametrize("stage", ["validate", "test", "predict"])
def test_a_dense_module_is_pruned_before_any_stage(tmp_path, masks, stage):
    class Tested(Net):
        def test_step(self, batch, number):
            return self.validation_step(batch, number)

        def predict_step(self, batch, number):
            return self(batch[0])

    net = Tested()
    getattr(lightning_trainer(tmp_path, KeepPruned(masks)), stage)(net, net.train_dataloader())
    assert is_pruned(net, masks)


def test_copies_made_during_fit_are_whole_and_free(tmp_path, masks):
    net, keep, copies = Net(), KeepPruned(masks), []

    def copied(trainer, module):
        copies.extend([copy.deepcopy(module), copy.deepcopy(keep), pickle.loads(pickle.dumps(keep))])

    watch = Watch(masks, 3, copied)
    lightning_trainer(tmp_path, keep, watch).fit(net)
    average, *callbacks = copies
    assert is_pruned(average, masks)
    assert not bits(average).equal(bits(net))
    assert all(watch.seen)
    for callback in callbacks:
        fresh = Net()
        lightning_trainer(tmp_path, callback).fit(fresh)
        assert bits(fresh).equal(bits(net))


def test_a_moving_average_of_the_weights_is_pruned_too(tmp_path, masks):
    net, watch = Net(), Watch(masks)
    lightning_trainer(tmp_path, EMAWeightAveraging(decay=0.5), KeepPruned(masks), watch).fit(net)
    assert all(watch.seen)
    assert is_pruned(net, masks)


def test_a_checkpoint_brings_its_masks(tmp_path, masks):
    path = tmp_path / "last.ckpt"
    lightning_fit(tmp_path, Net(), masks).save_checkpoint(path)
    stored = torch.load(path, weights_only=True)["callbacks"]["KeepPruned"]["masks"]
    assert stored.keys() == masks.keys()
    net, keep = Net(), KeepPruned()
    watch = Watch(masks)
    lightning_trainer(tmp_path, keep, watch, max_epochs=4).fit(net, ckpt_path=path)
    assert all(watch.seen)
    assert all(keep.masks[name].equal(mask) for name, mask in masks.items())


def test_a_checkpoint_with_other_masks_is_refused(tmp_path, masks):
    path = tmp_path / "last.ckpt"
    lightning_fit(tmp_path, Net(), masks).save_checkpoint(path)
    others = masks | {"net.fc2.weight": ~masks["net.fc2.weight"]}
    with pytest.raises(ValueError, match=r"under other masks: those of net\.fc2\.weight differ"):
        lightning_fit(tmp_path, Net(), others, max_epochs=4, ckpt_path=path)
    with pytest.raises(ValueError, match=r"those of net\.fc1\.weight differ"):
        lightning_fit(tmp_path, Net(), {"net.fc2.weight": masks["net.fc2.weight"]}, max_epochs=4, ckpt_path=path)
    lightning_fit(tmp_path, Net(), dict(reversed(masks.items())), max_epochs=4, ckpt_path=path)


def test_a_dense_checkpoint_goes_on_under_masks(tmp_path, masks):
    path = tmp_path / "last.ckpt"
    dense = lightning_trainer(tmp_path)
    dense.fit(Net())
    dense.save_checkpoint(path)
    net, watch = Net(), Watch(masks)
    lightning_trainer(tmp_path, KeepPruned(masks), watch, max_epochs=4).fit(net, ckpt_path=path)
    assert len(watch.seen) > 8
    assert all(watch.seen)


def test_without_masks_nothing_is_trained(tmp_path):
    net = Net()
    before = bits(net)
    with pytest.raises(ValueError, match="KeepPruned has no masks"):
        lightning_trainer(tmp_path, KeepPruned()).fit(net)
    assert bits(net).equal(before)


def test_masks_that_do_not_fit_are_refused(tmp_path, masks):
    with pytest.raises(ValueError, match=r"'fc1\.weight' names no parameter; the model has net\.fc1\.weight"):
        lightning_fit(tmp_path, Net(), {"fc1.weight": masks["net.fc1.weight"]})
    with pytest.raises(ValueError, match=r"of shape \(10, 20\), wanted torch\.bool of shape \(20, 64\)"):
        lightning_fit(tmp_path, Net(), {"net.fc1.weight": masks["net.fc2.weight"]})


def test_an_optimiser_of_copies_is_refused(tmp_path, masks):
    class Flattened(Net):
        def configure_optimizers(self):
            return torch.optim.SGD([torch.nn.utils.parameters_to_vector(self.parameters()).detach()], lr=0.1)

    with pytest.raises(ValueError, match="trains none of the model's own parameters"):
        lightning_fit(tmp_path, Flattened(), masks)


def test_the_callers_masks_are_neither_changed_nor_followed(tmp_path, masks):
    mine = dict(masks)
    keep = KeepPruned(mine)
    mine.clear()
    net = Net()
    lightning_trainer(tmp_path, keep).fit(net)
    assert is_pruned(net, masks)


@pytest.mark.parametrize("name", ["lightning", "transformers"])
def test_what_is_missing_is_named(monkeypatch, name):
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"tombola.integrations.{name}", raising=False)
    with pytest.raises(ImportError, match=rf"pip install 'tombola\[{name}\]'"):
        importlib.import_module(f"tombola.integrations.{name}")


def test_the_package_itself_imports_neither():
    script = "import sys; import tombola.integrations; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "tombola.integrations" in run.stdout.split()
    assert {"lightning", "transformers"} & set(run.stdout.split()) == set()
