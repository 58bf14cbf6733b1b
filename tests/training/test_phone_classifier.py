"""The phone classifier: it learns which phone is where, and judges separated speech by it."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from unison_core.corpus.sample import CorpusItem
from unison_core.corpus.scene import Phone
from unison_core.errors import UnisonError
from unison_core.training.accelerate_setup import make_accelerator
from unison_core.training.codec_run import Sources
from unison_core.training.mixtures import MixtureConfig
from unison_core.training.phone_classifier import PAUSE, PHONES, PhoneClassifier, load_phone_classifier
from unison_core.training.phones import PhoneTask, PhoneTrainingConfig, train_phones
from unison_core.training.read_bands import HOP
from unison_core.training.separation_loss import SeparationObjective
from unison_core.training.separator import SeparatorTrainingConfig
from unison_core.types import Clip

RATE_HZ = 16000
TONES_HZ = {"iy": 400.0, "s": 3000.0, "m": 1200.0}
"""Toy phones: each is a tone of its own."""
STILL = MixtureConfig(speech_speed=0.0, equaliser_db=0.0, room=0.0, band_limited=0.0)


def items(count: int) -> Iterator[CorpusItem]:
    """Three phones of 0.2 s each in some order, with 0.1 s of silence around them."""
    for seed in range(count):
        names = np.random.default_rng(seed).permutation(list(TONES_HZ))
        wave, phones = np.zeros(12800, np.float32), []
        for i, name in enumerate(names):
            start_s = 0.1 + 0.2 * i
            time = np.arange(3200) / RATE_HZ
            wave[round(start_s * RATE_HZ) :][:3200] = 0.3 * np.sin(2 * np.pi * TONES_HZ[name] * time)
            phones.append(Phone(name=name, start_s=start_s, end_s=start_s + 0.2))
        scene = SimpleNamespace(voice=("slt", "awb")[seed % 2], phones=tuple(phones))
        clip = Clip(frames=None, fps=25.0, stems={"speech": wave}, rate_hz=RATE_HZ)
        yield CorpusItem(scene=cast(Any, scene), clip=clip)


def settings(folder: Path, **changes: Any) -> PhoneTrainingConfig:
    common: dict[str, Any] = {
        "stage": "phones", "out": str(folder / "run"), "export": str(folder / "model"), "steps": 40, "batch": 8,
        "warmup": 5, "items": 12, "wait_items": 12, "check_items": 2, "log_every": 10, "save_every_s": 1000.0,
        "lr": 3e-3, "window": 12800, "ema": 0.8,
    }  # fmt: skip
    return PhoneTrainingConfig(**(common | changes))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("phones")
    train_phones(settings(where), Sources(train=items(12), held_out=items(2)))
    return where


def test_it_learns_which_phone_is_where(folder: Path) -> None:
    rows = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["held_out_right"] > 0.9
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[-1] < losses[0] / 2


def test_phones_move_with_the_speech(tmp_path: Path) -> None:
    """Rows are stretches at other speeds; the phone of a frame is the one that sounds there."""
    for voices in (STILL, MixtureConfig(speech_speed=0.4, equaliser_db=0.0, room=0.0, band_limited=0.0)):
        config = settings(tmp_path, voices=voices)
        task = PhoneTask(config, make_accelerator(config))
        speech, phones = task._rows([entry for item in items(8) if (entry := task.keep(item))])
        frames = phones.shape[1]
        assert frames == speech.shape[1] // HOP + 1
        around = (speech[:, max(0, i * HOP - 64) : i * HOP + 64] for i in range(frames))
        power = torch.stack([stretch.square().mean(dim=1) for stretch in around])
        loud, spoken = power.T > 0.1, phones != PAUSE
        assert float((loud == spoken).float().mean()) > 0.97
        assert set(phones.unique().tolist()) <= {PAUSE, *(PHONES.index(name) for name in TONES_HZ)}


def test_voices_that_are_left_out_and_clips_without_words_are_not_heard(tmp_path: Path) -> None:
    config = settings(tmp_path, leave_out=("awb",))
    task = PhoneTask(config, make_accelerator(config))
    assert [task.keep(item) is not None for item in items(4)] == [True, False, True, False]
    mute = CorpusItem(scene=cast(Any, SimpleNamespace(voice=None, phones=())), clip=next(items(1)).clip)
    assert task.keep(mute) is None


def test_what_is_misread_costs_and_what_is_not_does_not(folder: Path) -> None:
    """Louder speech reads the same; another phone in place of one, or sound in a pause, is dear."""
    model = load_phone_classifier(folder / "model", RATE_HZ)
    speech = torch.from_numpy(next(items(1)).clip.stems["speech"])[None]
    assert float(model.misread(speech, speech)) == pytest.approx(0, abs=1e-6)
    other = speech.clone()
    other[:, 1600:4800] = speech[:, 4800:8000]
    pause = speech.clone()
    pause[:, 11200:12800] = speech[:, 4800:6400]
    softer = float(model.misread(0.9 * speech, speech))
    assert softer < 0.05
    assert float(model.misread(other, speech)) > 0.5
    assert float(model.misread(pause, speech)) > 0.3


def test_silence_says_nothing(folder: Path) -> None:
    model = load_phone_classifier(folder / "model", RATE_HZ)
    made = (0.1 * torch.randn(2, 8192, generator=torch.Generator().manual_seed(0))).requires_grad_()
    loss = model.misread(made, torch.zeros(2, 8192))
    loss.sum().backward()
    assert (loss == 0).all()
    assert made.grad is not None
    assert (made.grad == 0).all()


def test_the_separation_loss_adds_what_is_misread(folder: Path) -> None:
    model = load_phone_classifier(folder / "model", RATE_HZ)
    speech = torch.from_numpy(np.stack([item.clip.stems["speech"] for item in items(2)]))
    noise = 0.1 * torch.randn(speech.shape, generator=torch.Generator().manual_seed(1))
    plain = SeparationObjective(torch.nn.Identity())(speech, speech + noise)
    losses = SeparationObjective(torch.nn.Identity(), phones=model, phones_weight=2.0)(speech, speech + noise)
    assert float(losses["phones"]) > 0
    assert float(losses["loss"]) == pytest.approx(float(plain["loss"]) + 2 * float(losses["phones"]), rel=1e-5)
    assert not any(p.requires_grad for p in model.parameters())


def test_a_folder_without_it_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(UnisonError, match=r"nano-phones\.yaml"):
        load_phone_classifier(tmp_path, RATE_HZ)


def test_a_weight_needs_a_classifier() -> None:
    with pytest.raises(ValueError, match="needs phones_from"):
        SeparatorTrainingConfig(stage="separator", out="a", export="b", phones_weight=1.0)


def test_it_is_small() -> None:
    assert sum(p.numel() for p in PhoneClassifier().parameters()) < 600_000
