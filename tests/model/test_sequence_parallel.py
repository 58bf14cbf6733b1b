"""Two processes that share a clip's tokens compute what one process computes."""

import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from test_unison import AUDIO_STREAMS, FRAMES, inputs, text, tiny_preset, wake_nodes

from unison_core.model.sequence_parallel import SequenceParallel
from unison_core.model.unison import Unison


def build() -> Unison:
    torch.manual_seed(0)
    preset = tiny_preset()
    model = Unison(preset.model, preset.timing).eval()
    for branch in (model.video, model.audio):
        for p in branch.parameters():
            torch.nn.init.normal_(p, std=0.2)
    wake_nodes(model)
    return model


def work(rank: int, size: int, folder: str, width: int, mode: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size)
    try:
        model = build()
        latents, sigmas = crop(model, width)
        if mode == "sequence":
            model.split(SequenceParallel())
            with torch.no_grad():
                out = model(latents, sigmas, model.encode(text(), FRAMES))
        else:
            from unison_core.pipelines.parallel import SplitRows

            split = SplitRows(model)
            with torch.no_grad():
                out = split(latents, sigmas, split.encode(text(), FRAMES))
        torch.save(dict(out), f"{folder}/{rank}.pt")
    finally:
        dist.destroy_process_group()


def crop(model: Unison, width: int):
    latents, sigmas = inputs(model)
    return {**latents, "video": latents["video"][..., :width, :width]}, sigmas


@pytest.mark.skipif(not dist.is_gloo_available(), reason="PyTorch without gloo")
@pytest.mark.parametrize(("width", "mode"), [(8, "sequence"), (6, "sequence"), (8, "guidance")],
                         ids=["16 tokens a frame", "9 tokens a frame", "rows of a guided step"])  # fmt: skip
def test_two_processes_compute_what_one_does(tmp_path: Path, width: int, mode: str) -> None:
    model = build()
    latents, sigmas = crop(model, width)
    with torch.no_grad():
        expected = model(latents, sigmas, model.encode(text(), FRAMES))
    os.environ.pop("MASTER_ADDR", None)
    mp.spawn(work, args=(2, str(tmp_path), width, mode), nprocs=2)
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        for stream in ("video", *AUDIO_STREAMS):
            torch.testing.assert_close(found[stream], expected[stream], atol=1e-4, rtol=1e-4)
