"""Clips straight from shards, wherever they are: memory does not grow with the data, but for 60 bytes of index a clip.

A batch depends on nothing but the generator that it is drawn with, so there is no position to lose: any process may
read any clip, whatever the number of processes and shards.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from unison_core.errors import UsageError
from unison_core.training.clip_fields import Arrays, FieldSettings, make_batch
from unison_core.training.latent_checks import check_same
from unison_core.training.objective import LatentBatch
from unison_core.training.reference_pairs import ReferencePairs, Speakers, draw_partners, draw_stretch
from unison_core.training.shard_folder import ShardFolder
from unison_core.training.shard_format import SPAN, VOICE, parse, read_contents
from unison_core.types import SPEECH, VIDEO, CaptionFeatures

READERS = 16
"""Clips that are asked for at a time."""


class LatentStream:
    """Draws clips from a folder of shards by range requests.

    Args:
        folder: path or URL; holds `index.npz`, which `unison prepare` writes when it is done.
        device: of the batches.
        settings: what is taken from each clip.
        pairs: reference voices. latent_rate_hz: audio latents per second, which they need.

    Raises:
        UsageError: there is no index, shards are missing or of another size, or the clips do not fit the model.
    """

    def __init__(
        self, folder: str, device: torch.device, settings: FieldSettings, *, pairs: ReferencePairs,
        latent_rate_hz: float,
    ) -> None:  # fmt: skip
        self._folder, self._device, self._settings = ShardFolder(folder), device, settings
        self._pairs, self._latent_rate_hz = pairs, latent_rate_hz
        self._folder.check()
        index = self._folder.index()
        if index is None:
            raise UsageError(f"{folder} has no index: finish unison prepare, or read it whole (data.source=pool)")
        self._names, self._index = index["names"].tolist(), index
        frames = torch.from_numpy(index["frames"])
        self._rows = {int(f): torch.nonzero(frames == f).flatten() for f in frames.unique()}
        if not self._rows:
            raise UsageError(f"{folder} holds no clips")
        self._speakers: dict[int, Speakers] = {}
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="latents")
        self._unsaid: CaptionFeatures | None = None
        self._check()

    def __len__(self) -> int:
        return len(self._index["frames"])

    def sample(self, count: int, generator: torch.Generator) -> LatentBatch:
        """Draw a batch of one clip length, lengths in proportion to their clips; generator on the CPU."""
        lengths = list(self._rows)
        sizes = torch.tensor([len(rows) for rows in self._rows.values()], dtype=torch.float)
        frames = lengths[int(torch.multinomial(sizes, 1, generator=generator))]
        rows = self._rows[frames]
        drawn = torch.randint(len(rows), (count,), generator=generator).tolist()
        chosen = [int(rows[i]) for i in drawn]
        clips = list(self._threads.map(self._clip, chosen))
        reference = self._reference(frames, drawn, generator) if self._pairs.probability else None
        batch = {name: self._stacked(name, clips) for name in clips[0] if name != VOICE}
        return make_batch(
            batch, frames, self._settings.streams, self._device, reference=reference, unsaid=self._unsaid
        )  # fmt: skip

    def _stacked(self, name: str, clips: Sequence[Arrays]) -> Tensor:
        rows = [clip[name] for clip in clips]
        other = next((row.shape for row in rows if row.shape != rows[0].shape), None)
        if other is not None:
            raise UsageError(
                f"clips of one length in {self._folder} have {name} of shapes {rows[0].shape} and {other}: "
                "prepare one --size"
            )
        return torch.from_numpy(np.stack(rows))

    def _reference(self, frames: int, drawn: list[int], generator: torch.Generator) -> Tensor | None:
        """Reference latents `(B, R, C)`, or None for a batch without; other clips' pictures are not read."""
        rows = self._rows[frames]
        voices = torch.from_numpy(self._index["voice"])[rows]
        if frames not in self._speakers:
            self._speakers[frames] = Speakers.of(voices)
        partners = draw_partners(self._pairs, self._speakers[frames], voices[drawn].tolist(), drawn, generator)
        if partners is None:
            return None
        heard = list(self._threads.map(self._sound, [int(rows[i]) for i in partners]))
        speech, spans = (torch.from_numpy(np.stack([clip[name] for clip in heard])) for name in (SPEECH, SPAN))
        stretch = draw_stretch(self._pairs, spans, speech.shape[1], self._latent_rate_hz, generator)
        return speech[torch.arange(len(partners))[:, None], stretch]

    def _clip(self, row: int) -> Arrays:
        """A clip by one request: its members lie next to each other."""
        offset, size = self._index["sound"][row].tolist()
        start, length = self._index["video"][row].tolist()
        with_video = VIDEO in self._settings.streams and start > offset
        data = self._read(row, offset, start + length - offset if with_video else size)
        arrays = parse(data)
        if with_video:
            arrays |= parse(data, start - offset)
        return self._settings.fields(f"{row}", arrays)

    def _sound(self, row: int) -> Arrays:
        return parse(self._read(row, *self._index["sound"][row].tolist()))

    def _read(self, row: int, offset: int, size: int) -> bytearray:
        return self._folder.read(self._names[self._index["shard"][row]], offset, size)

    def _check(self) -> None:
        """A clip of every length must fit the model; the first and the last shard must come from the same codecs."""
        for rows in self._rows.values():
            self._clip(int(rows[0]))
        paths = self._folder.list()
        infos = []
        for path in dict.fromkeys((paths[0], paths[-1])):
            with self._folder.open(path) as file:
                contents = read_contents(file, path)
            infos.append(contents.info)
            if self._settings.external and self._unsaid is None and contents.unsaid:
                data = self._folder.read(path.rsplit("/", 1)[-1], *contents.unsaid)
                self._unsaid = self._settings.unsaid(parse(data), self._device)
        check_same(infos[0], infos[-1], str(self._folder))
