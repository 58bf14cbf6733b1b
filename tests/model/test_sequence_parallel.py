"""Two processes that share a clip's tokens, or the rows of a guided step, compute what one process computes."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from test_unison import AUDIO_STREAMS, FRAMES, inputs, text, tiny_preset, wake_nodes

from unison_core.model.sequence_parallel import SequenceParallel
from unison_core.model.unison import Unison

SIDES = {"16 tokens a frame": 8, "9 tokens a frame": 6}
"""Even and uneven shares."""
ROWS = "rows of a guided step"


def build() -> Unison:
    torch.manual_seed(0)
    preset = tiny_preset()
    model = Unison(preset.model, preset.timing).eval()
    for branch in (model.video, model.audio):
        for p in branch.parameters():
            torch.nn.init.normal_(p, std=0.2)
    wake_nodes(model)
    return model


def crop(model: Unison, side: int):
    latents, sigmas = inputs(model)
    return {**latents, "video": latents["video"][..., :side, :side]}, sigmas


@torch.no_grad()
def work(rank: int, folder: str) -> None:
    """One of two processes: all cases, written to a file."""
    from unison_core.pipelines.parallel import SplitRows

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    try:
        model, found = build(), {}
        split = SplitRows(model)
        latents, sigmas = crop(model, 8)
        found[ROWS] = dict(split(latents, sigmas, split.encode(text(), FRAMES)))
        model.split(SequenceParallel())
        for name, side in SIDES.items():
            latents, sigmas = crop(model, side)
            found[name] = dict(model(latents, sigmas, model.encode(text(), FRAMES)))
        torch.save(found, f"{folder}/{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    folder = tmp_path_factory.mktemp("parallel")
    mp.spawn(work, args=(str(folder),), nprocs=2)
    return [torch.load(Path(folder) / f"{rank}.pt") for rank in range(2)]


@pytest.mark.skipif(not dist.is_gloo_available(), reason="PyTorch without gloo")
@pytest.mark.parametrize("case", [*SIDES, ROWS])
@torch.no_grad()
def test_two_processes_compute_what_one_does(found: list[dict], case: str) -> None:
    model = build()
    latents, sigmas = crop(model, SIDES.get(case, 8))
    expected = model(latents, sigmas, model.encode(text(), FRAMES))
    for rank in range(2):
        for stream in ("video", *AUDIO_STREAMS):
            torch.testing.assert_close(found[rank][case][stream], expected[stream], atol=1e-4, rtol=1e-4)


def test_heads_must_divide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "get_rank", lambda group=None: 0)
    monkeypatch.setattr(dist, "get_world_size", lambda group=None: 3)
    with pytest.raises(ValueError, match="3 processes must divide 2 heads"):
        build().split(SequenceParallel())
