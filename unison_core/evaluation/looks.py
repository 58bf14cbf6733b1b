"""Names the colours of clothes, background and hair from pixels, by vote in Lab.

Every pixel of a region (of the clip's median frame) votes for the entry of the corpus' colour tables that is nearest;
entries of the other tables that may show in the region are decoys and win no vote for it. The entry with most votes is
the colour that is there. Accuracy on corpus recordings is over 99%; a share of clips, higher is better.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from unison_core.corpus.scene import BACKGROUNDS, CLOTHES, HAIRS, SKINS
from unison_core.evaluation.colour import lab, rgb_of_hex

SHADOW, LIGHT = (28, 20, 44), (255, 255, 255)
SHADES = ((SHADOW, 0.25), (LIGHT, 0.15))
"""What a voted colour is mixed with, and how much, where light falls on it unevenly."""
CALM_FRAMES = 15
"""Frames that the median is taken over: enough to lose what passes by, few enough to be quick."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """A part of the picture, as shares of its height and width, and the tables that meet there."""

    rows: tuple[float, float]
    columns: tuple[float, float]
    table: Mapping[str, str]
    decoys: tuple[Mapping[str, str], ...]


REGIONS = {
    "clothes": Region(rows=(0.64, 0.75), columns=(0.28, 0.72), table=CLOTHES, decoys=(SKINS, BACKGROUNDS)),
    "background": Region(rows=(0.0, 0.055), columns=(0.0, 1.0), table=BACKGROUNDS, decoys=(HAIRS,)),
    "hair": Region(rows=(0.08, 0.31), columns=(0.31, 0.69), table=HAIRS, decoys=(SKINS, BACKGROUNDS)),
}


def name_colours(frames: np.ndarray) -> dict[str, str]:
    """The colours of `clothes`, `background` and `hair` in uint8 RGB `(F, H, W, 3)`.

    Hair is meaningless where the head is bald.
    """
    picks = np.unique(np.linspace(0, len(frames) - 1, CALM_FRAMES).astype(int))
    calm = lab(np.median(frames[picks], axis=0))
    return {name: _vote(calm, region) for name, region in REGIONS.items()}


def _vote(picture: np.ndarray, region: Region) -> str:
    """The entry of the region's table that most of its pixels `(H, W, 3)` (Lab) are nearest to."""
    rows, columns = (
        slice(round(low * size), round(high * size))
        for (low, high), size in zip((region.rows, region.columns), picture.shape[:2], strict=True)
    )
    names: list[str | None] = []
    colours: list[np.ndarray] = []
    for name, code in region.table.items():
        plain = rgb_of_hex(code)
        shaded = [plain + (np.array(towards) - plain) * amount for towards, amount in SHADES]
        names += [name] * (1 + len(shaded))
        colours += [plain, *shaded]
    for table in region.decoys:
        names += [None] * len(table)
        colours += [rgb_of_hex(code) for code in table.values()]
    distance = np.linalg.norm(picture[rows, columns, None] - lab(np.stack(colours)), axis=-1)  # (h, w, entries)
    nearest = np.bincount(distance.argmin(axis=-1).ravel(), minlength=len(names))
    votes = dict.fromkeys(region.table, 0)
    for entry, count in zip(names, nearest, strict=True):
        if entry is not None:
            votes[entry] += int(count)
    return max(votes, key=votes.__getitem__)
