"""What sounds though nobody asked for it: a voice without a transcript, effects without any in the caption."""

from unison_core.evaluation.item import SCENE, SFX, SPEECH, Item
from unison_core.evaluation.metrics.loudness import LEVELS
from unison_core.evaluation.registry import DOWN, Features, Figure, Metric, Score, Unscored
from unison_core.media.loudness import SILENT_LUFS


def score(item: Item, features: Features) -> Score:
    """1 where a stem that should be silent is not, 0 where it is."""
    assert item.scene is not None
    wanted = {SPEECH: bool(item.transcript), SFX: item.scene.action is not None or item.scene.ambience is not None}
    levels = features[LEVELS.name]
    values = {f"unasked_{kind}": float(levels[kind] >= SILENT_LUFS) for kind, asked in wanted.items() if not asked}
    if not values:
        raise Unscored("speech and effects were asked for", expected=True)
    return Score(values=values, missing={f"unasked_{kind}": "it was asked for" for kind in wanted if wanted[kind]})


METRIC = Metric(
    name="unasked",
    about=f"stems that should be silent and are not (over {SILENT_LUFS:g} LUFS)",
    source="benchmarks/quality.py",
    figures=(
        Figure(name="unasked_speech", about="share of clips with a voice though nobody should speak", better=DOWN),
        Figure(name="unasked_sfx", about="share of clips with effects though none were asked for", better=DOWN),
    ),
    needs=(SPEECH, SFX, SCENE),
    features=(LEVELS,),
    score=score,
    default=True,
)
