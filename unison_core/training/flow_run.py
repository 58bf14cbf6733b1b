"""A stage's run: the same loop on one process, DDP, FSDP2 and DeepSpeed, as Accelerate was configured.

Each step is admitted or skipped (`guard`), everything random follows from (seed, step, micro-batch) (`randomness`), and
checkpoints hold whole tensors by name (`full_state`), so that a run goes on exactly, with any number of processes.
"""

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, broadcast, broadcast_object_list, set_seed
from torch import Tensor

from unison_core.config import Preset
from unison_core.errors import UnisonError, UsageError, one_line
from unison_core.training.ahead import Ahead
from unison_core.training.backward import Backward
from unison_core.training.batching import BatchPlan, plan_batch
from unison_core.training.checkpoints import Checkpoint, Checkpoints, write_own
from unison_core.training.clock import Clock, set_learning_rate
from unison_core.training.ema import EMA
from unison_core.training.figures import Figures, figures
from unison_core.training.flow_training import (
    FlowTrainingConfig,
    ObjectiveModule,
    build_model,
    build_optimizer,
    open_source,
)
from unison_core.training.full_state import TrainingState, flatten_scalars, optimizer_shards
from unison_core.training.guard import StepGuard
from unison_core.training.held_out import held_out_loss
from unison_core.training.log import Bar, TrainingLog, progress_bar
from unison_core.training.lora import save_adapter
from unison_core.training.master_weights import BF16_WEIGHTS, master_weights
from unison_core.training.memory import peak_memory_gb
from unison_core.training.meter import Meter
from unison_core.training.objective import LatentBatch, Losses, draw_noise
from unison_core.training.preflight import check_files, check_room, check_writable
from unison_core.training.processes import describe_step, gather_for_methods, make_processes, takes_over_checkpointing
from unison_core.training.randomness import LAYERS, NOISE, generator, key
from unison_core.training.samples import make_samples
from unison_core.training.tensorboard import TensorBoard
from unison_core.weights.resolve import folder_named
from unison_core.weights.save import save_model

AGREE_EVERY = 10
"""Steps between two moments at which processes agree on the time."""
SHOWN = ("loss", "loss_video", "loss_speech", "loss_sfx", "grad_norm")
"""Figures that stand beside the progress bar."""


