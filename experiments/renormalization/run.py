"""Which tickets transfer between tasks, and whether the exponents of their flows tell in advance.

Run `python experiments/renormalization/run.py --workers 2`; seeds that are recorded already are not run again.
`--parts lenet` and `--seeds 0,1` run some of them; `--estimate` times single trainings and says what all of it takes;
`--table` prints the tables of the record; `--tiny` does little on bundled digits and writes nothing.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from _blocks import do_blocks, option, recorded, seeds
from _tables import markdown, table
from _tasks import Task, load

from tombola import models
from tombola.engines import Workers
from tombola.imp import Level, barrier, imp, mask_distance, prunable
from tombola.masks import Masks
from tombola.renormalization import Flow, empirical_null, flow_of
from tombola.schedules import geometric
from tombola.training import Trainer, evaluate, sgd
from tombola.transfer import Carried, input_skew, masks_and_weights, random_control, zero_shot

HERE = Path(__file__).parent
OTHER, ORDER = 1000, 2000  # added to the seed: weights and masks of random controls, order of examples
CLASSES = 10  # outputs of all networks
LOOKED_AT = 2000  # training images for zero-shot errors


@dataclass(frozen=True)
class Part:
    """A network on all tasks.

    Attributes:
        model: its name.
        steps: of training at every level.
        learning_rate: of plain stochastic gradient descent.
        batch_size: examples per step.
    """

    model: str
    steps: int
    learning_rate: float
    batch_size: int = 64


@dataclass(frozen=True)
class Config:
    """Tasks, networks, pruning, and the rule's target; all of it fixed before the first run.

    Attributes:
        levels: how often is pruned, each time to `factor` of what is left; tickets of the last level are carried over.
        seeds: for exponents; `transfer_seeds` of them for transfers.
        longer: multiple of the steps for the pairs of `twice`, which are looked at under two budgets.
        window: levels between which exponents are fitted.
        enough: the recovery above which a ticket counts as transferred.
    """

    tasks: dict[str, Task]
    parts: dict[str, Part]
    side: int = 16
    levels: int = 12
    factor: float = 0.8
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7)
    transfer_seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    longer: int = 3
    twice: tuple[tuple[str, str], ...] = (("mnist", "mnist inverted"), ("mnist inverted", "mnist"))
    window: tuple[int, int] = (2, 12)
    enough: float = 0.7
    permutations: int = 2000


CONFIG = Config(
    {
        "mnist": Task("mnist"),
        "mnist rotated": Task("mnist", rotated=True),
        "mnist inverted": Task("mnist", inverted=True),
        "mnist 0-4": Task("mnist", last=4),
        "mnist 2000": Task("mnist", images=2000),
        "fashion": Task("fashion_mnist"),
        "letters a-j": Task("emnist_letters"),
        "letters k-t": Task("emnist_letters", first=10, last=19),
        "usps": Task("usps"),
        "cifar grey": Task("cifar10"),
    },
    {"lenet": Part("lenet-300-100", 400, 0.3), "conv": Part("conv-2x0.125", 220, 0.15, 32)},
)
TINY = Config(
    {
        name: Task("digits", inverted=name == "inverted", rotated=name == "rotated")
        for name in ("digits", "rotated", "inverted")
    },
    {"digits": Part("mlp:64-40-10", 60, 0.1)},
    side=8,
    levels=4,
    factor=0.6,
    seeds=(0, 1),
    transfer_seeds=(0, 1),
    twice=(("digits", "inverted"),),
    window=(1, 4),
    permutations=100,
)


class Study:
    """What all runs of a part and a seed share: one initialisation, one order of examples."""

    def __init__(self, config: Config, part: Part, seed: int) -> None:
        self.config, self.part, self.seed = config, part, seed
        self.data = {name: load(task, config.side) for name, task in config.tasks.items()}
        self.net, self.other = self.drawn(seed), self.drawn(OTHER + seed)

    def drawn(self, seed: int) -> nn.Module:
        """A network at initialisation: normal weights of variance 2 over the fan-in, biases as torch draws them."""
        generator = torch.Generator().manual_seed(seed)
        shape = (1, self.config.side, self.config.side)
        net = models.build(self.part.model, input_shape=shape, classes=CLASSES, generator=generator)
        for weight in net.parameters():
            if weight.ndim > 1:
                nn.init.kaiming_normal_(weight, generator=generator)
        return net

    def trainer(self, task: str, times: int = 1) -> Trainer:
        """The same recipe for all tasks, whatever the number of their images."""
        part = self.part
        return Trainer(
            self.data[task], times * part.steps, part.batch_size, optimiser=sgd(part.learning_rate, momentum=0.0)
        )

    def error(self, net: nn.Module, task: str) -> float:
        """On the test set, as a fraction."""
        return 1 - evaluate(net, *self.data[task].test()).accuracy

    def levels(self, task: str) -> tuple[Level, Flow]:
        """The last level of pruning on a task, and the flow up to it."""
        schedule = geometric(self.config.levels, factor=self.config.factor)
        rows, errors = [], []
        for level in imp(self.net, self.trainer(task), stop=self.part.steps, schedule=schedule, seed=self.seed):
            rows.append((dict(level.model.named_parameters()), level.masks))
            errors.append(self.error(level.model, task))
        return level, flow_of(rows, errors=errors)

    def trained(self, carried: Carried, task: str, times: int = 1) -> nn.Module:
        """A network trained on a task, all of them on the same order of examples."""
        train, generator = self.trainer(task, times), torch.Generator().manual_seed(ORDER + self.seed)
        return train(carried.model, carried.masks, start=0, stop=train.steps, generator=generator)

    def ticket(self, level: Level) -> Carried:
        """The masks of a level on the initialisation that all tasks share."""
        return masks_and_weights(level.begun, level.masks, self.net)

    def control(self, masks: Masks) -> Carried:
        """Shuffled masks on other weights."""
        return random_control(masks, self.other, generator=torch.Generator().manual_seed(OTHER + self.seed))

    def transfers(self, target: str, levels: dict[str, Level]) -> list[dict[str, Any]]:
        """All tickets on one target, its own among them, and the control."""
        native = self.trained(self.ticket(levels[target]), target)
        control = self.trained(self.control(levels[target].masks), target)
        rows = [{"source": None, "target": target, "error": self.error(control, target)}]
        for source, level in levels.items():
            carried = self.ticket(level)
            net = native if source == target else self.trained(carried, target)
            found = zero_shot(carried, self.data[target], limit=LOOKED_AT)
            between = barrier(native, net, partial(self.error, task=target), points=5)
            rows.append(
                {
                    "source": source,
                    "target": target,
                    "error": self.error(net, target),
                    "zero shot": found.error,
                    "vetoed": found.is_vetoed,
                    "mask distance": mask_distance(level.masks, levels[target].masks),
                    "barrier": between.height,
                }
            )
        return rows

    def twice(self, levels: dict[str, Level]) -> list[dict[str, Any]]:
        """Some pairs at the longer budget."""
        times, rows = self.config.longer, []
        for source, target in self.config.twice:
            arms = {
                "carried": self.ticket(levels[source]),
                "native": self.ticket(levels[target]),
                "random": self.control(levels[target].masks),
            }
            errors = {name: self.error(self.trained(arm, target, times), target) for name, arm in arms.items()}
            rows.append({"source": source, "target": target, **errors})
        return rows


def plain(flow: Flow) -> dict[str, Any]:
    """A flow as short lists."""
    body = {
        "groups": list(flow.groups),
        "sizes": flow.sizes.tolist(),
        "counts": flow.counts.tolist(),
        "magnitudes": flow.magnitudes.round(4).tolist(),
        "squares": flow.squares.round(4).tolist(),
    }
    return body if flow.errors is None else body | {"errors": flow.errors.round(6).tolist()}


def run(config: Config, block: tuple[str, int], workers: Workers) -> dict[str, Any]:
    """All tasks of a part and a seed, and all transfers between them if the seed is one of those."""
    name, seed = block
    started, study = time.perf_counter(), Study(config, config.parts[name], seed)
    levels, flows = {}, {}
    for task in config.tasks:
        levels[task], flow = study.levels(task)
        flows[task] = plain(flow)
        workers.progress(1)
    weights = {key: study.net.get_parameter(key) for key in prunable(study.net)}
    body = {"part": name, "seed": seed, "flows": flows, "null": plain(empirical_null(flow.kept, weights))}
    body["skews"] = {task: input_skew(data) for task, data in study.data.items()}
    if seed in config.transfer_seeds:
        body["transfers"] = [row for target in config.tasks for row in study.transfers(target, levels)]
        body["twice"] = study.twice(levels)
    return body | {"seconds": time.perf_counter() - started}


def estimate(config: Config) -> None:
    """Prints how long one training takes, and all of them."""
    first = next(iter(config.tasks))
    for name, part in config.parts.items():
        study = Study(config, part, 0)
        masks = {key: torch.ones_like(study.net.get_parameter(key), dtype=torch.bool) for key in prunable(study.net)}
        study.trained(Carried(study.net, masks), first)  # the first one imports what training takes
        started = time.process_time()
        error = study.error(study.trained(Carried(study.net, masks), first), first)
        seconds, tasks = time.process_time() - started, len(config.tasks)
        pruning = len(config.seeds) * tasks * (config.levels + 1)
        transfers = len(config.transfer_seeds) * (tasks * (tasks + 1) + 3 * config.longer * len(config.twice))
        said = f"{pruning} + {transfers} trainings: {(pruning + transfers) * seconds / 60:.0f} minutes of one core"
        print(f"{name}: {seconds:.2f} s, error {100 * error:.1f} % dense on {first}; {said}")


def place(one: dict[str, Any]) -> tuple[int, int]:
    """In the record: parts as they are configured."""
    return list(CONFIG.parts).index(one["part"]), one["seed"]


def main() -> None:
    """Runs what is missing, and writes what is there after each part and seed."""
    if "--tiny" in sys.argv:
        found = table([run(TINY, ("digits", seed), Workers(1)) for seed in TINY.seeds], TINY)
        assert len(found["digits"]["pairs"]) == 6
        print(markdown(found))
        return
    if "--estimate" in sys.argv:
        estimate(CONFIG)
        return
    if "--table" in sys.argv:
        print(markdown(table(recorded(HERE)["runs"], CONFIG)))
        return
    wanted = [(part, seed) for seed in seeds(CONFIG) for part in option("--parts", CONFIG.parts)]
    do_blocks(
        HERE,
        CONFIG,
        run,
        wanted,
        key=lambda one: (one["part"], one["seed"]),
        table=partial(table, config=CONFIG),
        place=place,
    )


if __name__ == "__main__":
    main()
