"""Separators as configuration: a size is a YAML file in `presets/`; `nano` is bundled, `vocals` is the public one's."""

from dataclasses import dataclass
from pathlib import Path

from unison_core.config import from_mapping, read_yaml
from unison_core.errors import UsageError

PRESETS = Path(__file__).parent / "presets"


@dataclass(frozen=True, kw_only=True)
class SeparatorConfig:
    """A Mel-Band RoFormer and the stretch of sound that it sees at once."""

    name: str
    rate_hz: int
    """Sample rate that the model works at."""
    channels: int
    """1: channels are separated one by one; 2: as a stereo pair."""
    n_fft: int
    hop: int
    """Samples between spectra."""
    bands: int
    """Mel bands; each is one token per spectrum."""
    dim: int
    depth: int
    """Pairs of a transformer along time and one along bands."""
    band_taps: int = 0
    """Neighbouring bands that every feed forward mixes (`local_mixing.py`), an odd number; 0 mixes none."""
    time_taps: int = 0
    """Neighbouring spectra that they mix."""
    position_hop: int | None = None
    """Samples from one rotary position to the next along time, `hop` unless given: weights that go on at a shorter hop
    keep what they have learned of distances."""
    time_pools: tuple[int, ...] = ()
    """Of how many spectra the keys and values along time are means, from the first pair on (`attention.py`); 1 for
    those that it leaves out."""
    heads: int
    dim_head: int
    mask_depth: int
    """Hidden layers of a band's mask estimator."""
    mask_expansion: int = 4
    """Width of those hidden layers over `dim`; the papers' is 4."""
    band_split: str
    """`shape`: bands are normalised, as in the paper. `shape_and_level`: each token knows its band's level too."""
    zero_dc: bool = False
    """Whether the model removes what does not oscillate."""
    window: int
    """Samples that the model sees at once."""
    overlap: int
    """Samples that neighbouring windows share."""
    fade: int
    """Samples over which a window's weight rises and falls, at most `overlap`."""

    def __post_init__(self) -> None:
        if self.channels not in (1, 2):
            raise ValueError(f"channels={self.channels} is neither 1 nor 2")
        if self.band_split not in ("shape", "shape_and_level"):
            raise ValueError(f"band_split={self.band_split!r} is neither 'shape' nor 'shape_and_level'")
        if not 0 < self.fade <= self.overlap < self.window:
            raise ValueError(f"fade={self.fade}, overlap={self.overlap}, window={self.window} must ascend from 1")
        for name in ("band_taps", "time_taps"):
            taps = getattr(self, name)
            if taps and (taps < 1 or taps % 2 == 0):
                raise ValueError(f"{name}={taps} must be 0 or odd: as many tokens before as behind")
        if len(self.time_pools) > self.depth or min(self.time_pools, default=1) < 1:
            raise ValueError(f"time_pools={list(self.time_pools)} must be numbers from 1, at most depth={self.depth}")
        if self.position_hop is not None and self.position_hop < 1:
            raise ValueError(f"position_hop={self.position_hop} must be at least 1")
        if self.window % self.hop:
            raise ValueError(f"hop={self.hop} must divide window={self.window}")

    @property
    def step(self) -> int:
        """Samples from one window's start to the next's."""
        return self.window - self.overlap


def load_separator_preset(name: str) -> SeparatorConfig:
    """Read a preset by name; raises UsageError naming those that exist."""
    path = PRESETS / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in PRESETS.glob("*.yaml")))
        raise UsageError(f"unknown separator preset {name!r}; there are: {known}")
    return from_mapping(SeparatorConfig, read_yaml(path), path.name)
