"""From the scores of many clips to the lines of the quality table: a figure, how many clips it is over, a threshold.

Word errors are judged against the same recogniser's on the synthesiser's own recordings of the same sentences.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unison_core.evaluation.asr import word_errors
from unison_core.evaluation.clip_scores import ClipScores
from unison_core.evaluation.sync import beats_shuffled, sync
from unison_core.media.loudness import SILENT_LUFS
from unison_core.types import SFX, SPEECH

AT_MOST, AT_LEAST, INFORMATIVE = "at most", "at least", ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the table.

    Attributes:
        name: what is measured, with its unit.
        value: the figure; None where no clip could be measured.
        count: clips (or clips' parts) that it is over.
        skipped: clips that it should be over, but that could not be measured.
        sense: `at most` or `at least` the threshold; empty for figures that are only told.
        threshold: what is asked for; None where `sense` is empty.
    """

    name: str
    value: float | None
    count: int
    skipped: int = 0
    sense: str = INFORMATIVE
    threshold: float | None = None

    @property
    def passed(self) -> bool | None:
        """Whether the threshold is kept; None where there is none. What could not be measured has not passed."""
        if self.threshold is None:
            return None
        if self.value is None:
            return False
        return self.value <= self.threshold if self.sense == AT_MOST else self.value >= self.threshold


def quality_lines(clips: Sequence[ClipScores], reference_wer: float | None) -> list[Line]:
    """The table over `clips`; `reference_wer` is the recogniser's on the original recordings, as a share."""
    return [
        *_words(clips, reference_wer),
        *_sounds(clips),
        *_synchrony(clips),
        *_lips(clips),
        *_silence(clips),
        *_looks(clips),
    ]


def corpus_wer(clips: Sequence[ClipScores]) -> float | None:
    """Word error rate over the clips that speak, as a share."""
    spoken = [clip for clip in clips if clip.transcript]
    if not spoken:
        return None
    return word_errors([clip.transcript or "" for clip in spoken], [clip.heard or "" for clip in spoken]).wer


def _words(clips: Sequence[ClipScores], reference_wer: float | None) -> list[Line]:
    count = sum(bool(clip.transcript) for clip in clips)
    wer = corpus_wer(clips)
    over = None if wer is None or reference_wer is None else 100 * (wer - reference_wer)
    return [
        Line(name="word errors, %", value=None if wer is None else 100 * wer, count=count),
        Line(name="word errors over the recordings', points", value=over, count=count, sense=AT_MOST, threshold=15.0),
    ]


def _sounds(clips: Sequence[ClipScores]) -> list[Line]:
    actions = [clip.named_action == clip.action for clip in clips if clip.action]
    ambiences = [clip.named_ambience == clip.ambience for clip in clips if clip.ambience]
    stems = [
        (clip.action is None or clip.named_action == clip.action)
        and (clip.ambience is None or clip.named_ambience == clip.ambience)
        for clip in clips
        if clip.action or clip.ambience
    ]
    return [
        _share("asked-for sound named right, %", [*actions, *ambiences], 85.0),
        _share("- stems in which all asked-for sounds are, %", stems),
        _share("- actions, %", actions),
        _share("- ambiences, %", ambiences),
    ]


def _synchrony(clips: Sequence[ClipScores]) -> list[Line]:
    acting = [clip for clip in clips if clip.action]
    motions, onsets = ([np.array(getattr(clip, name)) for clip in acting] for name in ("motion", "onsets"))
    found = [s for s in (sync(motion, onset) for motion, onset in zip(motions, onsets, strict=True)) if s is not None]
    skipped = len(acting) - len(found)
    wins = beats_shuffled(motions, onsets) if len(acting) > 1 else []
    return [
        _median(
            "distance of sound and action in time, median, ms", [abs(s.lag_ms) for s in found], AT_MOST, 40.0, skipped
        ),
        _median("- lag, signed, median, ms", [s.lag_ms for s in found], skipped=skipped),
        _median("- correlation at the peak, median", [s.r_peak for s in found], skipped=skipped),
        _share("true pairing over shuffled ones, %", wins, 85.0),
    ]


