"""What a shard holds: a WebDataset tar of encoded clips, laid out so that training parses as little as possible.

    __shard__                 JSON: format, codec, preset and code version; WebDataset readers pass over it
    __unsaid__                what frozen caption encoders say of an empty caption, where there are any
    KEY.json                  what the clip was made from, for people and tools; training does not read it
    KEY.safetensors           sound, float16 (N, C) by stream, and text: ids, mean durations, span, voice, features
    KEY.video.safetensors     float16 (C, T, H, W); stage 1 passes over it

Shards are read through fsspec, so a folder may be on disk, S3-style (`s3://...`) or on the Hub (`hf://datasets/...`).
"""

import hashlib
import json
import os
import struct
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import safetensors.numpy

from unison_core.errors import UsageError
from unison_core.training.reference_pairs import NOBODY
from unison_core.types import VIDEO

FORMAT = 2
HEADER, UNSAID = "__shard__", "__unsaid__"
SOUND_SUFFIX, VIDEO_SUFFIX, META_SUFFIX = ".safetensors", ".video.safetensors", ".json"
DTYPES = {name: np.dtype(kind) for name, kind in
          {"F16": "<f2", "F32": "<f4", "I32": "<i4", "I64": "<i8", "BOOL": "?"}.items()}  # fmt: skip
"""What members hold, by safetensors' names."""
FRAMES, STATIC, VOICE, SPAN = "frames", "static", "voice", "span_s"
CAPTION_VIDEO, CAPTION_AUDIO = "caption_video", "caption_audio"
"""Features of frozen caption encoders: the video branch's without the zeros that pad them, the audio branch's."""
CAPTION_IDS, PHONEME_IDS, PHONEME_WEIGHTS = "caption_ids", "phoneme_ids", "phoneme_weights"


Member = tuple[str, tuple[int, int]]
"""A tar's member: its name, and where its data lie (offset, bytes)."""


@dataclass(frozen=True, kw_only=True)
class ShardInfo:
    """What all clips of a shard have in common.

    Attributes:
        format: version of this layout.
        codec: fingerprint of the codecs' weights; empty where unknown.
        codecs: which codecs it covers.
        preset: name of the preset that was encoded for.
        code: version of the package.
    """

    format: int = FORMAT
    codec: str = ""
    codecs: tuple[str, ...] = ()
    preset: str = ""
    code: str = ""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One encoded clip.

    Attributes:
        key: its name, without dots and slashes.
        latents: by stream; stored in float16.
        meta: what it was made from. `frames`, `caption_ids`, `phoneme_ids`, `phoneme_weights`, `span_s`, and where
            there are, `voice` (a name) and `static`, are what training reads.
        features: further float16 arrays by name, such as caption features of frozen encoders.
    """

    key: str
    latents: Mapping[str, np.ndarray]
    meta: Mapping[str, Any]
    features: Mapping[str, np.ndarray] | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Where a clip's members lie in the tar: (offset, bytes), None for what it has not."""

    key: str
    sound: tuple[int, int]
    video: tuple[int, int] | None


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A shard's table of contents; `unsaid` is where the features of an empty caption lie, None if nowhere."""

    info: ShardInfo
    entries: tuple[Entry, ...]
    unsaid: tuple[int, int] | None = None


def write_shard(
    path: Path,
    samples: Iterable[Sample],
    info: ShardInfo | None = None,
    unsaid: Mapping[str, np.ndarray] | None = None,
) -> tuple[Entry, ...]:
    """Write a tar that appears whole or not at all; equal samples make equal bytes. Returns where the clips lie."""
    partial = path.with_name(f".{path.name}.partial")
    entries = []
    try:
        with tarfile.open(partial, "w", format=tarfile.GNU_FORMAT) as tar:
            _add(tar, HEADER, json.dumps(asdict(info or ShardInfo())).encode())
            if unsaid is not None:
                _add(tar, UNSAID, safetensors.numpy.save({name: _half(array) for name, array in unsaid.items()}))
            for sample in samples:
                _add(tar, sample.key + META_SUFFIX, json.dumps(dict(sample.meta), ensure_ascii=False).encode())
                sound, video = _add(tar, sample.key + SOUND_SUFFIX, safetensors.numpy.save(_sound(sample))), None
                if VIDEO in sample.latents:
                    picture = safetensors.numpy.save({VIDEO: _half(sample.latents[VIDEO])})
                    video = _add(tar, sample.key + VIDEO_SUFFIX, picture)
                entries.append(Entry(key=sample.key, sound=sound, video=video))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return tuple(entries)


def read_contents(file: BinaryIO, name: str) -> Contents:
    """The table of contents of an opened shard; raises UsageError where it is damaged or of another format."""

    def members() -> Iterator[Member]:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                yield member.name, (member.offset_data, member.size)

    def read(place: tuple[int, int]) -> bytes:
        file.seek(place[0])
        return file.read(place[1])

    return _contents(members(), read, name)


