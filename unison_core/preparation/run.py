"""One run of `unison prepare`: everything that can be checked first, then codecs and helpers, then part after part."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unison_core.config import Preset, to_mapping
from unison_core.errors import PartialFailure, UnisonError, UsageError
from unison_core.pipelines.generation import check_writable
from unison_core.pipelines.share import Share, join_others, own_device, total
from unison_core.preparation.reasons import FilterConfig

if TYPE_CHECKING:
    import numpy as np
    import torch

    from unison_core.preparation.corpus import CorpusRun
    from unison_core.preparation.encoding import ClipEncoder
    from unison_core.preparation.parts import ShardWriting
    from unison_core.preparation.ready import ReadSettings, Separate
    from unison_core.preparation.timings import Timings

LEAST_FREE = 1_000_000
MOST_CLIPS, MOST_PIXELS = 16, 16 * 101 * 128 * 128
"""What is encoded together unless told otherwise."""
HINTS = {
    "no_stems": "--separator takes stems out of recordings",
    "no_words": "--transcriber finds out what is said, or NAME.transcript.txt beside NAME.mp4 and a manifest tell",
}
"""What helps where every clip was left out for a reason."""


@dataclass(frozen=True, kw_only=True)
class PrepareRun:
    """What becomes shards, and how."""

    codecs: str
    """Model folder, bundled name or Hub id whose codecs encode."""
    out: Path
    inputs: Sequence[Path] = ()
    """Manifests, media files and folders; none with `corpus`."""
    corpus: CorpusRun | None = None
    """Clips of the procedural corpus in place of media."""
    pattern: str | None = None
    size: tuple[int, int] | None = None
    """(width, height) of pictures; None is the preset's."""
    min_s: float | None = None
    max_s: float | None = None
    """Lengths of clips; None is the preset's."""
    step: int = 12
    """Frames between two lengths of clips."""
    filters: FilterConfig = field(default_factory=FilterConfig)
    separator: str | None = None
    """Takes stems out of recordings that come without, as `unison separate --model` does."""
    transcriber: str | None = None
    with_video: bool = True
    with_mix: bool = False
    p_static: float = 0.03
    shard_clips: int = 128
    per_part: int = 64
    """Sources of a part, which is what is made again after an interruption."""
    batch: int | None = None
    """Clips of one length that are encoded together; None: as many as hold the pixels of 16 clips of nano's."""
    workers: int = 2
    """Threads that decode media."""
    device: str = "auto"
    offline: bool = False

    def __post_init__(self) -> None:
        if bool(self.inputs) == (self.corpus is not None):
            raise UsageError("name manifests, media files or folders, or --count clips of the corpus, not both")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a run did: clips and bytes of the whole folder, and the card. `seconds` are this process's own."""

    card: Mapping[str, Any]
    seconds: Mapping[str, float]
    wall_s: float


def prepare(run: PrepareRun, progress: Callable[[int, int], None] = lambda done, total: None) -> Prepared:
    """Prepare what `run` names.

    Raises:
        UsageError, UnisonError: the run cannot begin, or no space is left. PartialFailure: some recordings could not be
            read; everything else is written and the card lists them.
    """
    import time

    from unison_core.preparation.records import check_settings, write_index
    from unison_core.preparation.timings import Timings

    share = Share.of_this_process()
    sources = _sources(run)
    check_writable(run.out, LEAST_FREE)
    folder, preset = find_codecs(run)
    device = own_device(run.device, share)
    state = join_others(share, device)
    began, timings = time.perf_counter(), Timings()
    run.out.mkdir(parents=True, exist_ok=True)
    encoder, writing, unsaid_settings = _encoder(run, folder, preset, device, timings)
    check_settings(run.out, writing.info, {**_settings(run, preset), **unsaid_settings})
    failures = 0
    if run.corpus is not None:
        from unison_core.preparation.corpus import prepare_corpus

        prepare_corpus(run.corpus, encoder, writing, share=share, timings=timings, progress=progress)
    else:
        from unison_core.preparation.media import MediaRun, prepare_media

        media = MediaRun(
            sources=sources, per_part=run.per_part, settings=_reading(run, preset, device), workers=run.workers,
            ahead=run.workers + _batch(run, preset), p_static=run.p_static,
        )  # fmt: skip
        records = prepare_media(media, encoder, writing, share=share, timings=timings, progress=progress)
        failures = sum(len(record.failures) for record in records)
    failures = total(state, failures)
    wall_s = time.perf_counter() - began
    card = write_index(run.out)
    if not card["clips"]:
        why = ", ".join(f"{reason} {n}" for reason, n in card["left_out"].items())
        hints = "".join(f"; {hint}" for reason, hint in HINTS.items() if reason in card["left_out"])
        raise UnisonError(f"{run.out}: no clip was left ({why or 'there was none'}){hints}; card.json says more")
    if failures:
        first = card["failures"][0]
        raise PartialFailure(f"{failures} recordings could not be read, such as {first['source']}: {first['reason']}; "
                             f"the other {card['clips']} clips are in {run.out}")  # fmt: skip
    return Prepared(card=card, seconds=timings.seconds, wall_s=wall_s)


def _sources(run: PrepareRun) -> Any:
    if run.corpus is not None:
        return None
    from unison_core.preparation.sources import list_sources

    return list_sources(run.inputs, run.pattern, run.out)


