"""Whether clothes, background and hair have the colours that the caption names, by vote of pixels."""

import numpy as np

from unison_core.evaluation.asked_colours import asked_colours
from unison_core.evaluation.feature import Feature
from unison_core.evaluation.item import SCENE, VIDEO, Item
from unison_core.evaluation.looks import name_colours
from unison_core.evaluation.media import Media
from unison_core.evaluation.registry import UP, Features, Figure, Metric, Score, Unscored


def name(media: Media) -> dict[str, np.ndarray]:
    """Colour of each part."""
    return {part: np.array(colour) for part, colour in name_colours(media.small).items()}


def score(item: Item, features: Features) -> Score:
    """Share of the named parts whose colour is right, weighted by how many there are."""
    assert item.scene is not None
    asked = asked_colours(item.scene)
    if not asked:
        raise Unscored("the caption names no colour", expected=True)
    named = {part: str(colour) for part, colour in features["colours"].items()}
    right = float(np.mean([named[part] == colour for part, colour in asked.items()]))
    return Score(
        values={"colours_right": right}, weights={"colours_right": len(asked)},
        notes={part: named[part] for part in asked},
    )  # fmt: skip


METRIC = Metric(
    name="asked_colours",
    about="colours of clothes, background and hair against the caption's",
    source="evaluation/looks.py",
    figures=(Figure(name="colours_right", about="share of asked-for colours that are there", better=UP, pooled=True),),
    needs=(VIDEO, SCENE),
    features=(Feature(name="colours", reads=(VIDEO,), prepare=name),),
    score=score,
    default=True,
)
