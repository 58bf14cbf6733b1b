"""Scores on disk, a JSON line a clip, so that a benchmark that was stopped continues where it was.

A line counts only while its fingerprint (of the clip, the scene and the version of the measures) still fits; the last
line may be half-written.
"""

import hashlib
import json
from pathlib import Path

from unison_core.corpus.scene import Scene
from unison_core.evaluation.clip_scores import ClipScores
from unison_core.types import Clip

MEASURES = 2
"""To be raised when a measure changes."""


def fingerprint(scene: Scene, clip: Clip) -> str:
    """Hash of all that the scores depend on."""
    digest = hashlib.sha256(f"{MEASURES} {scene!r} {clip.fps} {clip.rate_hz}".encode())
    for array in (clip.frames, *(clip.stems[stream] for stream in sorted(clip.stems))):
        if array is not None:
            digest.update(str(array.shape).encode() + array.tobytes())
    return digest.hexdigest()[:24]


class ScoreCache:
    """Scores by fingerprint, appended to `path` as they come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._scores: dict[str, ClipScores] = {}
        whole = b""
        for line in path.read_bytes().splitlines(keepends=True) if path.is_file() else []:
            try:
                data = json.loads(line)
                self._scores[data["fingerprint"]] = ClipScores.from_mapping(data["scores"])
            except (ValueError, KeyError):
                continue
            whole += line if line.endswith(b"\n") else line + b"\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(whole)

    def get(self, key: str) -> ClipScores | None:
        """The scores under `key`, if they are known."""
        return self._scores.get(key)

    def add(self, key: str, scores: ClipScores) -> None:
        """Remember scores, in memory and on disk."""
        self._scores[key] = scores
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"fingerprint": key, "scores": scores.to_mapping()}) + "\n")
