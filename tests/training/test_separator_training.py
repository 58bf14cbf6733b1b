"""A separator's training: it learns, leaves voices out, exports, and resumes exactly."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from unison_core.corpus.sample import CorpusItem
from unison_core.errors import UnisonError
from unison_core.separation.config import SeparatorConfig
from unison_core.separation.mel_roformer import load_separator
from unison_core.training import separator as training
from unison_core.training.accelerate_setup import make_accelerator, restored_backends
from unison_core.training.codec_run import Sources
from unison_core.training.separation_loss import SeparationObjective
from unison_core.training.separator import Entry, SeparatorTask, SeparatorTrainingConfig, train_separator
from unison_core.types import Clip


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, tiny_separator_config: SeparatorConfig) -> None:
    monkeypatch.setattr(training, "load_separator_preset", lambda name: tiny_separator_config)


def items(count: int) -> Iterator[CorpusItem]:
    """Harmonic voices of slt and awb in turn, and noise."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        time = np.arange(8000) / 16000
        pitch = rng.uniform(120, 300)
        voice = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 8))
        stems = {"speech": (0.2 * voice).astype(np.float32),
                 "sfx": (0.1 * rng.standard_normal(8000)).astype(np.float32)}  # fmt: skip
        clip = Clip(frames=None, fps=25.0, stems=stems, rate_hz=16000)
        yield CorpusItem(scene=cast(Any, SimpleNamespace(voice=("slt", "awb")[seed % 2])), clip=clip)


def settings(folder: Path, **changes: Any) -> SeparatorTrainingConfig:
    common: dict[str, Any] = {
        "stage": "separator", "out": str(folder / "run"), "export": str(folder / "model"), "steps": 3, "batch": 4,
        "warmup": 1, "items": 6, "wait_items": 6, "check_items": 2, "log_every": 1, "save_every_s": 1000.0, "lr": 3e-3,
    }  # fmt: skip
    return SeparatorTrainingConfig(**(common | changes))


def train(config: SeparatorTrainingConfig) -> Path:
    return train_separator(config, Sources(train=items(6), held_out=items(2)))


def log(folder: Path) -> list[dict]:
    import json

    return [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]


def test_it_learns(tmp_path: Path) -> None:
    folder = train(settings(tmp_path, steps=60, batch=8, ema=0.9, log_every=20))
    rows = [row["loss"] for row in log(tmp_path) if "loss" in row]
    assert rows[-1] < rows[0] - 0.1
    held_out = log(tmp_path)[-1]
    assert held_out["held_out_speech_si_sdri"] > 1
    assert {"held_out_sfx_si_sdri", "held_out_speech_alone_db", "held_out_sfx_alone_db"} <= held_out.keys()
    config, _ = load_separator(folder)
    assert config.name == "tiny"


def test_it_learns_by_muon_and_goes_on(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none of adamw, muon"):
        settings(tmp_path, optimizer="sgd")
    common = {"batch": 8, "ema": 0.9, "log_every": 10, "optimizer": "muon", "lr": 5e-3}
    train(settings(tmp_path, steps=20, **common))
    train(settings(tmp_path, steps=40, **common))
    rows = [row["loss"] for row in log(tmp_path) if "loss" in row]
    assert len(rows) == 4
    assert rows[-1] < rows[0] - 0.1


def test_it_learns_what_words_need(tmp_path: Path) -> None:
    train(settings(tmp_path, steps=60, batch=8, ema=0.9, log_every=20, **WORDS))
    rows = [row for row in log(tmp_path) if "loss" in row]
    for name in ("loss", "detail", "reading"):
        assert rows[-1][name] < rows[0][name]


def test_a_weight_below_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="missing_weight=-1"):
        settings(tmp_path, missing_weight=-1)


