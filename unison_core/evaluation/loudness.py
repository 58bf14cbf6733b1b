"""How two stems stand to each other in loudness, and scale-invariant distortion.

    LD = L_speech - L_background,    LDR = L_programme - L_speech    (both in LU)

L is integrated loudness (`media.loudness.lufs`), where silence is -inf. LD (Torcoli et al., JAES 2019: at least 10 LU
over music, 15 over ambience): higher is clearer speech. LDR (EBU R 128 s4): lower is. Background survival near 0 LU
means that effects live on under the speech.
"""

import numpy as np
import pyloudnorm
from scipy.ndimage import maximum_filter1d

from unison_core.media.loudness import lufs

FRAME_S = 0.02
SPEECH_FLOOR_DB = 40.0
HANG_S = 0.1


def loudness_difference(speech: np.ndarray, background: np.ndarray, rate_hz: int) -> float:
    """LD in LU: how far the speech stem lies over the background; nan where both are silent."""
    return lufs(speech, rate_hz) - lufs(background, rate_hz)


def programme_to_speech(speech: np.ndarray, background: np.ndarray, rate_hz: int) -> float:
    """LDR in LU: loudness of the whole programme over that of its speech; small is clear speech."""
    return lufs(speech + background, rate_hz) - lufs(speech, rate_hz)


def background_survival(speech: np.ndarray, background: np.ndarray, rate_hz: int) -> float | None:
    """LU of the background while speech is active minus while it is not; None where either never happens.

    0 is independence; strongly negative is the "speech dominance" that Unison (sec. 1) describes.
    Active means within 40 dB of the loudest 20 ms frame, held for 100 ms to both sides.
    """
    weighted = np.asarray(background, dtype=np.float64)
    for gain_db, quality, centre_hz, kind in ((4.0, 2**-0.5, 1500.0, "high_shelf"), (0.0, 0.5, 38.0, "high_pass")):
        weighted = pyloudnorm.IIRfilter(gain_db, quality, centre_hz, rate_hz, kind).apply_filter(weighted)
    loud, level = _frame_power(speech, rate_hz), _frame_power(weighted, rate_hz)
    if loud.max(initial=0.0) == 0:
        return None
    active = loud > loud.max() * 10 ** (-SPEECH_FLOOR_DB / 10)
    active = maximum_filter1d(active, 2 * round(HANG_S / FRAME_S) + 1)
    if active.all() or level[active].sum() == 0 or level[~active].sum() == 0:
        return None
    return float(10 * np.log10(level[active].mean() / level[~active].mean()))


def si_sdr(estimate: np.ndarray, reference: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB of zero-mean waves, higher is better (Le Roux et al., 2019).

        alpha = <e, r> / <r, r>,    SI-SDR = 10 log10(|alpha r|^2 / |e - alpha r|^2)

    Raises:
        ValueError: for a silent reference, for which no ratio is defined.
    """
    estimate, reference = (np.asarray(x, dtype=np.float64) - np.mean(x) for x in (estimate, reference))
    power = reference @ reference
    if power == 0:
        raise ValueError("SI-SDR of a silent reference is undefined")
    target = (estimate @ reference) / power * reference
    with np.errstate(divide="ignore"):
        return float(10 * (np.log10(target @ target) - np.log10(np.sum((estimate - target) ** 2))))


def sdr(estimate: np.ndarray, reference: np.ndarray) -> float:
    """Signal-to-distortion ratio in dB of zero-mean waves, at the scale they have: 10 log10(|r|^2 / |e - r|^2).

    Raises:
        ValueError: for a silent reference.
    """
    estimate, reference = (np.asarray(x, dtype=np.float64) - np.mean(x) for x in (estimate, reference))
    if not reference.any():
        raise ValueError("SDR of a silent reference is undefined")
    with np.errstate(divide="ignore"):
        return float(10 * (np.log10(reference @ reference) - np.log10(np.sum((estimate - reference) ** 2))))


def _frame_power(wave: np.ndarray, rate_hz: int) -> np.ndarray:
    """Mean power `(frames,)` of frames of 20 ms."""
    size = round(FRAME_S * rate_hz)
    return np.square(wave[: len(wave) // size * size], dtype=np.float64).reshape(-1, size).mean(axis=1)
