"""What a clip's checks found, and the record of how it was made."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from unison_core.config import to_mapping
from unison_core.diffusion.generate_latents import Sampled
from unison_core.media.mix import Mixed
from unison_core.media.onsets import onsets_s
from unison_core.media.remux import SourcePicture
from unison_core.pipelines.captions import heard
from unison_core.pipelines.checks import check_outputs
from unison_core.pipelines.generation import Generation
from unison_core.pipelines.given_checks import check_given
from unison_core.pipelines.given_media import GivenMedia
from unison_core.pipelines.record import VERSION, content_hashes, versions
from unison_core.pipelines.request import ClipSpec
from unison_core.pipelines.stopwatch import Stopwatch
from unison_core.types import SFX, SPEECH, STREAMS, VIDEO
from unison_core.weights.lora import Adapter
from unison_core.weights.resolve import ModelFolder


def finish(
    spec: ClipSpec,
    media: GivenMedia,
    sampled: Sampled,
    frames: np.ndarray,
    mixed: Mixed,
    *,
    source: ModelFolder,
    adapters: Sequence[Adapter],
    run: Mapping[str, Any],
    load_s: float,
    watch: Stopwatch,
) -> Generation:
    """Measure the clip and write down how it was made.

    Args:
        spec, media: what was asked for, and what was read for it.
        sampled, frames, mixed: latents, pictures `(F, H, W, 3)` and sound.
        source, adapters: the model. run: device, precision and the like. load_s, watch: where the time went.
    """
    fps, rate_hz, given = source.preset.timing.fps, media.rate_hz, spec.given
    with watch.part("check"):
        checks = (*check_outputs(spec, frames, fps, mixed, rate_hz), *check_given(spec, media, frames, mixed),
                  *heard(source, spec))  # fmt: skip
        single = {stream: sampled.latents[stream][0].cpu() for stream in STREAMS}
        hashes = content_hashes(frames, {**mixed.stems, "mix": mixed.mix}, single)
        onsets = onsets_s(mixed.stems[SFX], rate_hz)
    record = {
        "record": VERSION,
        "command": given.command,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "request": to_mapping(spec),
        "inputs": media.inputs,
        "model": {"name": source.name, "revision": source.revision, "preset": source.preset.name,
                  "sha256": source.hashes,
                  **({"loras": [adapter.about() for adapter in adapters]} if adapters else {})},
        "run": dict(run),
        "versions": versions(),
        "timings_s": {"load": round(load_s, 3), **{k: round(v, 3) for k, v in watch.seconds.items()}},
        "output": {"task": given.task.name, "frames": len(frames), "fps": fps, "width": frames.shape[2],
                   "height": frames.shape[1], "samples": len(mixed.mix), "rate_hz": rate_hz,
                   "gain_db": round(mixed.gain_db, 3), "reduction_db": round(mixed.reduction_db, 3),
                   "effect_onsets_s": [round(t, 3) for t in onsets],
                   "evaluations": sampled.evaluations, "evaluations_at_once": sampled.at_once},
        "checks": [check.to_mapping() for check in checks],
        "sha256": hashes,
    }  # fmt: skip
    picture = None
    if given.video is not None:
        picture = SourcePicture(path=given.files[VIDEO], start_s=given.start_s, duration_s=len(frames) / fps)
    return Generation(
        frames=frames, fps=fps, speech=mixed.stems[SPEECH], sfx=mixed.stems[SFX], mix=mixed.mix,
        rate_hz=rate_hz, metadata=record, latents=single, source=picture,
    )  # fmt: skip
