"""FD: how far the set's sounds are from the references' as a whole, over CLAP embeddings.

    FD = |m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^{1/2})

The value falls with the number of clips: compare sets of one size.
"""

from collections.abc import Sequence

import numpy as np

from unison_core.evaluation.item import REFERENCE, SOUND, Item
from unison_core.evaluation.metrics.clap import SOUND_FEATURE
from unison_core.evaluation.registry import DOWN, Features, Figure, Metric, SetScore

LEAST = 10


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Distance of the Gaussians that fit `(n, D)` and `(m, D)`; the square root's trace is by eigenvalues."""
    difference = a.mean(axis=0) - b.mean(axis=0)
    x, y = (z - z.mean(axis=0) for z in (a, b))
    x, y = x / np.sqrt(len(x) - 1), y / np.sqrt(len(y) - 1)
    root = np.linalg.svd(x @ y.T, compute_uv=False).sum()  # tr (C_1 C_2)^{1/2} of C = x^T x
    return float(difference @ difference + np.square(x).sum() + np.square(y).sum() - 2 * root)


def over_set(items: Sequence[Item], features: Sequence[Features]) -> dict[str, SetScore]:
    """FD of all clips against all references."""
    if len(items) < LEAST:
        return {"fd_clap": SetScore(value=None, count=len(items), reason=f"needs {LEAST} clips with references")}
    own, true = (
        np.stack([f[prefix + SOUND_FEATURE.name]["embedding"] for f in features]).astype(np.float64)
        for prefix in ("", REFERENCE)
    )
    return {"fd_clap": SetScore(value=frechet_distance(own, true), count=len(items))}


METRIC = Metric(
    name="frechet",
    about="Frechet distance of the sounds to the references'",
    source="Heusel et al. 2017, Kilgour et al. 2019; over LAION-CLAP embeddings of length 1; no interval is given",
    set_figures=(Figure(name="fd_clap", about="FD over CLAP embeddings", better=DOWN, digits=3),),
    needs=(SOUND, REFERENCE + SOUND),
    features=(SOUND_FEATURE,),
    reference_features=(SOUND_FEATURE,),
    over_set=over_set,
)
