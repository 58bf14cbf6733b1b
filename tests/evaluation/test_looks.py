"""Colours are named right on corpus pictures, and the naming can fail."""

from dataclasses import replace

import numpy as np
import pytest

from unison_core.corpus.scene import CLOTHES, HAIRS
from unison_core.evaluation.colour import lab, lab_of_hex
from unison_core.evaluation.looks import name_colours


def test_lab_of_white_black_and_red():
    assert lab_of_hex("#ffffff") == pytest.approx([100, 0, 0], abs=0.02)
    assert lab_of_hex("#000000") == pytest.approx([0, 0, 0], abs=1e-6)
    assert lab(np.array([255, 0, 0])) == pytest.approx([53.24, 80.09, 67.20], abs=0.02)  # CIE value of sRGB red


@pytest.fixture(scope="module")
def drawn():
    pytest.importorskip("skia")
    from unison_core.corpus.render import render
    from unison_core.corpus.sample import stage

    scenes = [replace(stage(seed, "held_out", None), frames=9) for seed in range(24)]
    return [(scene.look, render(scene)) for scene in scenes]


def test_colours_of_drawn_people_are_named(drawn):
    wrong = []
    for look, frames in drawn:
        named = name_colours(frames)
        asked = {"clothes": look.clothes, "background": look.background, "hair": look.hair}
        wrong += [
            (part, colour, named[part])
            for part, colour in asked.items()
            if named[part] != colour and (part, look.hair_style) != ("hair", "bald")
        ]
    assert len(wrong) <= 1, wrong


def test_swapped_channels_are_other_colours(drawn):
    named = [
        name_colours(frames[..., ::-1])["clothes"] == look.clothes for look, frames in drawn if look.clothes == "red"
    ]
    assert named
    assert not any(named)


def test_every_answer_is_in_the_tables():
    named = name_colours(np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8))
    assert named["clothes"] in CLOTHES
    assert named["hair"] in HAIRS