def find_codecs(run: PrepareRun) -> tuple[Path, Preset]:
    """Folder of the codecs, and their preset; folders that hold codecs alone will do."""
    from unison_core.config import from_mapping, read_yaml
    from unison_core.weights.resolve import PRESET_FILE, resolve

    folder = Path(run.codecs).expanduser()
    if not folder.is_dir():
        found = resolve(run.codecs, offline=run.offline)
        return found.path, found.preset
    if not (folder / PRESET_FILE).is_file():
        raise UsageError(f"{folder} is no model folder: it holds no {PRESET_FILE}")
    return folder, from_mapping(Preset, read_yaml(folder / PRESET_FILE), PRESET_FILE)


def _encoder(
    run: PrepareRun, folder: Path, preset: Preset, device: torch.device, timings: Timings
) -> tuple[ClipEncoder, ShardWriting, dict[str, Any]]:
    import torch

    from unison_core.codecs.codec import AUDIO_VAE, VIDEO_VAE, Codec
    from unison_core.codecs.fingerprint import codec_fingerprint
    from unison_core.pipelines.device import choose_precision
    from unison_core.pipelines.loading import own_phonemes
    from unison_core.preparation.encoding import ClipEncoder, split_features
    from unison_core.preparation.parts import ShardWriting
    from unison_core.preparation.records import code_version
    from unison_core.text.caption_features import CaptionEncoders, check_encoders
    from unison_core.training.shard_format import ShardInfo

    captions, unsaid, told = None, None, {}
    if preset.model.caption.kind == "external":
        check_encoders(folder)
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        captions = CaptionEncoders(folder, preset.model.caption.length, device, dtype)
        captions.hold()
        unsaid: Mapping[str, np.ndarray] = split_features(captions.encode([""]))[0]  # type: ignore[no-redef]
        told = {"captions": "external"}
    covered = (VIDEO_VAE, AUDIO_VAE) if _with_video(run) else (AUDIO_VAE,)
    precision = choose_precision("auto" if device.type == "cuda" else "fp32", device)
    codec = Codec.from_folder(folder, device, precision, parts=covered)
    info = ShardInfo(
        codec=codec_fingerprint(folder, covered), codecs=covered, preset=preset.name, code=code_version()
    )  # fmt: skip
    encoder = ClipEncoder(
        codec, preset, batch=_batch(run, preset), with_mix=run.with_mix, captions=captions,
        phonemes=own_phonemes(folder), timings=timings,
    )  # fmt: skip
    return encoder, ShardWriting(out=run.out, info=info, clips=run.shard_clips, unsaid=unsaid), told


def _with_video(run: PrepareRun) -> bool:
    return run.with_video if run.corpus is None else run.corpus.with_video


def _reading(run: PrepareRun, preset: Preset, device: torch.device) -> ReadSettings:
    from unison_core.preparation.ready import ReadSettings
    from unison_core.preparation.transcriber import load_transcriber

    return ReadSettings(
        timing=preset.timing, lengths=_lengths(run, preset), filters=run.filters, size=_size(run, preset),
        separate=_separator(run.separator, device, offline=run.offline) if run.separator else None,
        transcribe=load_transcriber(run.transcriber, device, offline=run.offline) if run.transcriber else None,
    )  # fmt: skip


def _size(run: PrepareRun, preset: Preset) -> tuple[int, int] | None:
    if not run.with_video:
        return None
    width, height = run.size or (preset.size.width, preset.size.height)
    if width % preset.size.multiple or height % preset.size.multiple:
        raise UsageError(f"size {width}x{height}: both sides must be multiples of {preset.size.multiple}")
    return width, height


def _batch(run: PrepareRun, preset: Preset) -> int:
    size = _size(run, preset) if run.corpus is None else None
    if run.batch is not None or size is None:
        return run.batch or MOST_CLIPS
    return max(1, min(MOST_CLIPS, MOST_PIXELS // (size[0] * size[1] * _lengths(run, preset).longest)))


def _lengths(run: PrepareRun, preset: Preset) -> Any:
    from unison_core.preparation.cutting import Lengths

    timing = preset.timing
    shortest = timing.frames(timing.min_s if run.min_s is None else run.min_s)
    longest = timing.frames(timing.max_s if run.max_s is None else run.max_s)
    try:
        return Lengths(timing=timing, shortest=shortest, longest=longest, step=run.step)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _separator(name: str, device: torch.device, *, offline: bool) -> Separate:
    """The separator, one clip at a time, whichever thread asks."""
    from unison_core.pipelines.separating import StemSeparator
    from unison_core.separation.find import find_separator
    from unison_core.separation.separator import Separator

    files, lock = find_separator(name, offline=offline), threading.Lock()
    model = StemSeparator(
        Separator(files.config, files.load(), device), {"name": files.name, "sha256": files.digest}
    )  # fmt: skip

    def separate(wave: np.ndarray, rate_hz: int) -> Mapping[str, np.ndarray]:
        with lock:
            return model(wave, rate_hz)

    return separate


def _settings(run: PrepareRun, preset: Preset) -> dict[str, Any]:
    """What decides what the shards hold, other than the sources."""
    common = {"fps": preset.timing.fps, "with_mix": run.with_mix, "shard_clips": run.shard_clips}
    if run.corpus is not None:
        corpus = run.corpus
        return common | {"corpus": True, "with_video": corpus.with_video, "p_static": corpus.p_static,
                         "variants": corpus.variants, "sentences": str(corpus.sentences or "")}  # fmt: skip
    lengths = _lengths(run, preset)
    return common | {
        "size": _size(run, preset), "lengths": [lengths.shortest, lengths.longest, lengths.step],
        "filters": to_mapping(run.filters), "separator": run.separator, "transcriber": run.transcriber,
        "p_static": run.p_static, "per_part": run.per_part,
    }  # fmt: skip