def contents_of(memory: memoryview, name: str) -> Contents:
    """The same of a shard in memory: no file is touched, so a thread that does this never waits for another one."""

    def members() -> Iterator[Member]:
        position, block = 0, tarfile.BLOCKSIZE
        while True:
            header = bytes(memory[position : position + block])
            if header == bytes(block):
                return
            member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
            end = position + block + member.size
            if end > len(memory):
                raise tarfile.ReadError("unexpected end of data")
            yield member.name, (position + block, member.size)
            position = position + block - -member.size // block * block

    return _contents(members(), lambda place: bytes(memory[place[0] : sum(place)]), name)


def _contents(members: Iterable[Member], read: Callable[[tuple[int, int]], bytes], name: str) -> Contents:
    places: dict[str, tuple[int, int]] = {}
    found: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        for member, place in members:
            if member in (HEADER, UNSAID):
                places[member] = place
                continue
            key, dot, suffix = member.partition(".")
            found.setdefault(key, {})[dot + suffix] = place
        told = json.loads(read(places[HEADER])) if HEADER in places else {}
    except (tarfile.TarError, OSError, json.JSONDecodeError) as error:
        raise UsageError(f"shard {name} is damaged ({error}): remove it and prepare again") from error
    if told.get("format") != FORMAT:
        raise UsageError(f"shard {name} is of another version of unison: remove it and prepare again")
    cut = [key for key, parts in found.items() if SOUND_SUFFIX not in parts]
    if cut:
        raise UsageError(f"shard {name} is damaged (clip {cut[0]} is incomplete): remove it and prepare again")
    info = ShardInfo(**{**told, "codecs": tuple(told.get("codecs", ()))})
    entries = (Entry(key=k, sound=m[SOUND_SUFFIX], video=m.get(VIDEO_SUFFIX)) for k, m in found.items())
    return Contents(info=info, entries=tuple(entries), unsaid=places.get(UNSAID))


def parse(buffer: bytearray | bytes, start: int = 0) -> dict[str, np.ndarray]:
    """Arrays of the safetensors member that begins at `start`, without a copy: they live as long as `buffer` does.

    The safetensors package copies every tensor; the new memory costs more than reading the file does.
    """
    (length,) = struct.unpack_from("<Q", buffer, start)
    base = start + 8 + length
    arrays = {}
    for name, told in json.loads(bytes(memoryview(buffer)[start + 8 : base])).items():
        low, high = told["data_offsets"]
        dtype = DTYPES[told["dtype"]]
        flat = np.frombuffer(buffer, dtype, (high - low) // dtype.itemsize, base + low)
        arrays[name] = flat.reshape(told["shape"])
    return arrays


def read_shard(path: Path) -> Iterator[Sample]:
    """All clips of a shard as they were written, for tools and tests; training reads through `shards`."""
    data = path.read_bytes()
    entries = read_contents(BytesIO(data), str(path)).entries
    with tarfile.open(fileobj=BytesIO(data)) as tar:
        for entry in entries:
            member = tar.extractfile(entry.key + META_SUFFIX)
            assert member is not None
            meta = json.load(member)
            latents: dict[str, np.ndarray] = {}
            features: dict[str, np.ndarray] = {}
            for place in (entry.sound, entry.video):
                arrays = safetensors.numpy.load(data[place[0] : sum(place)]) if place else {}
                for name, array in arrays.items():
                    if array.dtype == np.float16:
                        (features if name.startswith("caption_") else latents)[name] = array
            yield Sample(key=entry.key, latents=latents, meta=meta, features=features or None)


def voice_number(name: str | None) -> int:
    """A number for who speaks, the same in every process: 62 bits of a hash of the name; NOBODY for none."""
    if name is None:
        return NOBODY
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) >> 2


def _sound(sample: Sample) -> dict[str, np.ndarray]:
    meta = sample.meta
    static = bool(meta.get(STATIC, False))
    return {
        **{stream: _half(array) for stream, array in sample.latents.items() if stream != VIDEO},
        **{name: _half(array) for name, array in (sample.features or {}).items()},
        CAPTION_IDS: np.asarray(meta[CAPTION_IDS], np.int32),
        PHONEME_IDS: np.asarray(meta[PHONEME_IDS], np.int32),
        PHONEME_WEIGHTS: np.asarray(meta[PHONEME_WEIGHTS], np.float32),
        SPAN: np.asarray(meta[SPAN] or (0.0, 0.0), np.float32),
        FRAMES: np.asarray(meta[FRAMES], np.int64),
        STATIC: np.asarray(static, np.bool_),
        VOICE: np.asarray(NOBODY if static else voice_number(meta.get(VOICE)), np.int64),
    }


def _half(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float16)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> tuple[int, int]:
    """Append a member; returns where its data lie."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, BytesIO(data))
    return tar.offset - -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE, len(data)
