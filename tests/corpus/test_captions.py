"""A caption names what is there, never what is not, in many ways."""

import re
from dataclasses import replace

import numpy as np
import pytest

from unison_core.corpus.captions import base, caption
from unison_core.corpus.sample import P_CLOTHES_OPEN, STYLES, stage
from unison_core.corpus.scene import ACTIONS, AMBIENCES, CLOTHES, GARMENTS, Scene
from unison_core.corpus.speech import RATE_HZ, Utterance

SPEAKING = re.compile(r"\b(talk|speak|say|explain|tell|remark|sentence)", re.I)
SILENT = re.compile(r"\b(silen|says nothing|not speak|not say|quiet|without)", re.I)
THINGS = {
    "knock": "knock|rap", "drum": "drum", "clap": "clap|applau", "bell": "bell", "hammer": "hammer", "ball": "ball",
    "keyboard": "keyboard|typ", "glass": "glass ring|a glass|ringing glass", "cymbal": "cymbal",
    "maraca": "maraca|rattle", "scissors": "scissors", "horn": "horn", "camera": "camera", "stamp": "stamp",
    "rain": "rain", "waves": "wave|sea", "wind": r"wind\b", "engine": "engine|motor", "fire": "fire|flame",
    "birds": "bird",
}  # fmt: skip
CLOTHED = re.compile(r"\b(coat|sweater|pullover|jumper|shirt|jacket|wear(s|ing)|dressed)\b")
VOICES = {"slt": "woman|lady", "rms": r"\bman|gentleman", "awb": "Scottish", "kal16": "robot|mechanical"}


def scene(rng, voice=None, action=None, ambience=None):
    look = stage(int(rng.integers(1000)), "train", None).look
    if voice:
        look = replace(look, woman=voice == "slt")
    return Scene(
        seed=0, frames=65, fps=25.0, look=look, voice=voice, transcript="Xylophone words" if voice else "", phones=(),
        span_s=None, action=action, events_s=(), ambience=ambience, caption="",
    )  # fmt: skip


def cases(rng, count):
    for _ in range(count):
        yield scene(
            rng,
            rng.choice([None, *VOICES]),
            rng.choice([None, *ACTIONS]),
            rng.choice([None, *AMBIENCES]),
        )


def test_what_is_present_is_named():
    rng = np.random.default_rng(0)
    for s in cases(rng, 800):
        text = caption(s, rng)
        assert s.look.garment in text or s.look.garment == "sweater", text
        assert s.look.clothes in text.lower() or {"grey": "gray", "purple": "violet"}[s.look.clothes] in text, text
        assert not s.look.glasses or re.search("glasses|spectacles", text), text
        for name in (s.action, s.ambience):
            assert name is None or re.search(THINGS[name], text, re.I), (name, text)
        assert SPEAKING.search(text) if s.voice else SILENT.search(text) or "Silence" in text, text
        assert not s.voice or re.search(VOICES[s.voice], text), text
        assert "Xylophone" not in text
        assert 6 <= len(text.split()) <= 48, text


def test_what_is_absent_is_not_named():
    rng = np.random.default_rng(1)
    for s in cases(rng, 400):
        s = replace(s, look=replace(s.look, glasses=False))
        text = caption(s, rng)
        absent = [t for name, t in THINGS.items() if name not in (s.action, s.ambience)]
        assert not re.search(rf"\b({'|'.join(absent)})", text, re.I), text
        assert s.voice in ("awb", "kal16") or not re.search("Scottish|robot|mechanical", text), text


@pytest.mark.parametrize("style", sorted(STYLES[True] | STYLES[False]))
@pytest.mark.parametrize("glasses", [True, False])
def test_clothes_may_be_left_open(style, glasses):
    """The same words whatever the person wears, glasses apart."""
    for seed, s in enumerate(cases(np.random.default_rng(4), 100)):
        s = replace(s, look=replace(s.look, hair_style=style, glasses=glasses))
        texts = {
            caption(replace(s, look=replace(s.look, garment=garment, clothes=colour)), np.random.default_rng(seed),
                    clothes=False)
            for garment, colour in zip(GARMENTS, CLOTHES, strict=False)
        }  # fmt: skip
        text = texts.pop()
        assert not texts
        assert not CLOTHED.search(text), text
        assert bool(re.search("glasses|spectacles", text)) == glasses, text


def test_training_leaves_clothes_open_in_a_fifth_of_its_captions():
    wave = np.zeros(RATE_HZ, np.float32)
    said = [None, *(Utterance(text="We start now.", voice=voice, wave=wave, phones=()) for voice in VOICES)]
    train, held_out = (
        [bool(CLOTHED.search(stage(seed, split, said[seed % 5]).caption)) for seed in range(800)]
        for split in ("train", "held_out")
    )
    assert 1 - np.mean(train) == pytest.approx(P_CLOTHES_OPEN, abs=0.04)
    assert all(held_out)


def test_commas_around_what_a_person_looks_like_come_in_pairs():
    """A verb may follow at once."""
    lists = {name: entries for name, entries in base().lists.items() if name.startswith(("look_", "person_"))}
    assert len(lists) == 9
    assert not [entry for entries in lists.values() for entry in entries if entry.count(",") % 2]


@pytest.mark.parametrize("clothes", [True, False])
def test_sentences_are_tidy(clothes):
    rng = np.random.default_rng(2)
    for s in cases(rng, 800):
        text = caption(s, rng, clothes=clothes)
        assert re.fullmatch(r"[A-Z][A-Za-z' ,.;:-]+\.", text), text
        assert not re.search(r"  | [,.;:]|[,.;:]{2}|, [A-Z](?!cott)|\. [a-z]|\b[Aa] [aeio]|\b(\w+) \1\b", text), text


def test_phrasings_are_many():
    rng = np.random.default_rng(3)
    skeletons = sum(
        len(base().lists[k]) for k in base().lists if re.fullmatch("(speech|action|ambience|_)+|nothing", k)
    )
    assert skeletons >= 60
    s = scene(rng, "slt", "drum", "rain")
    texts = {caption(s, rng) for _ in range(200)}
    assert len(texts) > 190
    words = [len(t.split()) for t in texts]
    assert 15 < np.mean(words) < 32
