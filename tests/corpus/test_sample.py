"""Scenes follow from their seed, keep time, and hold out what they should."""

import shutil
from itertools import pairwise

import numpy as np
import pytest

from unison_core.corpus.combinations import HELD_OUT_COLOURS, HELD_OUT_SOUNDS, SOUNDS
from unison_core.corpus.events import FIRST_S, LAST_S, MIN_GAP_S, draw_events
from unison_core.corpus.sample import FRAMES, make_item, realise, sample_scenes, stage
from unison_core.corpus.scene import ACTIONS, AMBIENCES, BACKGROUNDS, CLOTHES, HAIRS, Phone
from unison_core.corpus.speech import RATE_HZ, Utterance
from unison_core.errors import UsageError
from unison_core.types import SFX, SPEECH

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")


def utterance(duration_s=1.5, voice="slt"):
    wave = np.full(round(duration_s * RATE_HZ), 0.1, np.float32)
    return Utterance(text="We start now.", voice=voice, wave=wave, phones=(Phone(name="w", start_s=0.1, end_s=0.4),))


def colours(scene):
    return scene.look.clothes, scene.look.background, scene.look.hair


def test_held_out_combinations_stay_held_out():
    train = [stage(seed, "train", utterance()) for seed in range(600)]
    tests = [stage(seed, "held_out", utterance()) for seed in range(300)]
    assert not {colours(s) for s in train} & HELD_OUT_COLOURS
    assert {colours(s) for s in tests} <= HELD_OUT_COLOURS
    both = [s for s in train if s.action and s.ambience]
    assert not {(s.action, s.ambience) for s in both} & HELD_OUT_SOUNDS
    assert {(s.action, s.ambience) for s in tests if s.action and s.ambience} <= HELD_OUT_SOUNDS


def test_a_tenth_is_held_out_and_every_value_is_trained():
    assert 0.08 < len(HELD_OUT_SOUNDS) / len(SOUNDS) < 0.13
    assert len(HELD_OUT_COLOURS) / (len(CLOTHES) * len(BACKGROUNDS) * len(HAIRS)) == pytest.approx(0.1)
    trained = set(SOUNDS) - HELD_OUT_SOUNDS
    assert {a for a, _ in trained} == set(ACTIONS)
    assert {b for _, b in HELD_OUT_SOUNDS} == set(AMBIENCES)


def test_shares_of_what_is_present():
    scenes = [stage(seed, "train", None) for seed in range(1500)]
    assert np.mean([s.action is not None for s in scenes]) == pytest.approx(0.75, abs=0.04)
    assert np.mean([s.ambience is not None for s in scenes]) == pytest.approx(0.45, abs=0.04)
    assert {s.action for s in scenes} == {None, *ACTIONS}
    assert {s.frames for s in scenes} == set(FRAMES)


@pytest.mark.parametrize("action", ACTIONS)
def test_events_keep_their_distance(action):
    rng = np.random.default_rng(0)
    for _ in range(200):
        duration_s = rng.choice(FRAMES) / 25
        events = draw_events(rng, action, duration_s)
        assert 1 <= len(events) <= 8
        assert events[0] >= FIRST_S - 1e-4
        assert events[-1] <= duration_s - LAST_S + 1e-4
        assert all(b - a >= MIN_GAP_S.get(action, 0.6) - 2e-4 for a, b in pairwise(events))


def test_the_clip_covers_the_speech():
    for seed in range(200):
        said = utterance(0.5 + 0.01625 * seed)
        scene = stage(seed, "train", said)
        start_s, end_s = scene.span_s
        assert scene.frames in FRAMES
        assert start_s >= 0.1 - 1e-4
        assert scene.duration_s - end_s >= 0.2 - 1e-3
        assert scene.phones[0].start_s == pytest.approx(start_s + 0.1, abs=2e-4)
        assert end_s - start_s == pytest.approx(said.duration_s, abs=2e-4)


@pytest.mark.parametrize(("voice", "woman"), [("slt", True), ("rms", False), ("awb", False), ("kal16", False)])
def test_the_voice_belongs_to_the_person(voice, woman):
    assert {stage(seed, "train", utterance(voice=voice)).look.woman for seed in range(20)} == {woman}


def test_stems_are_as_long_as_the_frames_and_hold_what_the_scene_says():
    for seed in range(30):
        said = utterance() if seed % 3 else None
        scene = stage(seed, "train", said)
        stems = realise(scene, said, video=False).clip.stems
        assert {len(w) for w in stems.values()} == {round(scene.frames / 25 * RATE_HZ)}
        assert {w.dtype for w in stems.values()} == {np.dtype(np.float32)}
        assert stems[SPEECH].any() == (said is not None)
        assert stems[SFX].any() == (scene.action is not None or scene.ambience is not None)
        if said:
            first = np.flatnonzero(stems[SPEECH])[0]
            assert first == round(scene.span_s[0] * RATE_HZ)


def test_seeds_and_splits_differ_and_repeat():
    assert stage(4, "train", None) == stage(4, "train", None)
    assert stage(4, "train", None) != stage(5, "train", None)
    assert stage(4, "train", None).seed != stage(4, "held_out", None).seed
    with pytest.raises(UsageError, match="trian"):
        stage(4, "trian", None)


@needs_flite
def test_variants_share_words_but_not_looks():
    (a, said), (b, again) = sample_scenes([6, 7], "held_out", variants=2)
    assert said is again
    assert a.look != b.look
    assert next(iter(sample_scenes([7], "held_out", variants=2)))[0] == b


@needs_flite
def test_an_item_repeats_to_the_sample():
    one, two = (make_item(3, "held_out", video=False) for _ in range(2))
    assert one.scene == two.scene
    assert all(np.array_equal(one.clip.stems[s], two.clip.stems[s]) for s in one.clip.stems)
    assert one.clip.frames is None
