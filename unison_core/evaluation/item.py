"""One thing to be judged: the files of a clip, what was asked for, and what it may be compared with.

What is not known is None, which differs from nothing: transcript "" means that nobody should speak.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from unison_core.corpus.scene import Scene

VIDEO, SOUND, SPEECH, SFX, IMAGE, VOICE = "video", "sound", "speech", "sfx", "image", "voice"
FILES = (VIDEO, SOUND, SPEECH, SFX, IMAGE, VOICE)
"""Files of an item: picture, whole sound, the two stems; and of a reference also a still picture and a voice."""
CAPTION, TRANSCRIPT, SCENE = "caption", "transcript", "scene"
REFERENCE = "reference "
"""Prefix of a need: `reference speech` is the reference's speech stem."""

ENGLISH, CHINESE = "en", "zh"
SILENT = "nobody should speak"
"""What an item with an empty transcript lacks, and rightly."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """A clip and what is known of it.

    Attributes:
        id: its name, unique in a set.
        files: paths by kind (`FILES`); `sound` is left out where the video's own sound is meant.
        kind: subset of the benchmark, such as ambient, speech or complex.
        caption: what should be seen and heard. audio_caption, video_caption: of the sound or the picture alone.
        transcript: words that should be spoken; "" if nobody should speak.
        language: of the transcript, `en` or `zh`.
        duration_s: length that was asked for.
        seed: of the generation.
        scene: the corpus' truth behind the prompt, where there is one.
        reference: a real recording of the same content, as an item.
        gates: record of the gates of the model that made the clip.
        settings: how its clip is to be made, as rows of `unison generate --prompts` say it.
    """

    id: str
    files: Mapping[str, Path] = field(default_factory=dict)
    kind: str | None = None
    caption: str | None = None
    audio_caption: str | None = None
    video_caption: str | None = None
    transcript: str | None = None
    language: str = ENGLISH
    duration_s: float | None = None
    seed: int | None = None
    scene: Scene | None = None
    reference: "Item | None" = None
    gates: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def lacks(self, need: str) -> str | None:
        """Why `need` cannot be met; None where it can be."""
        if need.startswith(REFERENCE):
            if self.reference is None:
                return "no reference"
            why = self.reference.lacks(need.removeprefix(REFERENCE))
            return None if why is None else f"no {need}"
        if need == SOUND:
            return None if SOUND in self.files or VIDEO in self.files else "no sound file"
        if need in FILES:
            return None if need in self.files else f"no {need} {'file' if need in (VIDEO, IMAGE) else 'stem'}"
        if need == TRANSCRIPT:
            if not self.transcript:
                return "no transcript" if self.transcript is None else SILENT
            return None
        return f"no {need}" if getattr(self, need) in (None, "") else None

    def path(self, kind: str) -> Path:
        """The file of a kind; the video's own sound where there is no other."""
        return self.files[VIDEO] if kind == SOUND and SOUND not in self.files else self.files[kind]

    def content(self, kind: str) -> str:
        """What a feature that reads `kind` depends on: a file's hash, or the text itself."""
        if kind in FILES:
            path = self.path(kind)
            stat = path.stat()
            return f"{kind}:{_file_hash(path, stat.st_size, stat.st_mtime_ns)}"
        return f"{kind}:{getattr(self, kind)!r}"

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that any score can depend on."""
        digest = hashlib.sha256()
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "files":
                value = [self.content(kind) if self.files[kind].is_file() else "missing" for kind in sorted(self.files)]
            if f.name in ("gates", "settings"):
                continue
            if f.name == "reference":
                value = value and value.fingerprint
            digest.update(f"{f.name}={value!r};".encode())
        return digest.hexdigest()[:24]


def describe(item: Item) -> dict[str, Any]:
    """What a reader of the results wants to know of an item; JSON data."""
    known = {name: getattr(item, name) for name in ("id", "kind", "caption", "transcript", "duration_s", "seed")}
    return {name: value for name, value in known.items() if value is not None}


@cache
def _file_hash(path: Path, size: int, changed_ns: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:24]
