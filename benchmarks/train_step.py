"""One optimizer step of Unison's stage 2 at full size, on one GPU and on several: time, tokens, memory, efficiency.

    python benchmarks/train_step.py --gpus 2                      5b, 704x1280, 5 s, a clip a GPU
    python benchmarks/train_step.py --gpus 2 --launcher fsdp2     by FSDP2 (ddp, zero2)

At its defaults a GPU needs about 62 GB by arithmetic, 68 under DDP: 26 of float32 weights, 26 of gradients, moments and
averages of the 1.6e9 that are trained, and 10 of activations, with checkpointing. Nothing is saved.

Weights and latents are random: neither changes what is computed. Of the ceiling: the step's matrix products and
attention (forward and backward passes, nothing twice) per second and GPU, over the speed of bf16 products of
8192 x 8192 that is measured in the same process. Efficiency: tokens a second of N GPUs over N times those of
one, each GPU with the same number of clips.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from unison_core.config import Preset, from_mapping, load_preset, read_yaml
from unison_core.pipelines.workload import CPU_ATTENTION, blank_latents, blank_text, matmul_speed
from unison_core.training.flow_training import FlowTrainingConfig
from unison_core.training.shard_format import CAPTION_AUDIO, CAPTION_VIDEO, Sample, write_shard
from unison_core.types import VIDEO

ROOT = Path(__file__).parents[1]
STAGE = ROOT / "examples" / "configs" / "unison-5b-joint.yaml"
GB = 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="5b", help="name or file")
    parser.add_argument("--size", default="1280x704", help="width x height")
    parser.add_argument("--frames", type=int, default=125)
    parser.add_argument("--gpus", type=int, default=1)
    parser.add_argument("--launcher", default="ddp", choices=("ddp", "fsdp2", "zero2"))
    parser.add_argument("--clips", type=int, default=1, help="clips a GPU and pass")
    parser.add_argument("--steps", type=int, default=3, help="steps that are timed, after two that are not")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--keep-activations", action="store_true", help="no activation checkpointing")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args)
        return
    preset, width_height = load_preset(args.preset), tuple(map(int, args.size.split("x")))
    # Counting takes half a minute on one core at 5b. It has the main thread: what a backward pass in another one leaves
    # behind can abort the interpreter as it ends.
    with ThreadPoolExecutor() as runs:
        first, *others = sorted({1, args.gpus})
        launched = runs.submit(launch, first)
        flops = step_flops(preset, width_height, args.frames, stage_config().freeze)
        rows = [launched.result(), *map(launch, others)]
    for row in rows:
        row["flops"] = args.clips * flops
    report(rows, preset)


def stage_config() -> FlowTrainingConfig:
    """Unison's stage 2."""
    return from_mapping(FlowTrainingConfig, read_yaml(STAGE), STAGE.name)


