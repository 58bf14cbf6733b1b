"""When the words of a clip are spoken, which the model must be told.

    asked                  --span
    given speech           while it is heard
    a video with a voice   while that voice is heard, whose place the words take
    a video without        while a first pass of few steps speaks, which goes by the lips
    nothing of these       at their natural pace
"""

from unison_core.pipelines.given_media import GivenMedia
from unison_core.pipelines.request import ClipSpec
from unison_core.text.prompt import span_within
from unison_core.types import SPEECH

LISTENING_STEPS = 8
"""Sampling steps of the first pass."""
Span = tuple[float, float]


def told_span(spec: ClipSpec, media: GivenMedia) -> Span | None:
    """(start, end) in seconds as far as the request and what is given tell; None where they do not."""
    if told := spec.span_s or media.spoken_s():
        return told
    replaced = media.replaced_s() if spec.transcript else None
    return span_within(spec.transcript, replaced, spec.duration_s) if replaced else None


def must_listen(spec: ClipSpec, media: GivenMedia, told_s: Span | None) -> bool:
    """Whether a first pass has to find out when a given picture's words are spoken, which nothing has `told_s`."""
    silent = media.frames is not None and SPEECH not in media.stems
    return told_s is None and silent and bool(spec.transcript)