def test_weights_of_a_longer_hop_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_separator_config: SeparatorConfig
) -> None:
    long = replace(tiny_separator_config, hop=128, position_hop=None, time_taps=5)
    monkeypatch.setattr(training, "load_separator_preset", lambda name: long)
    first = train(settings(tmp_path / "long"))
    short = replace(long, hop=64, position_hop=128, time_taps=9)
    monkeypatch.setattr(training, "load_separator_preset", lambda name: short)
    config, _ = load_separator(train(settings(tmp_path / "short", init_from=str(first))))
    assert config == short


def test_resumed_training_is_the_same_training(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:  # the learning rate follows the number of steps: keep it constant
        patch.setattr(training.Clock, "cosine", lambda self, warmup: 1.0)
        once = train(settings(tmp_path / "once", steps=4, lr=1e-3))
        train(settings(tmp_path / "twice", steps=2, lr=1e-3))
        twice = train(settings(tmp_path / "twice", steps=4, lr=1e-3))
    first, second = (load_separator(folder)[1].state_dict() for folder in (once, twice))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_voices_that_are_left_out_are_never_heard(tmp_path: Path) -> None:
    config = settings(tmp_path, leave_out=("awb",))
    task = SeparatorTask(config, make_accelerator(config))
    kept = [task.keep(item) for item in items(4)]
    assert [entry is not None and entry.speech is not None for entry in kept] == [True, False, True, False]
    assert all(entry is not None and entry.sfx is not None for entry in kept)


def test_a_voice_is_mixed_as_often_as_is_asked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leave_out names"):
        settings(tmp_path, often={"slt": 0})
    config = settings(tmp_path, often={"slt": 3})
    task = SeparatorTask(config, make_accelerator(config))
    first, second = (cast(Entry, task.keep(item)) for item in items(2))
    length = 1 + len(cast(Any, first.speech))
    second = replace(second, speech=torch.zeros(length))
    lengths = task._waves([first, second, first, second]).lengths[0].flatten().tolist()
    assert [n == length for n in lengths] == [False, True, False, True]
    eight = task._waves([first, second] + [replace(first, speech=None)] * 6).lengths[0].flatten().tolist()
    assert sorted(n == length for n in eight) == [False] * 6 + [True] * 2


def test_the_loss_is_the_error_in_decibels() -> None:
    """A model that gives half the mixture for a lone voice: the error lies 6 dB under the mixture."""
    mix = torch.randn(3, 4096, generator=torch.Generator().manual_seed(0))
    losses = SeparationObjective(Half())(mix, mix)
    assert float(losses["error_db"]) == pytest.approx(-6.02, abs=0.01)
    assert float(losses["spectral"]) == pytest.approx(0.5, abs=0.01)
    silent = SeparationObjective(Half())(torch.zeros(2, 4096), torch.zeros(2, 4096))
    assert all(value.isfinite() for value in silent.values())


@pytest.mark.parametrize("graphs", [False, True])
def test_gradients_that_are_no_numbers_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, graphs: bool
) -> None:
    forward, calls = SeparationObjective.forward, []

    def sometimes_wrong(self: Any, speech: torch.Tensor, mix: torch.Tensor) -> dict[str, torch.Tensor]:
        calls.append(1)
        losses = forward(self, speech, mix)
        return losses | {"loss": losses["loss"] * float("nan")} if wrong(len(calls)) else losses

    monkeypatch.setattr(SeparationObjective, "forward", sometimes_wrong)
    wrong = {2, 3}.__contains__
    _, model = load_separator(train(settings(tmp_path, steps=4, cuda_graphs=graphs)))
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert [row["skipped"] for row in log(tmp_path) if "skipped" in row] == [0, 1, 1, 0]
    wrong = bool
    with pytest.raises(UnisonError, match="not finite 20 times in a row"):
        train(settings(tmp_path, steps=50, resume=False, cuda_graphs=graphs))


