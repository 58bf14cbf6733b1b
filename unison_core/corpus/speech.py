"""A sentence spoken by one of flite's voices, with the timing of every phone.

The binary's `-psdur` prints `name:end_s` for each phone, which is the truth that mouths and spans are made from.
"""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from unison_core.corpus.scene import VOICES, Phone
from unison_core.errors import UnisonError, UsageError

RATE_HZ = 16000
LEAD_S, TAIL_S = 0.02, 0.05
"""What is kept around the first and the last phone; the last one rings on a little."""
LEVEL_DB = -23.0
"""RMS over the active parts, in dB of full scale (speech so levelled measures about as many LUFS)."""
PEAK = 0.85
_PHONE = re.compile(r"([a-z]+):([0-9.]+)")


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """One spoken sentence.

    Attributes:
        text: the words.
        voice: one of `VOICES`.
        wave: float32 mono `(samples,)` at 16 kHz, silence trimmed, level fixed.
        phones: phones in seconds from the start of `wave`; pauses inside the sentence are `pau`.
    """

    text: str
    voice: str
    wave: np.ndarray
    phones: tuple[Phone, ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.wave) / RATE_HZ


def speak(text: str, voice: str) -> Utterance:
    """Synthesise `text`; raises UsageError for an unknown voice or text without words, UnisonError without flite."""
    if voice not in VOICES:
        raise UsageError(f"unknown voice {voice!r}; there are: {', '.join(VOICES)}")
    if not re.search(r"[A-Za-z0-9]", text):
        raise UsageError(f"nothing to speak in {text!r}")
    wave, phones = _synthesise(text, voice)
    spoken = [phone for phone in phones if phone.name != "pau"]
    if not spoken:
        raise UsageError(f"flite finds nothing to speak in {text!r}")
    cut, kept = _trim(wave, phones, spoken[0].start_s, spoken[-1].end_s)
    return Utterance(text=text, voice=voice, wave=cut, phones=kept)


def _synthesise(text: str, voice: str) -> tuple[np.ndarray, list[Phone]]:
    binary = shutil.which("flite")
    if binary is None:
        raise UnisonError("the speech synthesiser flite is not installed; on Debian or Ubuntu: apt-get install flite")
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        path = Path(folder) / "speech.wav"
        command = [binary, "-voice", voice, "-t", " ".join(text.split()), "-o", str(path), "-psdur"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode or not path.is_file():
            raise UnisonError(f"flite failed on {text!r}: {done.stderr.strip() or f'exit code {done.returncode}'}")
        wave, rate_hz = soundfile.read(path, dtype="float32")
    if rate_hz != RATE_HZ or wave.ndim != 1:
        raise UnisonError(f"flite's voice {voice!r} gives {rate_hz} Hz, expected {RATE_HZ} Hz mono")
    return wave, _phones(done.stdout)


def _phones(printed: str) -> list[Phone]:
    """Phones of flite's output; times restart at every sentence, so each sentence is shifted by the ones before it."""
    phones: list[Phone] = []
    base_s = start_s = 0.0
    for line in printed.splitlines():
        for name, end in _PHONE.findall(line):
            end_s = base_s + float(end)
            if end_s < start_s:
                base_s = start_s
                end_s = base_s + float(end)
            phones.append(Phone(name=name, start_s=start_s, end_s=end_s))
            start_s = end_s
    return phones


def _trim(wave: np.ndarray, phones: list[Phone], start_s: float, end_s: float) -> tuple[np.ndarray, tuple[Phone, ...]]:
    first = max(round((start_s - LEAD_S) * RATE_HZ), 0)
    last = min(round((end_s + TAIL_S) * RATE_HZ), len(wave))
    cut = level(wave[first:last].copy())
    fade = np.linspace(0.0, 1.0, round(0.005 * RATE_HZ), dtype=np.float32)
    cut[: len(fade)] *= fade
    cut[-len(fade) :] *= fade[::-1]
    shift_s = first / RATE_HZ
    kept = tuple(
        Phone(name=p.name, start_s=round(p.start_s - shift_s, 4), end_s=round(p.end_s - shift_s, 4))
        for p in phones
        if p.start_s >= start_s and p.end_s <= end_s
    )
    return cut, kept


def level(wave: np.ndarray, level_db: float = LEVEL_DB) -> np.ndarray:
    """Scale `(samples,)` to `level_db` RMS over active 20 ms blocks (within 25 dB of the loudest), peaks under 0.85."""
    block = round(0.02 * RATE_HZ)
    power = np.square(wave[: len(wave) // block * block], dtype=np.float64).reshape(-1, block).mean(axis=1)
    active = power[power > power.max(initial=0.0) * 10**-2.5]
    if not active.size:
        return wave
    gain = 10 ** (level_db / 20) / np.sqrt(active.mean())
    return (wave * min(gain, PEAK / np.abs(wave).max())).astype(np.float32)
