"""The only training loop: batches, optimiser and learning rates (`schedule.py`); `backward.py` makes the gradients.

The whole state is saved after every epoch. An interrupted run continues from it to the same result, because order and
augmentation depend only on (seed, epoch) and all other randomness is seeded again in each epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.data import Dataset, Split, Streamed, training_batches
from benchmarks.distributed.processes import ALONE, Team
from benchmarks.files import json_files
from benchmarks.measurement import yardstick
from benchmarks.measurement.evaluation import Evaluation, evaluate
from benchmarks.measurement.joules import meter
from benchmarks.measurement.metering import (
    WARM_UP_STEPS,
    Memory,
    OtherLoad,
    Stopwatch,
    cpu_seconds,
    keep_freed_memory,
    median_and_iqr,
    peak_memory,
)
from benchmarks.runs.record import Epoch
from benchmarks.spec import BadInput, Recipe
from benchmarks.training.backward import Backward, lowering
from benchmarks.training.schedule import learning_rate, make_optimizer, set_learning_rate


class Diverged(RuntimeError):
    """The training loss is infinite or NaN."""


@dataclass
class Training:
    """The finished epochs, and measurements that survive an interruption.

    `dirty`: whether any epoch was trained with uncommitted changes to the code; None if git cannot tell.
    """

    memory: Memory
    epochs: list[Epoch] = field(default_factory=list)
    other_load_cores: float | None = None
    joules_source: str | None = None
    dirty: bool | None = None

    def joules(self, spent: float | None, source: str | None) -> float | None:
        """Add an epoch's joules to the total; None if any epoch's are unknown or from another source."""
        if self.epochs and (self.epochs[-1].train_joules is None or source != self.joules_source):
            spent = None
        self.joules_source = source if spent is not None else None
        before = self.epochs[-1].train_joules if self.epochs else 0.0
        return None if spent is None or before is None else before + spent

    def cpu_seconds(self, spent: float | None) -> float | None:
        """Add an epoch's core-seconds to the total; None if any epoch's are unknown."""
        before = self.epochs[-1].train_cpu_seconds if self.epochs else 0.0
        return None if spent is None or before is None else before + spent

    def core_gflops(self) -> float | None:
        """Return the speed of a core, the mean over all epochs; None if any epoch's is unknown."""
        known = [epoch.core_gflops for epoch in self.epochs if epoch.core_gflops is not None]
        return sum(known) / len(known) if known and len(known) == len(self.epochs) else None


