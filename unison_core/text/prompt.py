"""Prompts to the tensors that the model takes, and how long a transcript takes to say."""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from unison_core.config import Preset
from unison_core.errors import UsageError
from unison_core.text.caption_tokens import CaptionTokenizer
from unison_core.text.phonemes import PhonemeTokenizer, PhonemeTokens
from unison_core.types import Prompt, TextInputs

START_S, END_S = 0.25, 0.35
"""Quiet before and after the speech where only its words are given."""
PACE = (0.95, 1.35)
"""Shortest and longest that words are made for a mouth that moves, over their natural length. Of 69 dubbed words for
which lips left less than 0.9 of it, nano said 25 wrong where 0.75 was allowed, 9 where 0.95 was."""


@cache
def phoneme_tokenizer() -> PhonemeTokenizer:
    """The package's tokenizer, shared."""
    return PhonemeTokenizer()


def encode_prompts(
    prompts: Sequence[Prompt],
    preset: Preset,
    durations_s: Sequence[float] | None = None,
    *,
    dropped: bool = False,
    tokenizer: PhonemeTokenizer | None = None,
) -> TextInputs:
    """Tokenise prompts, one row each.

    Args:
        prompts: a prompt without a span gets the one that its transcript's predicted length gives (`span_for`).
        preset: caption length and vocabularies.
        durations_s: each clip's length, which its span must fit into; None leaves spans unchecked.
        dropped: True withholds the transcripts (guidance), which differs from saying nothing.
        tokenizer: phonemes; None takes the package's vocabulary.

    Raises UsageError for a span outside the clip, and for a transcript that does not fit.
    """
    tokenizer = tokenizer or phoneme_tokenizer()
    spoken = [tokenizer.encode(prompt.transcript) for prompt in prompts]
    limits = durations_s if durations_s is not None else [None] * len(prompts)
    spans = [_span(*row) for row in zip(prompts, spoken, limits, strict=True)]
    ids = _padded([tokens.ids for tokens in spoken], torch.int64)
    return TextInputs(
        caption_ids=_caption_ids(prompts, preset),
        phoneme_ids=ids,
        phoneme_mask=_padded([(1,) * len(tokens) for tokens in spoken], torch.int64) > 0,
        phoneme_weights=_padded([tokens.durations_s for tokens in spoken], torch.float32),
        span_s=torch.tensor(spans, dtype=torch.float32),
        dropped=torch.full((len(prompts),), dropped),
    )


def caption_overflow(caption: str, preset: Preset) -> int:
    """Tokens at the end of `caption` that the bundled encoder does not read; 0 where captions are external."""
    if preset.model.caption.kind != "bundled":
        return 0
    return CaptionTokenizer().encode(caption, preset.model.caption.length).dropped


def span_for(transcript: str, duration_s: float) -> tuple[float, float]:
    """(start, end) in seconds of `transcript` in a clip of `duration_s`, at its natural pace.

    The quiet around it shrinks where the clip is short. Raises UsageError, naming the length that would fit, for a
    transcript that takes longer than the clip. Nothing to say gives (0, 0).
    """
    return _place(phoneme_tokenizer().encode(transcript), duration_s)


def span_within(transcript: str, spoken_s: tuple[float, float], duration_s: float) -> tuple[float, float]:
    """(start, end) in seconds of `transcript` in place of words that somebody says from `spoken_s[0]` to `spoken_s[1]`.

    It is said as fast or as slowly as PACE allows; what does not fit goes on after them, or begins before them where
    the clip ends. Raises UsageError as `span_for` does.
    """
    start_s, end_s = spoken_s
    first_s, last_s = span_for(transcript, duration_s)
    natural_s = last_s - first_s
    length_s = min(max(end_s - start_s, PACE[0] * natural_s), PACE[1] * natural_s, duration_s)
    start_s = min(start_s, duration_s - length_s)
    return (start_s, start_s + length_s)


def fitting_duration_s(transcript: str) -> float:
    """Length in seconds of a clip that holds `transcript` with quiet around it; 0 where nothing is said."""
    tokens = phoneme_tokenizer().encode(transcript)
    return START_S + sum(tokens.durations_s) + END_S if len(tokens) else 0.0


def _span(prompt: Prompt, tokens: PhonemeTokens, duration_s: float | None) -> tuple[float, float]:
    if not len(tokens):
        return (0.0, 0.0)
    if prompt.span_s is None:
        if duration_s is None:
            return (START_S, START_S + sum(tokens.durations_s))
        return _place(tokens, duration_s)
    start_s, end_s = prompt.span_s
    if not 0 <= start_s < end_s or (duration_s is not None and end_s > duration_s + 1e-6):
        limit = "" if duration_s is None else f" within the clip's {duration_s:.2f} s"
        raise UsageError(f"speech span {start_s:.2f} to {end_s:.2f} s does not lie{limit or ' after 0 s, in order'}")
    return (start_s, end_s)


def _place(tokens: PhonemeTokens, duration_s: float) -> tuple[float, float]:
    if not len(tokens):
        return (0.0, 0.0)
    natural_s = sum(tokens.durations_s)
    if natural_s > duration_s + 1e-6:
        raise UsageError(
            f"the transcript takes about {natural_s:.1f} s to say and does not fit into {duration_s:.2f} s; "
            f"a clip of {START_S + natural_s + END_S:.1f} s would hold it, or a shorter transcript"
        )
    start_s = min(START_S, max(duration_s - natural_s, 0.0) * START_S / (START_S + END_S))
    return (start_s, start_s + natural_s)


def _caption_ids(prompts: Sequence[Prompt], preset: Preset) -> Tensor:
    config = preset.model.caption
    if config.kind != "bundled":
        return torch.zeros(len(prompts), config.length, dtype=torch.int64)
    tokenizer = CaptionTokenizer()
    return torch.tensor([tokenizer.encode(prompt.caption, config.length).ids for prompt in prompts])


def _padded(rows: Sequence[Sequence[float]], dtype: torch.dtype) -> Tensor:
    """Rows as one tensor, zero-padded to the longest and to at least one column."""
    width = max([1, *map(len, rows)])
    return torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], dtype=dtype)
