"""Which phone is spoken when: a small classifier of mel spectra, by which separated speech is judged in training.

    z(y) = log10 (M_b(y) + f_b) - mean_t log10 (M_b(s) + f_b)
    P    = mean_t KL(p(z(s)) || p(z(s')))

s is the true speech, s' the separated one, M_b and f_b as in `read_bands.py`, p the distribution over phones.
Distances of spectra count every band and moment alike; this one counts what makes one phone pass for another, which is
how recognisers err in separated speech: six in seven of their errors are other words, not lost or new ones. The floor
and the mean are the true speech's for both: level and colour of a recording tell nothing of its phones.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unison_core.corpus.mouth import VISEMES
from unison_core.errors import UnisonError
from unison_core.training.read_bands import BANDS, ReadBands, floor_of
from unison_core.weights.tensors import check_keys, read_tensors, write_tensors

PHONES = tuple(sorted(VISEMES))
"""flite's phones; `pau` is silence."""
PAUSE = PHONES.index("pau")
SILENT = 1e-8
"""Mean power under which a row says nothing."""
DIM = 160
DILATIONS = (1, 2, 4, 8, 1)
STEM = "phones"


class PhoneClassifier(nn.Module):
    """Spectra of speech to scores of `PHONES`: residual convolutions over 0.3 s around each frame."""

    def __init__(self, rate_hz: int = 16000) -> None:
        super().__init__()
        self.bands = ReadBands(rate_hz)
        self.enter = nn.Conv1d(BANDS, DIM, 5, padding=2)
        self.blocks = nn.ModuleList(_Block(dilation) for dilation in DILATIONS)
        self.leave = nn.Conv1d(DIM, len(PHONES), 1)

    def forward(self, waves: Tensor, speech: Tensor) -> Tensor:
        """Scores `(B, phones, frames)` of `(B, samples)`, with floor and mean of the true `speech`."""
        heard, true = self.bands(waves), self.bands(speech)
        floor = floor_of(true)
        x = (heard + floor).log10() - (true + floor).log10().mean(dim=2, keepdim=True)
        x = self.enter(x)
        for block in self.blocks:
            x = block(x)
        return self.leave(x)

    def misread(self, made: Tensor, speech: Tensor) -> Tensor:
        """P of each row, `(B,)`, in nats; rows without speech say nothing."""
        with torch.no_grad():
            wanted = self(speech, speech).log_softmax(dim=1)
        read = self(made, speech).log_softmax(dim=1)
        rows = F.kl_div(read, wanted, reduction="none", log_target=True).sum(dim=1).mean(dim=1)
        return torch.where(speech.square().mean(dim=1) > SILENT, rows, 0.0)


class _Block(nn.Module):
    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, DIM)
        self.wide = nn.Conv1d(DIM, DIM, 3, padding=dilation, dilation=dilation)
        self.back = nn.Conv1d(DIM, DIM, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.back(F.gelu(self.wide(self.norm(x))))


def save_phone_classifier(folder: Path, state: dict[str, Tensor]) -> None:
    """Write `phones.safetensors`, float32."""
    write_tensors(folder, state, STEM)


def load_phone_classifier(folder: Path, rate_hz: int) -> PhoneClassifier:
    """Read what `save_phone_classifier` wrote, frozen; raises UnisonError where it is not there or does not fit."""
    if not (folder / f"{STEM}.safetensors").is_file():
        raise UnisonError(f"{folder} holds no {STEM}.safetensors: `unison train examples/configs/nano-phones.yaml` "
                          "makes it")  # fmt: skip
    model = PhoneClassifier(rate_hz)
    tensors = read_tensors(folder, STEM)
    check_keys(model, {key: tuple(value.shape) for key, value in tensors.items()}, folder)
    model.load_state_dict(tensors)
    return model.eval().requires_grad_(False)
