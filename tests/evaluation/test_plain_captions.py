"""Plain captions say what the scene's own captions say, in other words and without a stop."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from unison_core.config import load_preset
from unison_core.corpus.sample import stage
from unison_core.corpus.scene import ACTIONS, AMBIENCES
from unison_core.evaluation import plain_captions
from unison_core.evaluation.asked_colours import asked_colours
from unison_core.evaluation.held_out import SOUNDLESS, held_out_prompts
from unison_core.evaluation.plain_captions import plain_caption
from unison_core.text.prompt import caption_overflow

SCENES = [stage(seed, "held_out", None) for seed in range(300)]
CAPTIONS = [plain_caption(scene, np.random.default_rng(scene.seed)) for scene in SCENES]


def test_every_sound_has_words():
    assert set(plain_captions.ACTIONS) == set(ACTIONS)
    assert set(plain_captions.AMBIENCES) == set(AMBIENCES)


def test_they_are_not_the_corpus_captions():
    assert not {text.rstrip(".").lower() for text in CAPTIONS} & {s.caption.rstrip(".").lower() for s in SCENES}
    assert not [text for text in CAPTIONS if text[-1] in ".,;: "]


def test_they_say_who_is_seen_and_what_is_heard():
    preset = load_preset("nano")
    for scene, text in zip(SCENES, CAPTIONS, strict=True):
        assert f"{scene.look.clothes} {scene.look.garment}" in text
        assert ("woman" in text) == scene.look.woman
        heard = [*plain_captions.ACTIONS.get(scene.action, ()), *plain_captions.AMBIENCES.get(scene.ambience, ())]
        assert not heard or any(words in text for words in heard)
        assert caption_overflow(text, preset) == 0


def test_colours_that_they_name_are_asked_for():
    asked = [asked_colours(replace(scene, caption=text)) for scene, text in zip(SCENES, CAPTIONS, strict=True)]
    assert all("clothes" in colours for colours in asked)
    for part in ("background", "hair"):
        assert 0.2 < np.mean([part in colours for colours in asked]) < 0.9


VOICES = [("slt", "talk"), ("rms", "in a deep voice"), ("kal16", "in a robotic voice")]


@pytest.mark.parametrize(("voice", "words"), VOICES)
def test_they_name_the_voice(voice, words):
    for seed in range(12):
        spoken = replace(SCENES[seed], voice=voice)
        assert words in plain_caption(spoken, np.random.default_rng(seed))


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_the_benchmarks_scenes_are_the_same_under_other_names():
    corpus, plain = (list(held_out_prompts({SOUNDLESS: 2}, 4.0, plain=plain)) for plain in (False, True))
    assert [replace(p.scene, caption="") for p in plain] == [replace(p.scene, caption="") for p in corpus]
    assert [p.id for p in plain] == [f"{p.id}-plain" for p in corpus]
    assert not {p.scene.caption for p in plain} & {p.scene.caption for p in corpus}
