"""The three-phase curriculum of noise levels (Unison sec. 3.3, "Progressive Training Strategy").

Phase I keeps sigma_v = sigma_a, phase II draws independently with a probability that rises from 0 to 1 and within
|sigma_v - sigma_a| <= delta, phase III draws independently without a bound.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Phase:
    """What holds at one moment of training.

    Attributes:
        p_independent: probability that a sample's audio sigma is drawn apart from its video sigma.
        max_gap: bound on |sigma_v - sigma_a| for independent draws.
        reweight: whether the noisier modality's loss is weighted up (from phase II on).
    """

    p_independent: float
    max_gap: float
    reweight: bool


@dataclass(frozen=True, kw_only=True)
class ProgressiveSchedule:
    """Which phase holds at which fraction of training."""

    kind: str = "progressive"
    """`progressive`, or the paper's baselines `sync_only` and `indep_only`."""
    ratios: tuple[float, float, float] = (0.3, 0.4, 0.3)
    """Shares of training that phases I, II and III take."""
    max_gap: float = 0.25
    """Delta_max of phase II."""

    def __post_init__(self) -> None:
        if self.kind not in ("progressive", "sync_only", "indep_only"):
            raise ValueError(f"kind={self.kind!r} is none of progressive, sync_only, indep_only")
        if min(self.ratios) < 0 or abs(sum(self.ratios) - 1) > 1e-6:
            raise ValueError(f"ratios={self.ratios} must be shares that add up to 1")

    def at(self, progress: float) -> Phase:
        """The phase at `progress` in [0, 1]."""
        first, second, _ = self.ratios
        if self.kind == "sync_only" or (self.kind == "progressive" and progress < first):
            return Phase(p_independent=0.0, max_gap=0.0, reweight=False)
        if self.kind == "progressive" and progress < first + second:
            return Phase(p_independent=(progress - first) / second, max_gap=self.max_gap, reweight=True)
        return Phase(p_independent=1.0, max_gap=1.0, reweight=True)