class Trainer:
    """Trains a network; `state()` and `restore()` make and read its checkpoint.

    `team`: processes that train it. `backward` makes the gradients of a batch (`benchmarks.methods.backward`); without
    it they are those of the recipe's loss.
    """

    def __init__(
        self,
        network: nn.Module,
        data: Dataset,
        recipe: Recipe,
        seed: int,
        timesteps: int,
        team: Team = ALONE,
        backward: Backward | None = None,
    ) -> None:
        self.network, self.data, self.recipe, self.team = network, data, recipe, team
        self.backward = backward or lowering(recipe)
        self.seed, self.timesteps = seed, timesteps
        smallest = len(data.train.labels) % recipe.batch_size or recipe.batch_size
        if smallest < team.size:
            raise BadInput(f"{team.size} processes cannot share a batch of {smallest} images")
        self.device = data.train.device
        self.per_epoch = math.ceil(len(data.train.labels) / recipe.batch_size)
        self.optimizer = make_optimizer(network, recipe)
        self.watch = Stopwatch(self.device)
        self.meter = meter(self.device, team.size == 1)
        self.steps_here = 0  # of this process; the first ones are warm-up

    def run(self, training: Training, after_epoch: Callable[[Training], None]) -> None:
        """Train the remaining epochs; `after_epoch` is called after each, to save and report."""
        self.team.agree(self.network)
        self.network.train()
        load = OtherLoad()
        for number in range(len(training.epochs) + 1, self.recipe.epochs + 1):
            training.epochs.append(self._epoch(number, training))
            if self.team.size == 1:  # the team's other processes are indistinguishable from other load here
                training.other_load_cores = _larger(training.other_load_cores, load.cores())
            after_epoch(training)

    def _epoch(self, number: int, training: Training) -> Epoch:
        torch.manual_seed(self.seed * 100_003 + number + 1_000_000_007 * self.team.rank)  # dropout and the like
        start, before, worked = time.perf_counter(), self.meter.joules(), cpu_seconds()
        loss, top1 = self._pass(number, training.memory)
        seconds, worked = time.perf_counter() - start, cpu_seconds() - worked
        joules, worked_by_all = self._spent(before, self.meter.joules()), self._spent(0.0, worked)
        if not math.isfinite(loss):
            raise Diverged(f"the training loss is {loss} in epoch {number}")
        median, iqr = median_and_iqr(self.watch.milliseconds())
        test = self._evaluate(self.data.test) if self.recipe.test_every_epoch else None
        validation = self._evaluate(self.data.validation) if self.data.validation else None
        speed = yardstick.core_gflops(self.device) if seconds >= yardstick.SHORT else None
        seconds += training.epochs[-1].train_seconds if training.epochs else 0.0
        return Epoch(
            epoch=number,
            learning_rate=max(map(self._rate, range((number - 1) * self.per_epoch, number * self.per_epoch))),
            train_loss=loss,
            train_top1=top1,
            test_loss=test.loss if test else None,
            test_top1=test.top1 if test else None,
            validation_loss=validation.loss if validation else None,
            validation_top1=validation.top1 if validation else None,
            train_seconds=seconds,
            train_step_ms=median,
            train_step_ms_iqr=iqr,
            train_joules=training.joules(joules, self.meter.source),
            train_cpu_seconds=training.cpu_seconds(worked_by_all),
            core_gflops=speed,
        )

    def _spent(self, before: float | None, after: float | None) -> float | None:
        """Return the joules or seconds between two readings, summed over all processes; None if any is unknown."""
        own = math.nan if before is None or after is None else after - before
        spent = self.team.sum_up(torch.tensor(own, dtype=torch.float64, device=self.device)).item()
        return None if math.isnan(spent) else spent

    def _evaluate(self, split: Split | Streamed) -> Evaluation:
        """Evaluate a split; each process evaluates a share of the images."""
        if self.team.size == 1:
            return evaluate(self.network, split, self.data, self.timesteps)
        own = self.team.rows(torch.arange(len(split.labels)))
        found = evaluate(self.network, split.take(own), self.data, self.timesteps)
        sums = torch.tensor([found.loss, found.top1], dtype=torch.float64, device=self.device) * len(own)
        loss, top1 = (self.team.sum_up(sums) / len(split.labels)).tolist()
        return Evaluation(loss, top1, None)

    def _rate(self, iteration: int) -> float:
        return learning_rate(self.recipe, iteration, self.per_epoch)

    def _pass(self, number: int, memory: Memory) -> tuple[float, float]:
        """Train for one epoch; returns mean loss and accuracy in percent on the batches as they were trained on."""
        losses = torch.zeros((), dtype=torch.float64, device=self.device)
        correct = torch.zeros((), dtype=torch.int64, device=self.device)
        count = len(self.data.train.labels)
        size = self.recipe.batch_size
        iteration = (number - 1) * self.per_epoch
        for start, (images, labels) in zip(
            range(0, count, size),
            training_batches(self.data, self.recipe, self.seed, number, self.team.rows),
            strict=True,
        ):
            set_learning_rate(self.optimizer, self._rate(iteration))
            share = len(labels) / min(size, count - start)  # of the whole batch
            logits, loss = self._measured_step(images, labels, share, memory)
            losses += loss.double() * len(labels)
            correct += (logits.argmax(1) == labels).sum()
            iteration += 1
        return self.team.sum_up(losses).item() / count, 100.0 * self.team.sum_up(correct).item() / count

    def _measured_step(self, images: Tensor, labels: Tensor, share: float, memory: Memory) -> tuple[Tensor, Tensor]:
        """Train one step. Warm-up steps are not timed; the last of them is measured for memory."""
        self.steps_here += 1
        self.meter.tick()
        if self.steps_here < WARM_UP_STEPS:
            return self.step(images, labels, share)
        if self.steps_here == WARM_UP_STEPS:
            with peak_memory(memory, self.device):
                measured = self.step(images, labels, share)
            keep_freed_memory(memory)
            return measured
        with self.watch.step():
            return self.step(images, labels, share)

    def step(self, images: Tensor, labels: Tensor, share: float = 1.0) -> tuple[Tensor, Tensor]:
        """Gradients and update. Returns logits and loss without a graph.

        `share` is this process's share of the whole batch, in (0, 1].
        """
        self.optimizer.zero_grad(set_to_none=True)
        with self.team.norms():
            logits, loss = self.backward(self.network, images, labels)
        self.team.add_gradients(self.network, share)
        self.optimizer.step()
        return logits, loss

    def state(self, training: Training) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "training": asdict(training),
        }

    def restore(self, state: dict[str, Any]) -> Training:
        """Continue from a checkpoint made by `state`."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        stored = state["training"]
        epochs = [json_files.made(Epoch, epoch) for epoch in stored["epochs"]]
        memory, others = json_files.made(Memory, stored["memory"]), {n: v for n, v in stored.items() if n != "memory"}
        return json_files.made(Training, {**others, "memory": memory, "epochs": epochs})  # older ones lack some fields


def _larger(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else max(a, b)
