"""How the person and the striking hand move: anticipation, strike, rebound, and the small life in between.

A strike is animated in frames around its contact frame `floor(event_s * fps)`, the frame in which the event falls:

    frame - contact:  ... ease up ...   -2     -1     0      +1    +2
    height:               0.3 -> 1      1.0    0.85   0      0.15  0.27  (x the strike's reach)

so the largest displacement, and everything that reacts to it, appears exactly in the contact frame.
"""

from dataclasses import dataclass

import numpy as np

from unison_core.corpus.mouth import SILENCES, VISEMES
from unison_core.corpus.scene import Scene

REST, FALLING = 0.3, 0.85
"""Height between strikes, and one frame before contact."""
RAISE_S = 0.44
"""Longest anticipation."""
NEVER = 10_000
"""Age before the first strike, in frames."""


@dataclass(frozen=True, kw_only=True)
class Strikes:
    """The acting hand over a clip, all `(F,)`.

    Attributes:
        height: 0 at contact, 1 fully raised.
        age: frames since the latest contact (NEVER before the first).
        strength: of the latest strike (of the coming one before the first), 0.7 to 1.
        count: strikes so far, this frame included.
    """

    height: np.ndarray
    age: np.ndarray
    strength: np.ndarray
    count: np.ndarray

    def jolt(self, frame: int, decay: float = 3.0, period: float = 5.0) -> float:
        """A struck thing's damped swing: 1 at contact, dying out over a few frames."""
        age = int(self.age[frame])
        if age > 8 * decay:
            return 0.0
        return float(self.strength[frame] * np.exp(-age / decay) * np.cos(2 * np.pi * age / period))

    def flash(self, frame: int) -> float:
        """Brightness of the impact accent: whole at contact, gone after four frames."""
        age = int(self.age[frame])
        return float(self.strength[frame]) * (1.0, 0.55, 0.28, 0.1)[age] if age < 4 else 0.0


@dataclass(frozen=True, kw_only=True)
class Idle:
    """The person's own small movements, all `(F,)`, in picture units or degrees at medium framing.

    Attributes:
        sway_x, nod_y, roll: of the head. turn: -1 left to 1 right.
        blink: 0 open to 1 shut. brow: raise. gaze_x, gaze_y: -1 to 1. breath: lift of the shoulders.
        gesture: 0 to 1, how far the free hand is lifted while speaking.
    """

    sway_x: np.ndarray
    nod_y: np.ndarray
    roll: np.ndarray
    turn: np.ndarray
    blink: np.ndarray
    brow: np.ndarray
    gaze_x: np.ndarray
    gaze_y: np.ndarray
    breath: np.ndarray
    gesture: np.ndarray


def stream(scene: Scene, name: str) -> np.random.Generator:
    """Random numbers of one part of the picture, independent of the other parts."""
    return np.random.default_rng([scene.seed % 2**63, *name.encode()])


def contact_frames(scene: Scene) -> list[int]:
    """Frames in which the events fall."""
    return [int(event * scene.fps + 1e-6) for event in scene.events_s]


def strikes(scene: Scene, every: int = 1, first: int = 0) -> Strikes:
    """The strikes of one hand: each `every`-th event from the `first` (two hands take turns with every=2)."""
    frames = np.arange(scene.frames)
    contacts = np.array([c for c in contact_frames(scene) if c < scene.frames], dtype=int)
    strength = stream(scene, "strength").uniform(0.72, 1.0, size=len(contacts) + 1)[: len(contacts)]
    contacts, strength = contacts[first::every], strength[first::every]
    height = np.full(scene.frames, REST)
    age = np.full(scene.frames, NEVER)
    latest = np.full(scene.frames, strength[0] if len(strength) else 1.0)
    count = np.zeros(scene.frames, dtype=int)
    for i, contact in enumerate(contacts):
        previous = contacts[i - 1] if i else contact - NEVER
        _approach(height, int(contact), int(previous), strength[i], scene.fps)
        after = frames >= contact
        age[after] = (frames - contact)[after]
        latest[after] = strength[i]
        count[after] += 1
        _rebound(height, int(contact), strength[i])
    return Strikes(height=height, age=age, strength=latest, count=count)


def _approach(height: np.ndarray, contact: int, previous: int, strength: float, fps: float) -> None:
    """Write the raise before `contact` and the fall one frame before it."""
    gap = contact - previous
    top = strength * min(1.0, 0.25 + gap / (0.6 * fps))
    steps = max(1, min(round(RAISE_S * fps), gap - 4))
    start = REST * strength
    for back in range(1, min(gap - 1, steps + 2) + 1):
        frame = contact - back
        if not 0 <= frame < len(height):
            continue
        if back == 1:
            height[frame] = FALLING * top
        else:
            phase = min(1.0, (steps + 2 - back) / steps)
            height[frame] = start + (top - start) * _ease(phase)


