"""One small training per codec, on a corpus of synthetic items: it runs, exports, and resumes exactly."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from unison_core.codecs.codec import Codec
from unison_core.corpus.sample import CorpusItem
from unison_core.errors import UnisonError
from unison_core.training import codec_audio
from unison_core.training.codec_audio import AudioTask, AudioVAETrainingConfig, train_audio_vae
from unison_core.training.codec_run import CodecTrainingConfig, Sources, VAETrainingConfig
from unison_core.training.codec_video import VideoVAETrainingConfig, train_video_vae
from unison_core.training.segments import SegmentConfig
from unison_core.training.vocoder_gan import VocoderTrainingConfig, train_vocoder
from unison_core.types import Clip


def items(count: int, *, side: int = 32) -> Iterator[CorpusItem]:
    """Clips of 41 frames with tones and noise."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        time = np.arange(16000) / 16000
        stems = {
            "speech": (0.2 * np.sin(2 * np.pi * rng.uniform(100, 900) * time)).astype(np.float32),
            "sfx": (0.05 * rng.standard_normal(16000)).astype(np.float32),
        }
        frames = rng.integers(0, 256, (41, side, side, 3), dtype=np.uint8)
        clip = Clip(frames=frames, fps=25.0, stems=stems, rate_hz=16000)
        yield CorpusItem(scene=cast(Any, SimpleNamespace()), clip=clip)


def sources() -> Sources:
    return Sources(train=items(4), held_out=items(2))


def settings(folder: Path, **changes: object) -> dict[str, Any]:
    common = {"out": str(folder / "run"), "export": str(folder / "codecs"), "steps": 3, "batch": 2, "warmup": 1,
              "items": 4, "wait_items": 4, "check_items": 2, "log_every": 1, "save_every_s": 0.0}  # fmt: skip
    return {**common, **changes}


SHORT = SegmentConfig(seconds=0.2)


@pytest.fixture(autouse=True)
def few_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec_audio, "STATISTICS_SEGMENTS", 8)


def test_three_trainings_make_a_codec(tmp_path: Path) -> None:
    train_video_vae(VideoVAETrainingConfig(stage="video_vae", window=5, **settings(tmp_path, steps=1)), sources())
    once = settings(tmp_path, resume=False, steps=1)
    train_audio_vae(AudioVAETrainingConfig(stage="audio_vae", segments=SHORT, **once), sources())
    late = settings(tmp_path, resume=False, steps=2)
    folder = train_vocoder(
        VocoderTrainingConfig(stage="vocoder", segments=SHORT, adversarial_from=0.5, vae_from=0.5, **late), sources()
    )
    codec = Codec.from_folder(folder)
    assert codec.decode_audio(codec.encode_audio(torch.randn(1, 4096) * 0.1)).isfinite().all()
    assert float(codec.audio_vae.data_std.min()) > 0
    assert not torch.equal(codec.video_stats.std, torch.ones(16))
    assert not list(folder.glob(".*"))


def broken_off_and_resumed(
    train: Callable[..., Path], task: type, config: CodecTrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The folder of a training that was interrupted at its third step and started again."""
    step = task.step  # type: ignore[attr-defined]

    def interrupted(self: Any, entries: Any, clock: Any) -> Any:
        if clock.step == 2:
            raise KeyboardInterrupt
        return step(self, entries, clock)

    monkeypatch.setattr(task, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(config, sources())
    monkeypatch.setattr(task, "step", step)
    return train(config, sources())


def test_resume_continues_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def config(name: str) -> AudioVAETrainingConfig:
        return AudioVAETrainingConfig(stage="audio_vae", segments=SHORT, **settings(tmp_path / name))

    straight = train_audio_vae(config("straight"), sources())
    resumed = broken_off_and_resumed(train_audio_vae, AudioTask, config("broken"), monkeypatch)
    assert (straight / "audio_vae.safetensors").read_bytes() == (resumed / "audio_vae.safetensors").read_bytes()


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"half")
    config = AudioVAETrainingConfig(stage="audio_vae", segments=SHORT, **settings(tmp_path))
    with pytest.raises(UnisonError, match="cannot resume from"):
        train_audio_vae(config, sources())


def test_window_must_be_4k_plus_1(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="window=16"):
        VideoVAETrainingConfig(stage="video_vae", window=16, **settings(tmp_path))


@pytest.mark.parametrize("stage", ["video_vae", "audio_vae"])
def test_a_decoder_is_trained_alone(tmp_path: Path, stage: str) -> None:
    def once(out: str, **changes: object) -> dict[str, torch.Tensor]:
        common = {**settings(tmp_path / out, steps=1), **changes}
        if stage == "video_vae":
            folder = train_video_vae(VideoVAETrainingConfig(stage=stage, window=5, **common), sources())
        else:
            folder = train_audio_vae(AudioVAETrainingConfig(stage=stage, segments=SHORT, **common), sources())
        return load_file(folder / f"{stage}.safetensors")

    first = once("first")
    second = once("second", init_from=str(tmp_path / "first" / "codecs"), decoder_only=True, lr=1e-2)
    changed = {name.split(".")[0] for name in first if not torch.equal(first[name], second[name])}
    assert changed == ({"decoder", "post_quant_conv"} if stage == "video_vae" else {"decoder"})


@pytest.mark.parametrize("config", [VideoVAETrainingConfig, AudioVAETrainingConfig])
def test_a_decoder_alone_needs_an_encoder(tmp_path: Path, config: type[VAETrainingConfig]) -> None:
    with pytest.raises(ValueError, match="decoder_only needs"):
        config(stage="vae", decoder_only=True, **settings(tmp_path))