def _lips(clips: Sequence[ClipScores]) -> list[Line]:
    at_once = [clip.lips_r for clip in clips if clip.lips_r is not None]
    best = [clip.lips_r_best for clip in clips if clip.lips_r_best is not None]
    return [
        _median("mouth opening to speech level, r, median", at_once, AT_LEAST, 0.5),
        _median("- best within 80 ms, median", best),
    ]


def _silence(clips: Sequence[ClipScores]) -> list[Line]:
    lines = []
    for stream, what, quiet in (
        (SPEECH, "no transcript: loudest speech stem, LUFS", [clip for clip in clips if clip.transcript is None]),
        (SFX, "no sound: loudest effects stem, LUFS", [c for c in clips if c.action is None and c.ambience is None]),
    ):
        levels = [_level(clip.loudness[stream]) for clip in quiet]
        lines.append(
            Line(name=what, value=max(levels, default=None), count=len(quiet), sense=AT_MOST, threshold=SILENT_LUFS)
        )
        lines.append(_share(f"- of them under {SILENT_LUFS:g} LUFS, %", [level < SILENT_LUFS for level in levels]))
    sounding = [_level(clip.loudness[SFX]) for clip in clips if clip.action or clip.ambience]
    spoken = [clip for clip in clips if clip.transcript]
    survivals = [clip.survival for clip in spoken if clip.survival is not None]
    lines.append(_median("speech stem when spoken, median, LUFS", [_level(clip.loudness[SPEECH]) for clip in spoken]))
    lines.append(_median("effects stem when asked for, median, LUFS", sounding))
    lines.append(_median("effects during speech over effects in pauses, median, LU", survivals))
    return lines


def _looks(clips: Sequence[ClipScores]) -> list[Line]:
    parts = ("clothes", "background", "hair")
    by_part = {
        part: [clip.named_colours[part] == clip.colours[part] for clip in clips if part in clip.colours]
        for part in parts
    }
    voices = [clip.named_voice == clip.voice for clip in clips if clip.voice]
    return [
        _share("asked-for colours are there, %", [right for rights in by_part.values() for right in rights], 90.0),
        *(_share(f"- {part}, %", rights) for part, rights in by_part.items()),
        _share("asked-for voice is there, %", voices, 90.0),
    ]


def _share(name: str, right: Sequence[bool], threshold: float | None = None) -> Line:
    value = 100 * float(np.mean(right)) if right else None
    sense = INFORMATIVE if threshold is None else AT_LEAST
    return Line(name=name, value=value, count=len(right), sense=sense, threshold=threshold)


def _median(
    name: str, values: Sequence[float], sense: str = INFORMATIVE, threshold: float | None = None, skipped: int = 0
) -> Line:
    value = float(np.median(values)) if values else None
    return Line(name=name, value=value, count=len(values), skipped=skipped, sense=sense, threshold=threshold)


def _level(lufs: float | None) -> float:
    return -math.inf if lufs is None else lufs


def markdown(columns: dict[str, list[Line]], judged: str) -> str:
    """A table with a column of figures per source, the threshold, and the verdict on the column `judged`."""
    names = list(columns)
    rows = [["measure", *names, "asked for", judged], ["---", *["---:"] * len(names), "---", "---"]]
    for i, line in enumerate(columns[judged]):
        cells = [f"{_figure(columns[name][i].value)} ({columns[name][i].count})" for name in names]
        asked = "" if line.threshold is None else f"{line.sense} {line.threshold:g}"
        verdict = {None: "", True: "pass", False: "miss"}[line.passed]
        rows.append([line.name + (f" ({line.skipped} not measurable)" if line.skipped else ""), *cells, asked, verdict])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _figure(value: float | None) -> str:
    if value is None:
        return "none"
    return "silence" if value == -math.inf else f"{value:.2f}" if abs(value) < 2 else f"{value:.1f}"
