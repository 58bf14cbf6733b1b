"""Ready clips -> samples of shards: codecs in batches of one length, tokens, caption features of frozen encoders."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from unison_core.codecs.codec import Codec
from unison_core.config import Preset
from unison_core.preparation.ready import ReadyClip
from unison_core.preparation.timings import Timings
from unison_core.text.caption_features import CaptionEncoders
from unison_core.text.caption_tokens import CaptionTokenizer
from unison_core.text.phonemes import PhonemeTokenizer
from unison_core.training.shard_format import CAPTION_AUDIO, CAPTION_VIDEO, Sample
from unison_core.types import MIX, VIDEO, CaptionFeatures


class ClipEncoder:
    """Collects clips by length and encodes full batches; `flush` gives all samples in the order they came in.

    What is encoded together depends on the order of clips alone, so a shard that is made again is the same.

    Args:
        codec: encodes on its own device.
        preset: caption length and vocabularies.
        batch: clips of one length encoded together.
        with_mix: also encode the sum of the stems, which the ablation without separate streams trains on.
        captions: encoders of presets whose captions are external; None for bundled ones.
        phonemes: the tokenizer of a model whose tokens are not the package's own; None takes the package's.
        timings: gets the seconds of each step.
    """

    def __init__(
        self, codec: Codec, preset: Preset, *, batch: int, with_mix: bool = False,
        captions: CaptionEncoders | None = None, phonemes: PhonemeTokenizer | None = None,
        timings: Timings | None = None,
    ) -> None:  # fmt: skip
        self._codec, self._batch, self._with_mix, self._encoders = codec, batch, with_mix, captions
        self._phonemes, self._captions = phonemes or PhonemeTokenizer(), CaptionTokenizer()
        self._caption = preset.model.caption
        self._timings = timings or Timings()
        self._waiting: dict[int, list[tuple[int, ReadyClip]]] = defaultdict(list)
        self._done: dict[int, Sample] = {}
        self._added = 0

    def add(self, clip: ReadyClip) -> None:
        """Take in a clip; encodes where that fills a batch."""
        group = self._waiting[clip.count]
        group.append((self._added, clip))
        self._added += 1
        if len(group) == self._batch:
            self._encode(group)
            group.clear()

    def flush(self) -> list[Sample]:
        """Encode what waits and hand out everything since the last flush."""
        for group in self._waiting.values():
            if group:
                self._encode(group)
        self._waiting.clear()
        done = [self._done[number] for number in sorted(self._done)]
        self._done.clear()
        return done

    def _encode(self, group: Sequence[tuple[int, ReadyClip]]) -> None:
        clips = [clip for _, clip in group]
        arrays: dict[str, np.ndarray] = {}
        with self._timings.measure("encode pictures"):
            frames = [clip.frames for clip in clips if clip.frames is not None]
            if frames:
                arrays[VIDEO] = _half(self._codec.encode_video(torch.from_numpy(np.stack(frames))))
        with self._timings.measure("encode sound"):
            waves = {s: torch.from_numpy(np.stack([clip.stems[s] for clip in clips])) for s in clips[0].stems}
            if self._with_mix:
                waves[MIX] = torch.stack(list(waves.values())).sum(0)
            arrays |= {stream: _half(self._codec.encode_audio(wave)) for stream, wave in waves.items()}
        with self._timings.measure("encode text"):
            features = self._features([clip.caption for clip in clips])
            for row, (number, clip) in enumerate(group):
                latents = {stream: array[row] for stream, array in arrays.items()}
                self._done[number] = self._sample(clip, latents, features[row] if features else None)

    def _sample(
        self, clip: ReadyClip, latents: Mapping[str, np.ndarray], features: Mapping[str, np.ndarray] | None
    ) -> Sample:
        tokens = self._phonemes.encode(clip.transcript)
        ids: Sequence[int] = ()
        if self._caption.kind == "bundled":
            ids = [i for i in self._captions.encode(clip.caption, self._caption.length).ids if i]
        meta = {
            "caption": clip.caption,
            "transcript": clip.transcript,
            "span_s": clip.span_s if len(tokens) else None,
            "frames": clip.count,
            "caption_ids": [int(i) for i in ids],
            "phoneme_ids": [int(i) for i in tokens.ids],
            "phoneme_weights": [round(float(d), 4) for d in tokens.durations_s],
            **clip.facts,
        }
        return Sample(key=clip.key, latents=latents, meta=meta, features=features)

    def _features(self, captions: Sequence[str]) -> list[dict[str, np.ndarray]] | None:
        return None if self._encoders is None else split_features(self._encoders.encode(captions))


def split_features(features: CaptionFeatures) -> list[dict[str, np.ndarray]]:
    """Caption features by row, as they are stored: the video branch's without the zeros that pad them."""
    rows = []
    for video, audio in zip(features.video, features.audio, strict=True):
        used = int((video != 0).any(dim=1).nonzero().max()) + 1 if bool((video != 0).any()) else 1
        rows.append({CAPTION_VIDEO: _half(video[:used]), CAPTION_AUDIO: _half(audio)})
    return rows


def _half(x: torch.Tensor) -> np.ndarray:
    return x.to("cpu", torch.float16).numpy()
