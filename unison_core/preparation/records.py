"""What has been prepared: a record per part, and from all of them the index and the card of a folder of shards.

records/PART.json   written last: shards of the part with where their clips lie, counts, failures, seconds
index.npz           every clip of every shard: file, place, frames, voice; random access without reading a tar
card.json           what the folder holds and what made it; README.md says the same to people and to the Hub
"""

import importlib.metadata
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from unison_core.errors import UsageError
from unison_core.training.shard_folder import INDEX
from unison_core.training.shard_format import FRAMES, STATIC, VOICE, Entry, Sample, ShardInfo, voice_number

RECORDS, CARD, README = "records", "card.json", "README.md"
NOWHERE = (-1, -1)


@dataclass(frozen=True, kw_only=True)
class ShardRecord:
    """A finished shard: its size in bytes, and per clip its key, frames, voice number, stillness and places."""

    name: str
    size: int
    keys: tuple[str, ...]
    frames: tuple[int, ...]
    voices: tuple[int, ...]
    static: tuple[bool, ...]
    sound: tuple[tuple[int, int], ...]
    video: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, path: Path, samples: Sequence[Sample], entries: Sequence[Entry]) -> "ShardRecord":
        """The record of a shard that was just written."""
        metas = [sample.meta for sample in samples]
        static = tuple(bool(meta.get(STATIC, False)) for meta in metas)
        return cls(
            name=path.name, size=path.stat().st_size, keys=tuple(sample.key for sample in samples),
            frames=tuple(int(meta[FRAMES]) for meta in metas),
            voices=tuple(voice_number(None if s else m.get(VOICE)) for s, m in zip(static, metas, strict=True)),
            static=static, sound=tuple(entry.sound for entry in entries),
            video=tuple(entry.video or NOWHERE for entry in entries),
        )  # fmt: skip


@dataclass(kw_only=True)
class PartRecord:
    """What became of a part.

    Attributes:
        digest: of what the part was made from.
        shards: what was written. rejected: clips and recordings left out, by reason.
        failures: recordings that could not be read: (name, why).
        texts: clips with a caption, with a transcript; voices and lengths of transcripts in tokens, counted.
        seconds: where the time went. wall_s: by the clock.
    """

    digest: str
    shards: list[ShardRecord] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)
    texts: Counter[str] = field(default_factory=Counter)
    seconds: Mapping[str, float] = field(default_factory=dict)
    wall_s: float = 0.0

    def count(self, meta: Mapping[str, Any]) -> None:
        """Count a clip's texts."""
        self.texts["caption"] += bool(meta["caption"])
        self.texts["transcript"] += bool(meta["transcript"])
        self.texts["static"] += bool(meta.get(STATIC))
        if meta["transcript"]:
            self.texts[f"phonemes {len(meta['phoneme_ids']) // 10 * 10}"] += 1
        if meta.get(VOICE):
            self.texts[f"voice {meta[VOICE]}"] += 1


def write_record(out: Path, part: str, record: PartRecord) -> None:
    """Say that a part is finished."""
    told = {**vars(record), "shards": [vars(shard) for shard in record.shards]}
    _write(out / RECORDS / f"{part}.json", json.dumps(told, ensure_ascii=False).encode())


def read_record(out: Path, part: str) -> PartRecord | None:
    """The record of a finished part whose shards are all there; None where it is to be made."""
    try:
        data = json.loads((out / RECORDS / f"{part}.json").read_text(encoding="utf-8"))
        shards = [_shard_record(told) for told in data.pop("shards")]
        record = PartRecord(**{**data, "shards": shards, "rejected": Counter(data["rejected"]),
                               "texts": Counter(data["texts"]),
                               "failures": [tuple(f) for f in data["failures"]]})  # fmt: skip
        whole = all((out / shard.name).stat().st_size == shard.size for shard in shards)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return record if whole else None