def launch(processes: int) -> dict:
    """A row of figures from a run with so many processes."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [__file__, *sys.argv[1:], "--worker", folder]
        command = [sys.executable, *arguments]
        if processes > 1:
            kind = sys.argv[sys.argv.index("--launcher") + 1] if "--launcher" in sys.argv else "ddp"
            settings = ROOT / "examples" / "configs" / "accelerate" / f"{kind}.yaml"
            shards = ["--parallelism_config_dp_replicate_size", "1", "--parallelism_config_dp_shard_size",
                      str(processes)] if kind == "fsdp2" else []  # fmt: skip
            command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(settings),
                       "--num_processes", str(processes), "--num_machines", "1", *shards, *arguments]  # fmt: skip
        # Activations of many sizes leave gaps that segments which grow do not.
        env = {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True", **os.environ}
        subprocess.run(command, check=True, stdout=sys.stderr, env=env)
        return json.loads((Path(folder) / "row.json").read_text())


def work(args: argparse.Namespace) -> None:
    """Time steps in this process, one of those that were launched; the main one writes the row."""
    from unison_core.pipelines.processes import world
    from unison_core.training.flow_run import FlowRun
    from unison_core.training.memory import peak_memory_gb

    preset, place = load_preset(args.preset), world()
    width, height = map(int, args.size.split("x"))
    latents = args.worker / "latents"
    if place.first:
        (args.worker / "writing").mkdir()
        write_latents(args.worker / "writing", preset, (width, height), args.frames)
        (args.worker / "writing").rename(latents)
    while not latents.is_dir():
        time.sleep(0.1)
    stage = stage_config()
    config = replace(
        stage, preset=args.preset, out=str(args.worker / "run"), init_from=None, codecs=None,
        batch=args.clips * place.size, data=replace(stage.data, shards=str(latents), source="pool"),
        micro_batch=args.clips, precision=args.precision,
        checkpoint_activations=not args.keep_activations, compile=args.compile, tensorboard=False, resume=False,
    )  # fmt: skip
    run = FlowRun(config, preset)
    device = run.accelerator.device
    for _ in range(2):
        run._step()
    _wait(device)
    run._waited_s, began = 0.0, time.perf_counter()
    for _ in range(args.steps):
        run._step()
    _wait(device)
    seconds = (time.perf_counter() - began) / args.steps
    trained = sum(p.numel() for p in run.model.parameters() if p.requires_grad)
    row = {
        "processes": place.size, "launcher": args.launcher if place.size > 1 else "one", "device": _name(device),
        "seconds": seconds, "tokens": tokens(preset, (width, height), args.frames) * config.batch,
        "data_wait": run._waited_s / (seconds * args.steps), "memory_gb": peak_memory_gb(device),
        "matmul": matmul_speed(device, torch.bfloat16 if args.precision.startswith("bf16") else torch.float32, 1.0),
        "parameters": sum(p.numel() for p in run.model.parameters()), "trained": trained,
    }  # fmt: skip
    run.accelerator.wait_for_everyone()
    if place.first:
        (args.worker / "row.json").write_text(json.dumps(row))


def report(rows: list[dict], preset: Preset) -> None:
    """Tables on stdout."""
    print(f"{preset.name}, stage 2; {rows[0]['device']}, torch {torch.__version__}\n")
    print("| GPUs | by | s/step | tokens/s | of the ceiling | peak memory | waiting for data | efficiency |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        speed = row["tokens"] / row["seconds"]
        share = row["flops"] / row["seconds"] / row["matmul"]
        efficiency = speed / (row["processes"] * rows[0]["tokens"] / rows[0]["seconds"])
        print(f"| {row['processes']} | {row['launcher']} | {row['seconds']:.3f} | {speed:,.0f} | {100 * share:.1f} % | "
              f"{row['memory_gb']:.1f} GB | {100 * row['data_wait']:.2f} % | {100 * efficiency:.1f} % |")  # fmt: skip
    static = zero2_memory(rows[0]["parameters"], rows[0]["trained"], 16)
    print(f"\nZeRO-2 on 16 GPUs, by arithmetic ({rows[0]['parameters'] / 1e9:.2f}e9 parameters, "
          f"{rows[0]['trained'] / 1e9:.2f}e9 trained), per GPU:")  # fmt: skip
    for name, size in static.items():
        print(f"  {name}: {size / GB:.1f} GB")
    alone = 4 * rows[0]["parameters"] + 16 * rows[0]["trained"]
    rest = max(0.0, rows[0]["memory_gb"] * GB - alone)
    print(f"  activations and workspace, measured on one GPU (beside {alone / GB:.1f} GB of state): {rest / GB:.1f} GB")
    print(f"  in all: {(sum(static.values()) + rest) / GB:.1f} GB")


def zero2_memory(parameters: int, trained: int, processes: int) -> dict[str, float]:
    """Bytes of state per GPU under ZeRO-2 in bf16, and of our averages, which every process keeps whole."""
    return {
        "weights in bf16, whole": 2.0 * parameters,
        "gradients in float32, sharded": 4.0 * trained / processes,
        "AdamW: float32 weights and two moments, sharded": 12.0 * trained / processes,
        "averages (EMA) in float32, whole": 4.0 * trained,
    }


def step_flops(
    preset: Preset, size: tuple[int, int], frames: int, freeze: tuple[str, ...], *, backward: bool = True
) -> int:
    """Matrix products and attention of a forward and a backward pass of one clip, counted on tensors without data."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count

    from unison_core.model.unison import Unison

    def attention(gradient: torch.Size, q: torch.Size, k: torch.Size, v: torch.Size, *_: object, **__: object) -> int:
        return sdpa_backward_flop_count(gradient, q, k, v)

    counted = {**CPU_ATTENTION, torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: attention}
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    with fake:
        model = Unison(preset.model, preset.timing)
    for name in freeze:
        getattr(model, name).requires_grad_(False)
    model.layout(frames, torch.device("cpu"))
    with fake, FlopCounterMode(display=False, custom_mapping=counted) as counter:
        latents = blank_latents(preset, size, frames, 1)
        sigmas = {s: torch.ones(1, x.shape[2]) if s == VIDEO else torch.ones(1) for s, x in latents.items()}
        made = model(latents, sigmas, model.encode(blank_text(preset, 1), frames))
        if backward:
            torch.stack([x.float().sum() for x in made.values()]).sum().backward()
    return counter.get_total_flops()


def tokens(preset: Preset, size: tuple[int, int], frames: int) -> int:
    """Tokens of a clip: of the picture and of both stems."""
    latents = blank_latents(preset, size, frames, 1)
    patch = np.prod(preset.model.video.patch)
    return sum(int(np.prod(x.shape[2:]) / patch) if s == VIDEO else x.shape[1] for s, x in latents.items())


def write_latents(folder: Path, preset: Preset, size: tuple[int, int], frames: int) -> None:
    """A shard of four random clips."""
    rng, config = np.random.default_rng(0), preset.model
    features = unsaid = None
    if config.caption.kind == "external":
        unsaid = {CAPTION_VIDEO: np.zeros((config.caption.length, config.video.text_dim), np.float16),
                  CAPTION_AUDIO: np.zeros((77, config.audio.text_dim), np.float16)}  # fmt: skip
        features = {name: rng.standard_normal(x.shape).astype(np.float16) for name, x in unsaid.items()}
    meta = {"frames": frames, "caption_ids": [1, 2], "phoneme_ids": [3] * 60, "phoneme_weights": [0.05] * 60,
            "span_s": [0.2, 0.9]}  # fmt: skip
    samples = [
        Sample(key=f"{i}", meta=meta, features=features,
               latents={s: rng.standard_normal(x.shape[1:]).astype(np.float16)
                        for s, x in blank_latents(preset, size, frames, 1).items()})
        for i in range(4)
    ]  # fmt: skip
    write_shard(folder / "a.tar", samples, unsaid=unsaid)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


if __name__ == "__main__":
    main()
