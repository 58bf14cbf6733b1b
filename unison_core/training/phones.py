"""Training of the phone classifier (`phone_classifier.py`) on the corpus' clean speech and flite's phone times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from einops import rearrange
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unison_core.corpus.sample import CorpusItem
from unison_core.training.accelerate_setup import make_accelerator, restored_backends
from unison_core.training.checkpoint import Stateful
from unison_core.training.clock import Clock, set_learning_rate
from unison_core.training.codec_run import CodecRun, CodecTrainingConfig, Sources, corpus_sources
from unison_core.training.ema import EMA
from unison_core.training.mixtures import MixtureConfig, Waves, vary_voices
from unison_core.training.phone_classifier import PAUSE, PHONES, PhoneClassifier, save_phone_classifier
from unison_core.training.read_bands import HOP
from unison_core.types import SPEECH


@dataclass(frozen=True, kw_only=True)
class PhoneTrainingConfig(CodecTrainingConfig):
    """Training of the phone classifier; `preset` says nothing."""

    leave_out: tuple[str, ...] = ()
    """Voices of the corpus that are never heard."""
    window: int = 49152
    """Samples of a row."""
    rate_hz: int = 16000
    voices: MixtureConfig = field(default_factory=MixtureConfig)
    """How voices are varied: `speech_speed`, `equaliser_db`, `room` and `band_limited`."""


@dataclass(frozen=True)
class Entry:
    """A clip's speech `(samples,)`, float16, and its phones `(samples / HOP,)`, uint8, on the device."""

    speech: Tensor
    phones: Tensor


class PhoneTask:
    """The classifier's side of `CodecRun`."""

    def __init__(self, config: PhoneTrainingConfig, accelerator: Accelerator) -> None:
        self.config, self.accelerator = config, accelerator
        self.model = PhoneClassifier(config.rate_hz).to(accelerator.device)
        parameters = self.model.parameters()
        optimizer = torch.optim.AdamW(parameters, config.lr, config.betas, weight_decay=config.weight_decay)
        self.net, self.optimizer = accelerator.prepare(self.model, optimizer)
        self.ema = EMA(self.model, config.ema)
        self.noise = torch.Generator(accelerator.device).manual_seed(config.seed * 7919 + accelerator.process_index)
        self.parts: Mapping[str, Stateful] = {"model": self.model, "optimizer": self.optimizer, "ema": self.ema}
        self.generators: Mapping[str, torch.Generator] = {"noise": self.noise}

    def keep(self, item: CorpusItem) -> Entry | None:
        if not item.scene.phones or item.scene.voice in self.config.leave_out:
            return None
        wave = torch.from_numpy(item.clip.stems[SPEECH])
        phones = torch.full((len(wave) // HOP + 1,), PAUSE, dtype=torch.uint8)
        for phone in item.scene.phones:
            start, end = (round(t * self.config.rate_hz / HOP) for t in (phone.start_s, phone.end_s))
            phones[start:end] = PHONES.index(phone.name)
        device = self.accelerator.device
        return Entry(wave.to(device, torch.float16), phones.to(device))

    def begin(self, entries: Sequence[Entry]) -> None:
        """Nothing depends on the data's statistics."""

    def step(self, entries: Sequence[Entry], clock: Clock) -> Mapping[str, Tensor]:
        set_learning_rate(self.optimizer, self.config.lr * clock.cosine(self.config.warmup))
        speech, phones = self._rows(entries)
        scores = self.net(speech, speech)
        loss = F.cross_entropy(scores, phones)
        self.accelerator.backward(loss)
        norm = torch.as_tensor(self.accelerator.clip_grad_norm_(self.net.parameters(), self.config.max_norm))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.ema.update(clock.step)
        spoken = phones != PAUSE
        right = ((scores.argmax(dim=1) == phones) & spoken).sum() / spoken.sum().clamp(min=1)
        return {"loss": loss, "right": right, "grad_norm": norm}

    @torch.no_grad()
    def check(self, entries: Sequence[Entry]) -> Mapping[str, float]:
        """Share of the spoken frames of held-out speech, as it is, whose phone is found."""
        right = spoken = 0
        with self.ema.applied():
            for entry in entries:
                wave = entry.speech.float()[None]
                found = self.model(wave, wave).argmax(dim=1)[0, : len(entry.phones)]
                says = entry.phones[: len(found)] != PAUSE
                right += int(((found == entry.phones[: len(found)]) & says).sum())
                spoken += int(says.sum())
        return {"held_out_right": right / max(spoken, 1)}

    def export(self, folder: Path, entries: Sequence[Entry]) -> None:
        save_phone_classifier(folder, self.ema.state_dict_of(self.model))

    def _rows(self, entries: Sequence[Entry]) -> tuple[Tensor, Tensor]:
        """Varied speech `(B, window)` and the phone at each frame's middle, `(B, frames)`."""
        lengths = torch.tensor([len(entry.speech) for entry in entries], dtype=torch.float32)
        samples = pad_sequence([entry.speech for entry in entries], batch_first=True)
        waves = Waves(samples=samples[None], lengths=rearrange(lengths.to(samples.device), "b -> 1 b 1"))
        speech, where = vary_voices(waves, self.config.window, self.config.rate_hz, self.config.voices, self.noise)
        phones = pad_sequence([entry.phones for entry in entries], batch_first=True, padding_value=PAUSE).long()
        middles = torch.cat([where[:, ::HOP], where[:, -1:]], dim=1)  # a frame's middle lies at its number times HOP
        index = (middles / HOP).round().long()
        inside = (index >= 0) & (index < phones.shape[1])
        return speech, torch.where(inside, phones.gather(1, index.clamp(0, phones.shape[1] - 1)), PAUSE)


def train_phones(config: PhoneTrainingConfig, sources: Sources | None = None) -> Path:
    """Train the classifier; returns its folder. `sources` replaces the procedural corpus."""
    clock = Clock(config.steps, config.minutes)
    with restored_backends():
        accelerator = make_accelerator(config)
        sources = sources or corpus_sources(config, accelerator.process_index, video=False)
        clock.start()
        return CodecRun(config, None, accelerator, PhoneTask(config, accelerator), sources, clock).run()
