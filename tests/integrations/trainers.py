"""Small networks on digits, for the trainers of others."""

import lightning.pytorch as pl
import torch
from lightning.pytorch import callbacks
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainerCallback, TrainingArguments

from tombola import data, models
from tombola.integrations.lightning import KeepPruned

DIGITS = data.load("digits")
IMAGES, LABELS = (part[:256] for part in DIGITS.train())
WARNINGS = (
    "ignore:.*isinstance.treespec, LeafSpec.*:FutureWarning",  # Lightning's own use of torch
    "ignore:The '.*_dataloader' does not have many workers:UserWarning",
    "ignore:.*litlogger.*:UserWarning",
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_masks(model, density=0.3, seed=9):
    """Masks of all weights with two axes or more, with about that density; not the seed that the weights come from."""
    draw = seeded(seed)
    return {name: torch.rand(p.shape, generator=draw) < density for name, p in model.named_parameters() if p.ndim > 1}


def is_pruned(model, masks):
    """Whether the weights that are not zero are just the kept ones."""
    parameters = dict(model.named_parameters())
    return all(bool(((parameters[name] != 0) == mask).all()) for name, mask in masks.items())


def bits(model):
    """All parameters and buffers in one vector."""
    return torch.cat([value.detach().double().flatten() for value in model.state_dict().values()])


class Net(pl.LightningModule):
    """A classifier, trained by SGD with momentum and decay: pruned weights would move without a gradient."""

    def __init__(self, width=20, optimiser=torch.optim.SGD, **options):
        super().__init__()
        self.net = models.build(f"mlp:64-{width}-10", generator=seeded())
        self.make = optimiser, options or {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-2}

    def forward(self, x):
        return self.net(x.flatten(1))

    def training_step(self, batch, _):
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch, _):
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        return self.make[0](self.parameters(), **self.make[1])

    def train_dataloader(self):
        return DataLoader(TensorDataset(IMAGES, LABELS), batch_size=64)

    val_dataloader = train_dataloader


class TwoOptimisers(Net):
    """Manual optimisation: one optimiser for each layer, used in turn."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def configure_optimizers(self):
        first, last = self.net.fc1, self.net.fc2
        sgd = torch.optim.SGD(first.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)
        return [sgd, torch.optim.AdamW(last.parameters(), lr=0.01)]

    def training_step(self, batch, number):
        optimiser = self.optimizers()[number % 2]
        optimiser.zero_grad()
        self.manual_backward(super().training_step(batch, number))
        optimiser.step()


class Watch(callbacks.Callback):
    """Looks at the pruned weights whenever it can; does something at a step."""

    def __init__(self, masks, at=None, action=None):
        self.masks, self.seen, self.at, self.action = masks, [], at, action

    def look(self, trainer, module):
        self.seen.append(is_pruned(module, self.masks))

    on_train_start = on_validation_start = on_validation_end = on_train_epoch_end = on_train_end = look
    on_sanity_check_start = look

    def on_train_batch_end(self, trainer, module, *_):
        self.look(trainer, module)
        if trainer.global_step == self.at:
            self.action(trainer, module)


def lightning_trainer(folder, *hooks, **options):
    """A Lightning trainer that says nothing."""
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    settings = {"max_epochs": 2, "accelerator": "cpu", "devices": 1, "enable_checkpointing": False} | quiet | options
    return pl.Trainer(default_root_dir=folder, callbacks=list(hooks), **settings)


def lightning_fit(folder, module, masks, **options):
    """The module itself, trained under masks by a fresh trainer."""
    path = options.pop("ckpt_path", None)
    trainer = lightning_trainer(folder, KeepPruned(masks), **options)
    trainer.fit(module, ckpt_path=path)
    return trainer


def bert(seed=0):
    """A transformer of 3,500 parameters that reads a digit pixel by pixel."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    words = {"vocab_size": 17, "pad_token_id": None, "max_position_embeddings": 64, "num_labels": 10}
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        return BertForSequenceClassification(BertConfig(**sizes, **words))


class Pictures(torch.utils.data.Dataset):
    """Digits by the names of the model's arguments: a word for each of the 17 shades of a pixel."""

    def __len__(self):
        return len(LABELS)

    def __getitem__(self, index):
        return {"input_ids": (16 * IMAGES[index]).round().long().flatten(), "labels": LABELS[index]}


def transformers_trainer(folder, model, *hooks, **options):
    """A Hugging Face trainer that says little."""
    quiet = {"report_to": [], "disable_tqdm": True, "logging_strategy": "no", "save_strategy": "no", "use_cpu": True}
    sizes = {"max_steps": 8, "per_device_train_batch_size": 32, "per_device_eval_batch_size": 128}
    rates = {"learning_rate": 0.01, "weight_decay": 0.1}
    arguments = TrainingArguments(str(folder), **(quiet | sizes | rates | options))
    return Trainer(model, arguments, train_dataset=Pictures(), eval_dataset=Pictures(), callbacks=list(hooks))


class Look(TrainerCallback):
    """Looks at the pruned weights after every step; does something at a step."""

    def __init__(self, masks, at=None, action=None):
        self.masks, self.seen, self.at, self.action = masks, [], at, action

    def on_optimizer_step(self, args, state, control, *, model, **_):
        self.seen.append(is_pruned(model, self.masks))

    def on_step_begin(self, args, state, control, *, model, optimizer, **_):
        self.seen.append(is_pruned(model, self.masks))
        if state.global_step == self.at:
            self.action(model, optimizer)
