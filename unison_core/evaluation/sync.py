"""Synchrony of visible action and its sound: the lag and the height of their cross-correlation, at 100 Hz.

    r(lag) = corr(action(t), onsets(t + lag)),    |lag| <= 400 ms;    lag > 0: the sound comes late

`onsets` is the log-mel spectral flux of the effects stem; `action` is sudden motion in the lower part of the
picture, where the hands work. A lag of 0 ms and a high r are best. Source: Cutler and Davis, ICPR 2000, for
the idea of correlating motion with sound energy; unlike AV-Align (Yariv et al., 2024) no peaks are picked.

The true pairing is compared with shuffled ones by `r_in_time`, the best r within 40 ms of zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from einops import reduce
from scipy.ndimage import gaussian_filter1d

from unison_core.evaluation.features import log_mel

GRID_HZ = 100
MAX_LAG_S = 0.4
IN_TIME_S = 0.04
HANDS_FROM = 0.55
"""The hands work below this share of the picture's height."""

AROUND_S = 0.12
SMOOTH_S = 0.02


@dataclass(frozen=True, kw_only=True)
class Sync:
    """One pairing of a picture with an effects stem.

    Attributes:
        lag_ms: where the correlation peaks; positive where the sound comes late.
        r_peak: correlation there.
        r_in_time: best correlation within 40 ms of no lag.
    """

    lag_ms: float
    r_peak: float
    r_in_time: float


def onset_strength(wave: np.ndarray, rate_hz: int) -> np.ndarray:
    """Spectral flux `(n,)` at 100 Hz, sample k at (k + 0.5) / 100 s: the mean rise of the log-mel bands around it."""
    mel = log_mel(wave, rate_hz, hop_s=1 / GRID_HZ, window_s=0.012, floor_db=-70.0)  # frames centred at k / 100 s
    return np.maximum(np.diff(mel, axis=0), 0).mean(axis=1)


def action_strength(frames: np.ndarray, fps: float) -> np.ndarray:
    """Visible action `(n,)` at 100 Hz from uint8 RGB `(F, H, W, 3)`, sample k at (k + 0.5) / 100 s.

    Motion energy (mean absolute difference to the frame before) where it rises over its own surroundings of 120 ms:
    a steady motion is no action, a sudden one is. A frame's change stands at the middle of the time it is shown.
    """
    hands = frames[:, round(HANDS_FROM * frames.shape[1]) :].astype(np.float32).mean(axis=-1)
    motion = np.abs(np.diff(hands, axis=0)).mean(axis=(1, 2))  # (F-1,)
    sudden = np.maximum(motion - gaussian_filter1d(motion, AROUND_S * fps), 0)
    grid_s = (np.arange(int(len(frames) / fps * GRID_HZ)) + 0.5) / GRID_HZ
    return np.interp(grid_s, (np.arange(1, len(frames)) + 0.5) / fps, sudden, left=0.0, right=0.0)


def sync(action: np.ndarray, onsets: np.ndarray, max_lag_s: float = MAX_LAG_S) -> Sync | None:
    """Lag and correlations of two 100 Hz curves; None where either is constant (nothing moves, nothing sounds).

    None too where the clip is no longer than the range of lags.
    """
    count = min(len(action), len(onsets))
    a, b = (gaussian_filter1d(x[:count], SMOOTH_S * GRID_HZ) for x in (action, onsets))
    reach = round(max_lag_s * GRID_HZ)
    if min(a.std(), b.std()) < 1e-9 or count <= 2 * reach:
        return None
    a, b = (a - a.mean()) / a.std(), (b - b.mean()) / b.std()
    r = np.correlate(np.pad(b, reach), a, mode="valid") / count  # (2 reach + 1,)
    peak = int(r.argmax())
    near = round(IN_TIME_S * GRID_HZ)
    return Sync(
        lag_ms=1000 / GRID_HZ * (peak - reach + _vertex(r, peak)),
        r_peak=float(r[peak]),
        r_in_time=float(r[reach - near : reach + near + 1].max()),
    )


def moving_parts(frames: np.ndarray, fps: float, parts: int = 8) -> np.ndarray:
    """Visible action `(n,)` at 100 Hz anywhere in the picture, as `action_strength` but part by part.

    The picture is cut into `parts` x `parts`; what moves steadily in a part, such as a background that drifts through
    it, is taken off there before the parts are added, so that it cannot hide what moves suddenly elsewhere.
    """
    grey = frames.astype(np.float32).mean(axis=-1)
    height, width = (size // parts * parts for size in grey.shape[1:])
    change = np.abs(np.diff(grey[:, :height, :width], axis=0))
    motion = reduce(change, "f (i h) (j w) -> f (i j)", "mean", i=parts, j=parts)  # (F-1, parts^2)
    sudden = np.maximum(motion - gaussian_filter1d(motion, AROUND_S * fps, axis=0), 0)
    spread = np.median(np.abs(motion - np.median(motion, axis=0)), axis=0)
    strength = np.maximum(sudden - 2 * spread, 0).mean(axis=1)
    grid_s = (np.arange(int(len(frames) / fps * GRID_HZ)) + 0.5) / GRID_HZ
    return np.interp(grid_s, (np.arange(1, len(frames)) + 0.5) / fps, strength, left=0.0, right=0.0)


def beats_shuffled(actions: Sequence[np.ndarray], onsets: Sequence[np.ndarray], partners: int = 20) -> list[bool]:
    """Whether each clip's true `r_in_time` lies above the median over shuffled partners.

    Clip i's picture meets the sounds of the clips that follow it, cyclically. Pairings that cannot be
    scored count against the clip.
    """
    count = len(actions)
    wins = []
    for i in range(count):
        true = sync(actions[i], onsets[i])
        others = [sync(actions[i], onsets[(i + k) % count]) for k in range(1, min(partners, count - 1) + 1)]
        scores = [other.r_in_time for other in others if other is not None]
        wins.append(true is not None and bool(scores) and true.r_in_time > float(np.median(scores)))
    return wins


def _vertex(r: np.ndarray, peak: int) -> float:
    """Offset in (-0.5, 0.5) of the top of the parabola through the peak and its neighbours."""
    if not 0 < peak < len(r) - 1:
        return 0.0
    left, top, right = r[peak - 1 : peak + 2]
    bend = left - 2 * top + right
    return float(0.5 * (left - right) / bend) if bend < 0 else 0.0