def test_a_recordable_step_is_the_same_step(tmp_path: Path) -> None:
    """On a CPU nothing is recorded: what graphs need must not change a bit."""
    plain, graphed = (
        load_separator(train(settings(tmp_path / str(graphs), cuda_graphs=graphs)))[1].state_dict()
        for graphs in (False, True)
    )
    assert all(torch.equal(plain[key], graphed[key]) for key in plain)


class Operations(TorchDispatchMode):
    """Names of the operations that ran."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


WORDS = {"detail_weight": 1.0, "reading_weight": 1.0, "missing_weight": 2.0}
ASKS_THE_HOST = {"equal", "_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "lift_fresh"}
"""What waits for a GPU or copies to it (`lift_fresh`: a tensor made of Python numbers)."""


@pytest.mark.parametrize("graphs", [True, False])
def test_what_a_graph_records_asks_nothing_of_the_host(tmp_path: Path, graphs: bool) -> None:
    config = settings(tmp_path, cuda_graphs=graphs, **WORDS)
    task = SeparatorTask(config, make_accelerator(config))
    waves = task._waves([entry for item in items(4) if (entry := task.keep(item))])
    with Operations() as seen:
        task._losses(waves)[0].backward()
    assert ("equal" in seen.names) is not graphs  # torch.istft's look at its windows
    assert not seen.names & ASKS_THE_HOST - {"equal"}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_replayed_steps_are_the_eager_ones(tmp_path: Path) -> None:
    """The same mixtures are drawn, and losses and norms agree, in the eager, the recording and the replayed steps."""
    figures = []
    for graphs in (False, True):
        config = settings(tmp_path, cuda_graphs=graphs, precision="fp32", steps=10, lr=1e-4, **WORDS)
        with restored_backends():
            task = SeparatorTask(config, make_accelerator(config))
            entries = [entry for item in items(4) if (entry := task.keep(item))]
            clock = training.Clock(steps=10)
            figures.append([{k: float(v) for k, v in task.step(entries, clock).items()} for _ in range(5)])
        assert task.backward.enabled is graphs
    for eager, replayed in zip(*figures, strict=True):
        assert replayed == pytest.approx(eager, rel=1e-2, abs=1e-4)


def test_process_wide_settings_are_restored(tmp_path: Path) -> None:
    before = torch.get_float32_matmul_precision()
    with restored_backends():
        torch.set_float32_matmul_precision("high" if before == "highest" else "highest")
    assert torch.get_float32_matmul_precision() == before


def test_compressed_spectra_tell_more_of_what_is_faint() -> None:
    """A tone 40 dB under another is lost: D notices it, though the error's power says next to nothing."""
    time = torch.arange(8192) / 16000
    loud, faint = (torch.sin(6.2832 * hz * time)[None] for hz in (500, 5000))
    whole = loud + 0.01 * faint

    class Muffled(torch.nn.Module):
        def forward(self, mix: torch.Tensor) -> torch.Tensor:
            return loud[:, None]

    muffled = SeparationObjective(Muffled(), 1.0)(whole, whole)
    assert float(muffled["error_db"]) < -38
    perfect = SeparationObjective(torch.nn.Identity(), 1.0)(whole, whole)
    assert float(perfect["detail"]) == pytest.approx(0, abs=1e-6)
    assert float(muffled["detail"]) > 0.02
    assert "detail" not in SeparationObjective(Half())(whole, whole)
    silence = torch.zeros(2, 4096)
    assert float(SeparationObjective(Half(), 1.0)(silence, silence)["detail"]) == 0


class Fixed(torch.nn.Module):
    """Gives the same speech `(B, samples)` whatever the mixture is."""

    def __init__(self, speech: torch.Tensor) -> None:
        super().__init__()
        self.speech = speech

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        return self.speech[:, None]


def words(made: torch.Tensor, speech: torch.Tensor, mix: torch.Tensor, missing_weight: float) -> dict[str, float]:
    objective = SeparationObjective(
        Fixed(made), detail_weight=1.0, reading_weight=1.0, missing_weight=missing_weight
    )  # fmt: skip
    return {name: float(value) for name, value in objective(speech, mix).items()}


