"""A model while it is trained: with its optimiser and schedule, on the devices that `accelerate` finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from tombola.data import DataSet
from tombola.masks import Masks
from tombola.training._examples import Batch, Examples, MapStyle
from tombola.training._hardware import Hardware
from tombola.training._inspect import device_of
from tombola.training._keep_pruned import keep_pruned_
from tombola.training._optimisers import Optimiser
from tombola.training._processes import processes

Loss = Callable[[Tensor, Tensor], Tensor]
Enforce = Callable[[torch.optim.Optimizer, nn.Module, Masks], object]


class Run:
    """A model being trained.

    Args:
        model: trained in place.
        optimiser: from parameters to an optimiser.
        masks: pruned weights start at zero.
        schedule: from the optimiser to the schedule of its rate.
        loss: of outputs and targets, a mean over examples.
        enforce: what holds the masks in force.
        clip: the largest norm of the gradient, or None.
        hardware: what makes it faster.

    Raises:
        ValueError: if the model has nothing to train.
    """

    def __init__(
        self,
        model: nn.Module,
        optimiser: Optimiser,
        masks: Masks,
        schedule: Callable[[torch.optim.Optimizer], LRScheduler],
        *,
        loss: Loss = nn.functional.cross_entropy,
        enforce: Enforce = keep_pruned_,
        clip: float | None = None,
        hardware: Hardware | None = None,
    ) -> None:
        from accelerate import Accelerator

        processes()  # first: it finds those that train on CPUs, too
        self.accelerator, self.hardware = Accelerator(), hardware or Hardware()
        self._loss, self._clip = loss, clip
        self._silent = masks if enforce is keep_pruned_ else {}  # whose pruned gradients are of no use
        model.to(self.device).train()
        self._channels_last = self.hardware.is_channels_last(model)
        if self._channels_last:
            model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - not declared alone
        self._trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if not self._trained:
            raise ValueError("the model has no parameters to train: all are frozen")
        self.plain = optimiser(self._trained)
        enforce(self.plain, model, masks)
        self.schedule = schedule(self.plain)
        self.model, self.optimiser = self.accelerator.prepare(model, self.plain)
        self._forward = torch.compile(self.model) if self.hardware.compiled else self.model

    @property
    def device(self) -> torch.device:
        """Where the model is trained."""
        return self.accelerator.device

    def examples(self, data: DataSet | MapStyle, batch_size: int) -> Examples:
        """The part of a data set that this process computes with."""
        ranks = self.accelerator.num_processes
        return Examples(data, batch_size, self.device, self.hardware.workers, self.accelerator.process_index, ranks)

    def step(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """One step on a batch; the outputs and the mean loss before it."""
        inputs = batch.inputs
        if self._channels_last and inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.hardware.bfloat16):
            outputs = self._forward(inputs)
            loss = self._loss(outputs, batch.targets)
        self.optimiser.zero_grad()
        self.accelerator.backward(loss if batch.weight == 1 else batch.weight * loss)
        if self._clip is not None:
            for gradient, mask in self._masked_gradients():
                gradient.masked_fill_(~mask, 0.0)  # what is pruned does not count towards the norm
            self.accelerator.clip_grad_norm_(self.model.parameters(), self._clip)
        self.optimiser.step()
        self.schedule.step()
        return outputs.detach(), loss.detach()

    def _masked_gradients(self) -> Iterator[tuple[Tensor, Tensor]]:
        for name, parameter in self.accelerator.unwrap_model(self.model).named_parameters():
            if name in self._silent and parameter.grad is not None:
                yield parameter.grad, self._silent[name].to(parameter.grad.device)

    def state(self) -> dict[str, Tensor]:
        """The tensors of model and optimiser, and torch's random numbers; all that later steps follow from.

        Raises:
            ValueError: if training scales its loss, as in float16.
        """
        if self.accelerator.scaler is not None:
            raise ValueError("a checkpoint does not hold the scale of float16; train in bfloat16, or without one")
        model = self.accelerator.unwrap_model(self.model)
        kept = {f"model.{name}": value for name, value in model.state_dict().items()}
        for number, parameter in enumerate(self._trained):
            kept |= {f"optimiser.{number}.{name}": value for name, value in self.plain.state[parameter].items()}
        kept["random.cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            kept["random.cuda"] = torch.cuda.get_rng_state(self.device)
        return {name: value for name, value in kept.items() if value is not None}

    def restore(self, kept: Mapping[str, Tensor]) -> None:
        """Puts back what `state` gave. The schedule follows from the step that it is made with."""
        model = self.accelerator.unwrap_model(self.model)
        model.load_state_dict({name: kept[f"model.{name}"] for name in model.state_dict()})
        for name, value in kept.items():
            part, _, rest = name.partition(".")
            if part == "optimiser":
                number, _, key = rest.partition(".")
                parameter = self._trained[int(number)]
                self.plain.state[parameter][key] = value.to(parameter.device) if value.ndim else value
        torch.set_rng_state(kept["random.cpu"])
        if "random.cuda" in kept:
            torch.cuda.set_rng_state(kept["random.cuda"], self.device)

    def summed(self, numbers: Tensor) -> Tensor:
        """The sums of numbers over all processes."""
        return self.accelerator.reduce(numbers, "sum")  # pyright: ignore[reportReturnType] - a tensor for a tensor

    def finished(self, like: nn.Module) -> nn.Module:
        """The trained model, on the device and in the mode of another of the same build; the same in every process."""
        self.optimiser.zero_grad()
        model = self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        if self.accelerator.num_processes > 1:
            for value in model.state_dict().values():  # statistics of batch norm are each process's own
                torch.distributed.broadcast(value, 0)
            self.model = self._forward = model
            self.accelerator.free_memory()  # what wraps a model holds on to the group of processes
        for module, other in zip(model.modules(), like.modules(), strict=True):
            module.training = other.training
        return model.to(device_of(like), memory_format=torch.contiguous_format)
