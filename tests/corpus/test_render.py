"""What the drawn frames promise: determinism, sound and sight at one moment, a mouth that can be measured."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("skia")

from unison_core.corpus.motion import contact_frames, strikes
from unison_core.corpus.mouth import inside_area, mouth_opening
from unison_core.corpus.render import render
from unison_core.corpus.scene import (
    ACTIONS,
    AMBIENCES,
    BACKGROUNDS,
    CLOTHES,
    FRAMINGS,
    GARMENTS,
    HAIR_STYLES,
    Look,
    Phone,
    Scene,
)  # fmt: skip

LOOK = Look(
    woman=True, skin="fair", hair="brown", hair_style="long", garment="coat", clothes="green", background="beige",
    framing="medium", glasses=False, offset_x=0.0,
)  # fmt: skip
EVENTS_S = (0.81, 1.43, 2.30)
SPOKEN = tuple(
    Phone(name=name, start_s=0.2 + 0.16 * i, end_s=0.36 + 0.16 * i)
    for i, name in enumerate(("m", "aa", "b", "iy", "p", "ow", "pau", "pau", "ae", "t", "uw", "v", "ay"))
)
STILL = Scene(
    seed=5, frames=65, fps=25.0, look=LOOK, voice=None, transcript="", phones=(), span_s=None, action=None,
    events_s=(), ambience=None, caption="",
)  # fmt: skip
SPEAKING = replace(STILL, voice="slt", transcript="words", phones=SPOKEN, span_s=(0.2, 2.28))


def acting(action: str, seed: int = 5) -> Scene:
    return replace(SPEAKING, seed=seed, action=action, events_s=EVENTS_S)


def table_motion(frames: np.ndarray) -> np.ndarray:
    """Mean absolute change of the lower 45% of the picture, `(F,)`."""
    lower = frames[:, int(0.55 * frames.shape[1]) :].astype(np.float32)
    return np.concatenate([[0.0], np.abs(np.diff(lower, axis=0)).mean(axis=(1, 2, 3))])


def test_same_scene_gives_same_frames_and_another_seed_another_picture() -> None:
    scene = replace(acting("drum"), ambience="rain", frames=9)
    frames = render(scene)
    assert frames.shape == (9, 128, 128, 3)
    assert frames.dtype == np.uint8
    np.testing.assert_array_equal(frames, render(scene))
    assert np.abs(frames.astype(int) - render(replace(scene, seed=6))).mean() > 1


def test_any_size_shows_the_same_picture() -> None:
    scene = replace(acting("horn"), frames=1)
    large = render(scene, size=256)[0].reshape(128, 2, 128, 2, 3).mean(axis=(1, 3))
    assert np.abs(large - render(scene)[0]).mean() < 6


@pytest.mark.parametrize("action", ACTIONS)
def test_motion_rises_most_in_the_frames_that_hold_the_events(action: str) -> None:
    scene = acting(action)
    onset = np.maximum(np.diff(table_motion(render(scene)), prepend=0.0), 0.0)
    contacts = contact_frames(scene)
    assert contacts == [20, 35, 57]
    strongest = sorted(np.argsort(onset)[-len(contacts) :])
    np.testing.assert_allclose(strongest, contacts, atol=1)
    calm = np.delete(onset, [c + d for c in contacts for d in (-1, 0, 1)])
    assert min(onset[c - 1 : c + 2].max() for c in contacts) > 1.5 * np.percentile(calm, 98)


def test_hands_rise_before_and_rebound_after_contact() -> None:
    strike = strikes(acting("knock"))
    for contact in contact_frames(acting("knock")):
        assert strike.height[contact] == 0
        assert strike.height[contact - 2] > 0.6  # raised
        assert np.all(np.diff(strike.height[contact : contact + 3]) > 0)  # follow-through
        assert strike.age[contact] == 0


def test_strikes_closer_than_a_raise_still_touch_at_every_event() -> None:
    scene = replace(acting("keyboard"), events_s=(0.02, 0.2, 0.38, 0.56, 2.59))
    assert [int(k) for k in np.flatnonzero(strikes(scene).age == 0)] == contact_frames(scene)
    assert render(scene).shape[0] == scene.frames


@pytest.mark.parametrize("ambience", AMBIENCES)
def test_ambience_moves_behind_the_person(ambience: str) -> None:
    frames = render(replace(STILL, ambience=ambience))
    calm = render(STILL)

    def upper(f: np.ndarray) -> float:
        return float(np.abs(np.diff(f[:, :70].astype(np.float32), axis=0)).mean())

    assert upper(frames) > 1.5 * upper(calm)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("skin", ["pale", "dark"])
def test_mouth_area_tells_the_opening(framing: str, skin: str) -> None:
    scene = replace(SPEAKING, ambience="fire", look=replace(LOOK, framing=framing, skin=skin, clothes="red"))
    area, opening = inside_area(render(scene)), mouth_opening(scene)
    assert np.corrcoef(area, opening)[0, 1] > 0.95
    assert area.max() >= {"close": 70, "medium": 50, "wide": 32}[framing]
    assert area[opening == 0].max() < 0.25 * area.max()


@pytest.mark.parametrize("clothes", CLOTHES)
@pytest.mark.parametrize("garment", GARMENTS)
def test_the_clothes_have_their_colour(garment: str, clothes: str) -> None:
    frame = render(replace(STILL, frames=1, look=replace(LOOK, garment=garment, clothes=clothes, background="mint")))[0]
    code = CLOTHES[clothes]
    color = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)])
    assert (np.abs(frame[72:].astype(int) - color).max(axis=-1) < 42).mean() > 0.06


def test_every_look_can_be_drawn() -> None:
    styles = [
        replace(LOOK, hair_style=style, woman=woman, glasses=woman) for style in HAIR_STYLES for woman in (True, False)
    ]
    walls = [replace(LOOK, background=background) for background in BACKGROUNDS]
    pictures = [render(replace(STILL, frames=1, look=look))[0] for look in styles + walls]
    for i, one in enumerate(pictures):
        for other in pictures[i + 1 :]:
            assert np.abs(one.astype(int) - other).mean() > 0.3