class FlowRun:
    """Builds everything that a stage needs, in the order in which what can be wrong is cheapest to find.

    Args:
        config: what is trained. preset: the model.

    Raises:
        UsageError: data, model and processes do not fit together.
    """

    def __init__(self, config: FlowTrainingConfig, preset: Preset) -> None:
        self.config, self.preset, self.out = config, preset, Path(config.out)
        check_files(config)
        self.accelerator: Accelerator = make_processes(config.precision)
        if config.precision == BF16_WEIGHTS and self._sharded:
            raise UsageError(
                f"precision={BF16_WEIGHTS} is for whole weights in every process: FSDP2 and DeepSpeed keep float32 "
                "weights of their own, set precision=bf16"
            )
        if config.optimizer.kind == "muon" and (self._sharded or config.precision == "fp16"):
            raise UsageError(
                "optimizer.kind=muon is for whole weights in every process and bf16, bf16_weights or fp32: set "
                "optimizer.kind=adamw for FSDP2, DeepSpeed or fp16"
            )
        processes, process = self.accelerator.num_processes, self.accelerator.process_index
        self.plan: BatchPlan = plan_batch(config.batch, config.micro_batch, processes, process)
        describe_step(self.accelerator, self.plan, config.optimizer.max_norm)
        self.main = self.accelerator.is_main_process
        torch.set_float32_matmul_precision("high")
        set_seed(config.seed)

        self.source = open_source(config.data, config.stage, preset, self.accelerator.device)
        depth = config.data.ahead if config.data.source == "stream" else 0
        self.batches = Ahead(self.source, self.plan, config.seed, depth)
        self.held_out = self._held_out_source()
        with self.accelerator.device:  # no process holds whole weights in the host's memory
            self.model = build_model(config, preset)
        if self.main:
            check_writable(self.out)
        if self._sharded:
            flatten_scalars(self.model)
        self.masters = master_weights(self.model, config.precision)
        optimizer = build_optimizer(
            self.masters.parameters if self.masters else dict(self.model.named_parameters()), config.optimizer,
            fused=self.accelerator.device.type == "cuda" and not self._sharded,
        )  # fmt: skip
        if takes_over_checkpointing(self.accelerator) or config.checkpoint_activations:
            self.model.checkpoint_blocks()
        if config.compile:
            self.model.compile_blocks()
        module = ObjectiveModule(self.model)
        if config.cuda_graphs and (self._sharded or self.plan.rounds > 1):
            raise UsageError("cuda_graphs takes whole batches on whole weights: set micro_batch=0, or leave it out")
        if config.cuda_graphs or self.masters:  # processes average the gradients themselves
            self.module, self.optimizer = module.to(self.accelerator.device), self.accelerator.prepare(optimizer)
        else:
            self.module, self.optimizer = self.accelerator.prepare(module, optimizer)
        self.backward = Backward(self.module, self.accelerator, graphs=config.cuda_graphs, masters=self.masters)
        gather_for_methods(self.model)
        masters = self.masters.parameters if self.masters else None
        self.ema = EMA(self.model, config.ema, masters)
        self.clock = Clock(steps=config.steps, minutes=config.minutes)
        self.guard, self.meter = StepGuard(config.guard), Meter()
        self.training = TrainingState(self.model, optimizer_shards(self.model, self.optimizer, masters))
        self.checkpoints = Checkpoints(self.out / "checkpoints", keep=config.keep)
        self.log = TrainingLog(self.out / "log.jsonl", enabled=self.main)
        self.board: TensorBoard | None = None
        self.saved, self._saved_step, self._waited_s = time.monotonic(), 0, 0.0
        self.figures: dict[str, float] = {}

    def run(self) -> Path:
        """Train to the end of the clock; returns the exported folder.

        Raises:
            UsageError: what is saved would not fit on the disk. UnisonError: training diverged, or could not be saved.
        """
        if self.main:
            check_room(self.out, self.model)
            self.checkpoints.clear_partial()
        self.accelerator.wait_for_everyone()
        if self.config.resume:
            self._resume()
        if self.main and self.config.tensorboard:
            self.board = TensorBoard(self.out / "tensorboard", self.clock.step)
        self.clock.start()
        self.clock.agree(self.accelerator)
        with progress_bar(f"training {self.config.stage}", enabled=self.main) as bar:
            while self.clock.progress < 1:
                self._step()
                self._after(bar)
        self.batches.close()
        written = self._save()
        if self.board:
            self.board.close()
        if not written:
            raise UnisonError(f"the last checkpoint could not be written to {self.out}: free some space and run again")
        return self.exported

    @property
    def exported(self) -> Path:
        """Where the averaged weights go: a model folder, or an adapter's."""
        return self.out / ("adapter" if self.config.lora else "model")

    def _step(self) -> None:
        """One optimizer step over all micro-batches, unless the guard objects."""
        config, plan, step = self.config, self.plan, self.clock.step
        set_learning_rate(self.optimizer, config.optimizer.rate(self.clock))
        found: list[Figures] = []
        for part in plan.parts:
            torch.manual_seed(key(config.seed, step, part, LAYERS))
            began = time.monotonic()
            batch = self.batches.take(step, part)
            self._waited_s += time.monotonic() - began
            noise = generator(self.accelerator.device, config.seed, step, part, NOISE)
            noised = draw_noise(batch, config.objective, progress=self.clock.progress, generator=noise)
            found.append(figures(self.backward(noised, self._finite if self._engine_steps else None)))
        if self._engine_steps and not self._sum(torch.stack([one["loss"][0] for one in found])).isfinite().all():
            self.optimizer.optimizer.zero_grad(set_to_none=True)
            self.guard.admit(step + 1, float("nan"), {})
            self._next(found, admitted=False)
            return
        norm = self._norm()
        streams = {name: float(pair[0] / pair[1].clamp(min=1)) for name, pair in found[-1].items()
                   if name in SHOWN} if norm != norm else {}  # fmt: skip
        admitted = self._scaled or self.guard.admit(step + 1, norm, streams)
        if admitted:
            self.optimizer.step()
            if self.masters:
                self.masters.publish()
        self.optimizer.zero_grad(set_to_none=True)
        if admitted:
            self.meter.put("grad_norm", norm)
        self._next(found, admitted)

    def _next(self, found: list[Figures], admitted: bool) -> None:
        self.clock.step += 1
        if admitted:
            self.ema.update(self.clock.step)
            for one in found:
                for name, pair in one.items():
                    self.meter.put(name, *pair)
        if self.clock.step % AGREE_EVERY == 0:
            self.clock.agree(self.accelerator)

    def _after(self, bar: Bar) -> None:
        """What happens between steps, when its time has come."""
        config, step = self.config, self.clock.step
        bar(self.clock.progress)
        if step % config.log_every == 0:
            self._report(bar)
        if config.held_out and step % config.held_out.every == 0:
            self._measure()
        if self._save_due():
            self._save()
        if config.samples and step % config.samples.every == 0:
            self._sample()

    def _report(self, bar: Bar) -> None:
        row, seconds = self.meter.take(self._sum)
        clips = self.config.log_every * self.config.batch
        progress, elapsed = self.clock.progress, self.clock.elapsed_s
        waited, self._waited_s = self._waited_s, 0.0
        row = {
            "step": self.clock.step, "elapsed_s": elapsed, "left_s": elapsed * (1 - progress) / max(progress, 1e-9),
            "progress": progress, "lr": self.config.optimizer.rate(self.clock), "clips_per_s": clips / seconds,
            "data_wait": waited / seconds, "memory_gb": peak_memory_gb(self.accelerator.device),
            "skipped": self.guard.skipped, "pool": len(self.source), **row,
        }  # fmt: skip
        self._write(row)
        shown = " ".join(f"{name.removeprefix('loss_')} {row[name]:.3g}" for name in SHOWN if name in row)
        skipped = f", {self.guard.skipped} skipped" if self.guard.skipped else ""
        speed = f"{row['clips_per_s']:.3g} clips/s, {row['memory_gb']:.1f} GB"
        bar(progress, f"{self.config.stage} {self.clock.step}: {shown}, {speed}{skipped}")

    def _write(self, row: Mapping[str, Any]) -> None:
        self.log.write(row)
        if self.board:
            self.board.write(row)

    def _measure(self) -> None:
        """Loss on held-out clips with the averaged weights."""
        assert self.config.held_out
        self.module.eval()
        with self.ema.applied():
            found = held_out_loss(
                self._judged, self.held_out.sample, self.config.held_out, micro=self.plan.micro,
                process=self.plan.process, processes=self.plan.processes, device=self.accelerator.device,
                reduce=self._sum,
            )  # fmt: skip
        self.module.train()
        self.figures = found
        self._write({"step": self.clock.step, **{f"held_out_{name}": value for name, value in found.items()}})

    def _judged(self, batch: LatentBatch, noise: torch.Generator) -> Losses:
        with self.accelerator.autocast():
            return self.module(draw_noise(batch, self.config.objective, progress=1.0, generator=noise))

    def _sample(self) -> None:
        """Clips of the fixed prompts with the averaged weights."""
        assert self.config.samples
        self._export()
        self.accelerator.wait_for_everyone()
        out = self.out / "samples" / f"step-{self.clock.step:08d}"
        precision = "bf16" if self.config.precision in ("bf16", BF16_WEIGHTS) else "auto"
        adapters = (str(self.exported),) if self.config.lora else ()
        model = self.exported if not self.config.lora else folder_named(str(self.config.init_from))
        place = self.accelerator.device
        device = "cpu" if place.type == "cpu" else str(place)
        scores = make_samples(self.config.samples, model, out, device, precision, adapters)
        self._write({"step": self.clock.step, **{f"eval_{name}": value for name, value in scores.items()}})

    def _save_due(self) -> bool:
        config, step = self.config, self.clock.step
        if config.save_every and step % config.save_every == 0:
            return True
        if not config.save_every_s or step % AGREE_EVERY:
            return False
        due = torch.tensor(time.monotonic() - self.saved > config.save_every_s, device=self.accelerator.device)
        return bool(due if self.accelerator.num_processes == 1 else broadcast(due.int()))

    def _save(self) -> bool:
        """A checkpoint and the exported weights; called by every process at the same step."""
        if self._saved_step == self.clock.step and self.clock.step:
            return True
        state = {"training": self.training.state_dict(), "ema": self.ema.state_dict(), "clock": self.clock.state_dict()}
        own = {"meter": self.meter.state_dict(), "guard": self.guard.state_dict()}
        process, processes = self.plan.process, self.plan.processes
        figures = {"loss": self.figures["loss"]} if self.figures else {}
        written = self.checkpoints.save(
            self.clock.step, processes, state, lambda folder: write_own(folder, process, processes, own),
            self.accelerator.wait_for_everyone, main=self.main, figures=figures,
        )  # fmt: skip
        if processes > 1:  # all must know whether it is there
            written = bool(broadcast(torch.tensor(int(written), device=self.accelerator.device)))
        self._export()
        self.saved = time.monotonic()
        self._saved_step = self.clock.step if written else 0
        return written

    def _export(self) -> None:
        """The averaged weights as a model folder, or as an adapter; a full disk is told of."""
        weights = self.ema.state_dict_of(self.model)
        if not self.main:
            return
        try:
            if self.config.lora:
                save_adapter(self.exported, self.config.lora, str(self.config.init_from), weights)
            else:
                codecs = folder_named(self.config.codecs) if self.config.codecs else None
                save_model(self.exported, self.preset, weights, codecs=codecs)
        except (OSError, RuntimeError) as error:
            print(f"warning: {self.exported} was not written: {one_line(error)}", file=sys.stderr)
            for partial in self.exported.glob(".*.partial"):
                partial.unlink(missing_ok=True)

    def _resume(self) -> None:
        """Go on from the newest whole checkpoint; the log forgets what came after it."""
        found = self._newest()
        if found is None:
            return
        try:
            state = found.state()
            self.training.load_state_dict(state["training"])
            self.ema.load_state_dict(state["ema"])
            self.clock.load_state_dict(state["clock"])
            own = found.own(self.plan.process, self.plan.processes)
            if own is not None:
                self.meter.load_state_dict(own["meter"])
            else:
                own = found.own(0, found.processes)
            self.guard.load_state_dict(own["guard"])
        except UnisonError as error:
            raise UnisonError(f"cannot resume from {found.folder}: {error}; use another `out` to start anew") from error
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            cause = one_line(error)
            raise UnisonError(f"cannot resume from {found.folder} ({cause}): it is of another configuration") from error
        self._saved_step = self.clock.step
        self.log.rewind(self.clock.step)

    def _newest(self) -> Checkpoint | None:
        """The newest whole checkpoint; the main process verifies it for all."""
        answer: list[tuple[int | None, str]] = [(None, "")]
        if self.main:
            try:
                found = self.checkpoints.latest()
                if found is None and (self.out / "checkpoint.pt").is_file():
                    raise UnisonError(f"{self.out}/checkpoint.pt is of an older version: move it away to start anew")
                answer = [(found.step if found else None, "")]
            except UnisonError as error:
                answer = [(None, str(error))]
        if self.plan.processes > 1:
            broadcast_object_list(answer)
        step, failure = answer[0]
        if failure:
            raise UnisonError(failure)
        return None if step is None else self.checkpoints.at(step)

    def _norm(self) -> float:
        """Gradient norm before clipping, the same in every process."""
        trained = self.masters.parameters.values() if self.masters else self.module.parameters()
        norm = self.accelerator.clip_grad_norm_(trained, self.config.optimizer.max_norm)
        return 0.0 if norm is None else float(norm)

    def _finite(self, losses: Losses) -> bool:
        """Whether no process has a loss that is no number; asked of DeepSpeed's, whose backward pass takes the step."""
        return bool(self._sum(losses.total.detach()[None]).isfinite().all())

    def _sum(self, tensor: Tensor) -> Tensor:
        """Over processes, in float64 where the device has it."""
        if self.accelerator.num_processes == 1:
            return tensor
        return self.accelerator.reduce(tensor.to(self.accelerator.device), "sum")

    def _held_out_source(self) -> Any:
        if self.config.held_out is None:
            return None
        data = replace(self.config.data, shards=self.config.held_out.shards, mix={}, follow_s=0.0, wait_for=1)
        return open_source(data, self.config.stage, self.preset, self.accelerator.device)

    @property
    def _sharded(self) -> bool:
        return self.accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED)

    @property
    def _engine_steps(self) -> bool:
        return self.accelerator.distributed_type == DistributedType.DEEPSPEED

    @property
    def _scaled(self) -> bool:
        """Float16's loss scaling skips steps by itself."""
        return self.accelerator.scaler is not None