def noise(seed: int) -> torch.Tensor:
    return torch.randn(2, 8192, generator=torch.Generator().manual_seed(seed))


def test_missing_speech_costs_more_than_as_much_left_over() -> None:
    """Speech at half or twice its magnitude: as far off in logarithms, and m times as dear where it is missing."""
    speech = noise(0)
    mix = 4 * speech
    missing, leftover, perfect = (words(gain * speech, speech, mix, 3.0) for gain in (0.5, 2.0, 1.0))
    assert leftover["reading"] == pytest.approx(2 * np.log10(2), rel=0.02)
    assert missing["reading"] == pytest.approx(3 * leftover["reading"], rel=0.02)
    assert perfect["reading"] == perfect["detail"] == 0
    even = words(0.5 * speech, speech, mix, 1.0)
    assert missing["reading"] == pytest.approx(3 * even["reading"])
    assert even["detail"] < missing["detail"] < 3 * even["detail"]  # the effects' half is the same


def test_hard_rows_count_more() -> None:
    """Of two rows, one is read 4 times as badly: by h = 1 it counts 1.6 times and the other 0.4 times."""
    speech = noise(0)
    made = torch.stack((10**0.05 * speech[0], 10**0.2 * speech[1]))  # 0.1 and 0.4 decades too loud

    def loss(hardness: float) -> dict[str, float]:
        of = SeparationObjective(Fixed(made), reading_weight=1.0, decibel_weight=0.0, hardness=hardness)
        return {name: float(value) for name, value in of(speech, 4 * speech).items()}

    even, hard = loss(0.0), loss(1.0)
    assert even["loss"] == pytest.approx(even["reading"])
    assert even["reading"] == hard["reading"] == pytest.approx(0.25, rel=0.02)
    assert hard["loss"] == pytest.approx((1.6 * 0.4 + 0.4 * 0.1) / 2, rel=0.02)


def test_hardness_goes_by_what_is_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give reading_weight"):
        settings(tmp_path, hardness=1.0)


def test_what_is_read_does_not_depend_on_level() -> None:
    """Faint consonants count as vowels do: a stretch and a band that are 20 dB down are as dear to lose."""
    speech = noise(0)
    faint = speech.clone()
    faint[:, 4096:] *= 0.1
    lost_loud, lost_faint = faint.clone(), faint.clone()
    lost_loud[:, :4096] *= 0.3
    lost_faint[:, 4096:] *= 0.3
    loud, quiet = (words(made, faint, faint, 1.0)["reading"] for made in (lost_loud, lost_faint))
    assert quiet == pytest.approx(loud, rel=0.15)


def test_silence_has_losses_and_gradients_that_are_numbers() -> None:
    silence = torch.zeros(2, 8192)
    for mix in (silence, noise(1)):  # of no speech in either
        gain = torch.nn.Conv1d(1, 1, 1)
        with torch.no_grad():
            gain.bias.zero_()
        losses = SeparationObjective(gain, 1.0, reading_weight=1.0, missing_weight=2.0)(silence, mix)
        assert all(value.isfinite() for value in losses.values())
        losses["loss"].backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in gain.parameters())
    assert words(silence, silence, silence, 2.0)["reading"] == 0
    assert words(0.1 * noise(1), silence, noise(1), 2.0)["reading"] > 1  # leftover in silence is heard


class Half(torch.nn.Module):
    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        return 0.5 * mix


def test_a_stereo_preset_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_separator_config: SeparatorConfig
) -> None:
    stereo = replace(tiny_separator_config, channels=2)
    monkeypatch.setattr(training, "load_separator_preset", lambda name: stereo)
    with pytest.raises(ValueError, match="is stereo"):
        train(settings(tmp_path))