def _rebound(height: np.ndarray, contact: int, strength: float) -> None:
    """Write the contact and the bounce off, back to rest."""
    for ahead, value in enumerate((0.0, 0.5, 0.9, 1.05)):
        if contact + ahead < len(height):
            height[contact + ahead] = value * REST * strength
    if contact + 4 < len(height):
        height[contact + 4 :] = REST * strength


def idle(scene: Scene) -> Idle:
    """The person's idle motion, with nods on stressed vowels and eyes that look at what the hands do."""
    rng = stream(scene, "idle")
    time = (np.arange(scene.frames) + 0.5) / scene.fps
    stress = _stress(scene, time)
    speaking = np.zeros(scene.frames)
    if scene.span_s is not None:
        start, end = scene.span_s
        speaking = _ramp(time, start - 0.2, start + 0.2) * (1 - _ramp(time, end, end + 0.5))
    looking = np.zeros(scene.frames)  # at the prop, around each contact, less so while speaking to us
    for event in scene.events_s:
        looking = np.maximum(
            looking, _ramp(time, event - 0.5, event - 0.25) * (1 - _ramp(time, event + 0.2, event + 0.5))
        )
    looking *= 1 - 0.5 * speaking
    slow = _drift(rng, time, 0.35)
    return Idle(
        sway_x=1.1 * _drift(rng, time, 0.4) + 0.5 * speaking * _drift(rng, time, 0.9),
        nod_y=1.5 * stress + 0.5 * _drift(rng, time, 0.5) + 0.9 * looking,
        roll=1.8 * _drift(rng, time, 0.35) + 1.2 * speaking * _drift(rng, time, 0.7),
        turn=0.8 * slow,
        blink=_blinks(rng, scene),
        brow=0.9 * stress * rng.uniform(0.4, 1.0) + 0.25 * looking,
        gaze_x=np.clip(0.45 * slow + 0.2 * _drift(rng, time, 0.3), -1, 1) * (1 - looking),
        gaze_y=0.95 * looking,
        breath=0.5 * np.sin(2 * np.pi * rng.uniform(0.24, 0.32) * time + rng.uniform(0, 6.28)),
        gesture=speaking * (0.55 + 0.25 * _drift(rng, time, 0.35)) * (rng.random() < 0.75),
    )


def _ease(phase: np.ndarray | float) -> np.ndarray | float:
    """Smoothstep: slow, fast, slow."""
    return phase * phase * (3 - 2 * phase)


def _ramp(time: np.ndarray, start: float, end: float) -> np.ndarray:
    return np.asarray(_ease(np.clip((time - start) / (end - start), 0.0, 1.0)))


def _drift(rng: np.random.Generator, time: np.ndarray, rate_hz: float) -> np.ndarray:
    """Smooth wandering within about [-1, 1]: three incommensurate sines."""
    rates = rate_hz * np.array([0.6, 1.0, 1.7]) * rng.uniform(0.85, 1.15, size=3)
    phases = rng.uniform(0, 2 * np.pi, size=3)
    return (np.array([0.5, 0.35, 0.15]) @ np.sin(2 * np.pi * rates[:, None] * time + phases[:, None])).astype(float)


def _stress(scene: Scene, time: np.ndarray) -> np.ndarray:
    """Bumps on the long, open vowels: about one a foot."""
    vowels = [p for p in scene.phones if p.name not in SILENCES and VISEMES[p.name][0] >= 0.65]
    bumps = np.zeros_like(time)
    previous = -1.0
    for phone in vowels:
        centre = 0.5 * (phone.start_s + phone.end_s)
        if phone.end_s - phone.start_s < 0.085 or centre - previous < 0.35:
            continue
        previous = centre
        bumps = np.maximum(bumps, np.exp(-0.5 * ((time - centre) / 0.11) ** 2))
    return bumps


def _blinks(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """Lids shut for two frames every few seconds."""
    lids = np.zeros(scene.frames)
    frame = int(rng.uniform(0.3, 2.2) * scene.fps)
    while frame < scene.frames:
        for offset, value in enumerate((0.6, 1.0, 0.85, 0.35)):
            if frame + offset < scene.frames:
                lids[frame + offset] = value
        frame += int(rng.uniform(1.6, 3.6) * scene.fps)
    return lids
