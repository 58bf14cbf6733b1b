"""A separator ready to work: windows of any rate and channel count -> the speech in them."""

from concurrent.futures import Future
from pathlib import Path

import numpy as np
import torch
from bs_roformer.mel_band_roformer import MelBandRoformer
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn.functional import pad

from unison_core.separation.config import SeparatorConfig
from unison_core.separation.lean import LeanSeparator
from unison_core.separation.mel_roformer import compile_parts, load_separator
from unison_core.separation.overlap_add import Grid, separate_stream
from unison_core.separation.precision import HALVES
from unison_core.separation.resampling import resample, restore
from unison_core.types import SFX, SPEECH


class Separator:
    """Computes the speech of windows.

    Attributes:
        config: what the model is.
        device, precision: where and in what it computes; bf16 and float16 leave its ends and all spectra in float32.
            A row that passes float16's range is no number in the end, and is computed again in float32.
        batch: rows (of one or two channels) that are computed together.
    """

    def __init__(
        self,
        config: SeparatorConfig,
        model: MelBandRoformer,
        device: torch.device | str = "cpu",
        precision: torch.dtype = torch.float32,
        *,
        batch: int = 4,
        compiled: bool = False,
    ) -> None:
        if batch < 1:
            raise ValueError(f"batch={batch} must be at least 1")
        self.config, self.device, self.precision, self.batch = config, torch.device(device), precision, batch
        self.model: nn.Module = model.to(self.device).eval()
        self.compiled = compiled
        if compiled:
            compile_parts(model, dynamic=False)
        elif self.device.type == "cpu" and precision == torch.float32:
            self.model = LeanSeparator(model).eval()

    @classmethod
    def from_folder(
        cls, folder: Path, device: torch.device | str = "cpu", precision: torch.dtype = torch.float32, *, batch: int = 4
    ) -> "Separator":
        """Load a folder that `unison train` or the package brought; raises UnisonError where it does not fit."""
        return cls(*load_separator(folder), device, precision, batch=batch)

    @torch.inference_mode()
    def speech(self, windows: np.ndarray) -> np.ndarray:
        """Float32 `(B, channels, n)` of one window's length in seconds, at any rate -> their speech, same shape.

        Channels that are the same, as in many videos, are computed once where the model hears one channel.
        """
        channels = windows.shape[1]
        if self.config.channels == 1 < channels and (windows == windows[:, :1]).all():
            return np.repeat(self.speech(windows[:, :1]), channels, axis=1)
        recording = torch.from_numpy(np.ascontiguousarray(windows)).to(self.device, torch.float32)
        mix = resample(recording, self.config.window)
        speech = torch.cat([self._rows(part) for part in self._to_rows(mix).split(self.batch)])
        speech = self._from_rows(speech, mix)
        made: np.ndarray = restore(speech, mix, recording).cpu().numpy()
        return made

    def separate(self, recording: np.ndarray, rate_hz: int) -> dict[str, np.ndarray]:
        """Float32 stems of a recording `(channels, n)` in memory, at its rate; they add up to it."""
        grid = Grid.at_rate(self.config, rate_hz)
        blocks = list(separate_stream([recording], grid, self._promise))
        mix, speech = (np.concatenate(parts, axis=1) for parts in zip(*blocks, strict=True))
        return {SPEECH: speech, SFX: mix - speech}

    def _promise(self, window: np.ndarray) -> "Future[np.ndarray]":
        result: Future[np.ndarray] = Future()
        result.set_result(self.speech(window[None])[0])
        return result

    def _rows(self, rows: Tensor) -> Tensor:
        """Model rows `(b, model channels, W)`; compiled code meets one batch size only."""
        count = len(rows)
        if self.compiled and count < self.batch:
            rows = pad(rows, (0, 0, 0, 0, 0, self.batch - count))
        half = self.precision in HALVES
        with torch.autocast(self.device.type, self.precision if half else None, enabled=half):
            speech: Tensor = self.model(rows)
        speech = speech.reshape(rows.shape)[:count].float()
        return self._mended(speech, rows) if self.precision == torch.float16 else speech

    def _mended(self, speech: Tensor, rows: Tensor) -> Tensor:
        """`speech` with what float16 did not hold computed in float32, row by row; eager, for it is rare."""
        lost = ~speech.isfinite().flatten(1).all(dim=1)
        for row in lost.nonzero().flatten().tolist():
            with torch.compiler.set_stance("force_eager"):
                speech[row] = self.model(rows[row : row + 1]).reshape(speech[row].shape)
        return speech

    def _to_rows(self, mix: Tensor) -> Tensor:
        """`(B, C, W)` -> rows of the model's channels: one each, or pairs, the last of an odd number doubled."""
        if self.config.channels == 1:
            return rearrange(mix, "b c w -> (b c) 1 w")
        if mix.shape[1] % 2:
            mix = torch.cat((mix, mix[:, -1:]), dim=1)
        return rearrange(mix, "b (c pair) w -> (b c) pair w", pair=2)

    def _from_rows(self, rows: Tensor, mix: Tensor) -> Tensor:
        if self.config.channels == 1:
            return rearrange(rows, "(b c) 1 w -> b c w", b=len(mix))
        speech = rearrange(rows, "(b c) pair w -> b (c pair) w", b=len(mix))
        odd = mix.shape[1] % 2
        if odd:
            doubled = repeat(speech[:, -2:].mean(dim=1), "b w -> b 1 w")
            speech = torch.cat((speech[:, :-2], doubled), dim=1)
        return speech
