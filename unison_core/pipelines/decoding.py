"""Latents of a clip -> frames and stems, cut to the asked length; what is given is not decoded."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from unison_core.codecs.codec import Codec
from unison_core.errors import UnisonError
from unison_core.media.limiter import limited
from unison_core.pipelines.given_media import GivenMedia, fitted, resampled
from unison_core.pipelines.request import ClipSpec
from unison_core.pipelines.stopwatch import Stopwatch
from unison_core.timing import Timing
from unison_core.types import AUDIO_STREAMS, VIDEO


def decode_clip(
    codec: Codec, timing: Timing, spec: ClipSpec, media: GivenMedia, latents: Mapping[str, Tensor], watch: Stopwatch
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Frames `(F, H, W, 3)` and stems `(samples,)` at the given media's rate, none that was made over full scale.

    Raises:
        UnisonError: a decoded value is no number.
    """
    shown = timing.shown_frames(spec.duration_s)
    with watch.part("decode video"):
        frames = media.frames
        if frames is None:
            frames = codec.decode_video(latents[VIDEO])[0].cpu().numpy()
    samples = round(shown / timing.fps * media.rate_hz)
    made = [stream for stream in AUDIO_STREAMS if stream not in media.stems]
    stems = dict(media.stems)
    with watch.part("decode audio"):
        waves = codec.decode_audio(torch.cat([latents[s] for s in made])) if made else ()
    for stream, decoded in zip(made, waves, strict=True):
        wave = decoded.float().cpu().numpy()
        if not np.isfinite(wave).all():
            raise UnisonError(f"the decoded {stream} is not all numbers: try --precision fp32 or lower scales")
        wave = fitted(resampled(wave, timing.sample_rate_hz, media.rate_hz), samples)
        stems[stream] = limited(wave, media.rate_hz)
    return np.ascontiguousarray(frames[:shown]), {stream: stems[stream] for stream in AUDIO_STREAMS}