def check_settings(out: Path, info: ShardInfo, settings: Mapping[str, Any]) -> None:
    """Write the card's first lines, or compare them with those that are there.

    Raises:
        UsageError: the folder was prepared with other settings.
    """
    card = {**asdict(info), "codecs": list(info.codecs), "settings": dict(settings)}
    try:
        there = json.loads((out / CARD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        (out / RECORDS).mkdir(parents=True, exist_ok=True)
        _write(out / CARD, _json(card))
        return
    except (OSError, ValueError) as error:
        raise UsageError(f"{out / CARD} cannot be read ({error}): remove it") from error
    now = json.loads(_json(card))
    for name in ("format", "codec", "preset"):
        if there.get(name) != now[name]:
            raise UsageError(f"{out} was prepared with {name} {there.get(name)!r}, not {now[name]!r}: another --out")
    old = there.get("settings", {})
    for name in {**old, **now["settings"]}:
        if old.get(name) != now["settings"].get(name):
            was, wanted = old.get(name), now["settings"].get(name)
            raise UsageError(f"{out} was prepared with {name}={was!r}, not {wanted!r}: choose another --out")


def write_index(out: Path) -> dict[str, Any]:
    """Write index and card of all finished parts; returns the card. Any process may do it, the last one is right."""
    while True:
        parts = _parts(out)
        totals = _Totals()
        for part in parts:
            record = read_record(out, part)
            if record is not None:
                totals.add(record)
        card = json.loads((out / CARD).read_text(encoding="utf-8")) | totals.summary() | {"code": code_version()}
        _write(out / INDEX, totals.index())
        _write(out / CARD, _json(card))
        _write(out / README, _readme(card).encode())
        if parts == _parts(out):
            return card


def _parts(out: Path) -> list[str]:
    return sorted(path.stem for path in (out / RECORDS).glob("*.json"))


def code_version() -> str:
    """Version of the package."""
    return importlib.metadata.version("unison-av")


def _shard_record(told: Mapping[str, Any]) -> ShardRecord:
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}
    return ShardRecord(**values)


COLUMNS = {"frames": np.int32, "voices": np.int64, "static": np.bool_, "sound": np.int64, "video": np.int64}
"""What the index holds of every clip, by a shard record's names."""


class _Totals:
    """Sums over parts; of every clip only the columns of the index are kept."""

    def __init__(self) -> None:
        self._columns: dict[str, list[np.ndarray]] = {name: [] for name in COLUMNS}
        self._names, self._sizes, self._counts = list[str](), list[int](), list[int]()
        self._texts, self._rejected, self._seconds = Counter[str](), Counter[str](), Counter[str]()
        self._failures = list[tuple[str, str]]()
        self._parts, self._wall_s = 0, 0.0

    def add(self, record: PartRecord) -> None:
        """Count a finished part."""
        for shard in record.shards:
            self._names.append(shard.name)
            self._sizes.append(shard.size)
            self._counts.append(len(shard.keys))
            for name, dtype in COLUMNS.items():
                self._columns[name].append(np.array(getattr(shard, name), dtype))
        self._texts.update(record.texts)
        self._rejected.update(record.rejected)
        self._seconds.update(record.seconds)
        self._failures += record.failures
        self._parts += 1
        self._wall_s += record.wall_s

    def index(self) -> bytes:
        """The index as a file."""
        buffer = BytesIO()
        np.savez_compressed(
            buffer, names=np.array(self._names, np.str_), sizes=np.array(self._sizes, np.int64),
            shard=np.repeat(np.arange(len(self._names), dtype=np.int32), self._counts),
            frames=self._column("frames"), voice=self._column("voices"), static=self._column("static"),
            sound=self._column("sound").reshape(-1, 2), video=self._column("video").reshape(-1, 2),
        )  # fmt: skip
        return buffer.getvalue()

    def summary(self) -> dict[str, Any]:
        """What the card says."""
        frames, counts = np.unique(self._column("frames"), return_counts=True)
        texts = self._texts
        return {
            "parts": self._parts,
            "shards": len(self._names),
            "bytes": sum(self._sizes),
            "clips": sum(self._counts),
            "frames": {str(f): n for f, n in zip(frames.tolist(), counts.tolist(), strict=True)},
            "with_caption": texts["caption"],
            "with_transcript": texts["transcript"],
            "static": texts["static"],
            "phonemes": _histogram(texts, "phonemes "),
            "voices": {k.removeprefix("voice "): n for k, n in texts.most_common() if k.startswith("voice ")},
            "left_out": dict(self._rejected.most_common()),
            "failures": [{"source": name, "reason": why} for name, why in self._failures],
            "seconds": {k: round(v, 1) for k, v in self._seconds.most_common()},
            "wall_s": round(self._wall_s, 1),
        }

    def _column(self, name: str) -> np.ndarray:
        held = self._columns[name]
        return np.concatenate(held) if held else np.zeros(0, COLUMNS[name])


def _histogram(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    """Counts by lower end of a bin of ten."""
    found = {int(key.removeprefix(prefix)): n for key, n in counts.items() if key.startswith(prefix)}
    return {f"{low}-{low + 9}": n for low, n in sorted(found.items())}


def _readme(card: Mapping[str, Any]) -> str:
    fps = float(card["settings"].get("fps", 25))
    hours = sum(int(f) * n for f, n in card["frames"].items()) / fps / 3600
    lines = [
        "---", "tags: [webdataset, unison-latents]", "---", "", "# Latents for training Unison", "",
        f"{card['clips']} clips, {hours:.2f} hours, {card['bytes'] / 1e9:.2f} GB in {card['shards']} shards. "
        f"Preset `{card['preset']}`, codecs `{card['codec']}` ({', '.join(card['codecs'])}), "
        f"unison {card['code']}.", "",
        f"With a caption: {card['with_caption']}; with a transcript: {card['with_transcript']}; still and silent: "
        f"{card['static']}; voices: {len(card['voices'])}.", "",
    ]  # fmt: skip
    for title, rows in (("Seconds", {f"{int(f) / fps:.2f}": n for f, n in card["frames"].items()}),
                        ("Phonemes", card["phonemes"]), ("Left out, by reason", card["left_out"])):  # fmt: skip
        if rows:
            lines += [f"| {title} | clips |", "|---|---:|", *(f"| {k} | {n} |" for k, n in rows.items()), ""]
    lines += [f"Not readable: {len(card['failures'])} recordings, listed in `card.json`.", ""]
    return "\n".join(lines)


def _json(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
