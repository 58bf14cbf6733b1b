"""Where things stand: the person, the table, the window and the prop, from the look and the seed."""

from dataclasses import dataclass

from unison_core.corpus.motion import stream
from unison_core.corpus.picture.pen import Color, rgb
from unison_core.corpus.scene import BACKGROUNDS, CLOTHES, HAIRS, SKINS, Scene

PERSON_SCALE = {"close": 1.17, "medium": 1.0, "wide": 0.84}
NECK_Y = {"close": 82.0, "medium": 75.5, "wide": 72.0}
PROP_SCALE = {"close": 1.06, "medium": 1.0, "wide": 0.92}
TABLE_Y = 99.0
PROP_Y = 117.0


@dataclass(frozen=True, kw_only=True)
class Palette:
    """The look's colours, each with a slight seeded jitter."""

    skin: Color
    hair: Color
    clothes: Color
    wall: Color
    table: Color


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Places in picture units.

    Attributes:
        scale: size of the person; neck_x, neck_y: base of the neck.
        window_side: -1 when the window is on the left, 1 on the right.
        pane: left, top, right, bottom of the window's glass.
        side: the acting hand's side of the picture, -1 left, 1 right.
        prop_x, prop_y, prop_scale: where the prop stands.
        palette: colours.
    """

    scale: float
    neck_x: float
    neck_y: float
    window_side: int
    pane: tuple[float, float, float, float]
    side: int
    prop_x: float
    prop_y: float
    prop_scale: float
    palette: Palette


def layout(scene: Scene) -> Layout:
    """Arrange the scene."""
    rng = stream(scene, "layout")
    look = scene.look
    window_side = 1 if rng.random() < 0.5 else -1
    side = 1 if rng.random() < 0.6 else -1
    scale = PERSON_SCALE[look.framing]
    neck_x = 64.0 - window_side * (8.0 + 3.0 * scale) + 4.0 * look.offset_x
    width, height = rng.uniform(35, 39), rng.uniform(43, 48)
    edge, top = rng.uniform(5, 7), rng.uniform(8, 11)
    left = edge if window_side < 0 else 128 - edge - width

    def jitter(color: Color, amount: int = 7) -> Color:
        red, green, blue = (min(max(c + int(rng.integers(-amount, amount + 1)), 0), 255) for c in color)
        return red, green, blue

    woods = ((158, 104, 62), (181, 132, 84), (121, 78, 52), (201, 160, 112))
    return Layout(
        scale=scale,
        neck_x=neck_x,
        neck_y=NECK_Y[look.framing],
        window_side=window_side,
        pane=(left, top, left + width, top + height),
        side=side,
        prop_x=neck_x + side * 5.0,
        prop_y=PROP_Y,
        prop_scale=PROP_SCALE[look.framing],
        palette=Palette(
            skin=jitter(rgb(SKINS[look.skin]), 5),
            hair=jitter(rgb(HAIRS[look.hair]), 5),
            clothes=jitter(rgb(CLOTHES[look.clothes])),
            wall=jitter(rgb(BACKGROUNDS[look.background])),
            table=jitter(woods[int(rng.integers(len(woods)))]),
        ),
    )
