"""Wordings say what captions say as people type it, and nothing of what the benchmark's plain captions say."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from unison_core.config import load_preset
from unison_core.corpus import wordings
from unison_core.corpus.captions import base
from unison_core.corpus.sample import P_CLOTHES_OPEN, P_WORDING, stage
from unison_core.corpus.scene import ACTIONS, AMBIENCES
from unison_core.corpus.wordings import wording
from unison_core.evaluation import plain_captions
from unison_core.text.prompt import caption_overflow

VOICES = (None, "slt", "rms", "awb", "kal16")
THINGS = {
    "knock": "knock|rap|taps? the table|tapping the table|bang(s|ing) on the desk",
    "drum": "drum", "clap": "clap|applau", "bell": "bell", "hammer": "hammer", "ball": "ball",
    "keyboard": "keyboard|typ", "glass": "glass", "cymbal": "cymbal", "maraca": "maraca|rattle|rattling",
    "scissors": "scissors", "horn": "horn|honk", "camera": "camera|photo|pictures", "stamp": "stamp", "rain": "rain",
    "waves": "wave|sea|ocean|beach|shore|surf|coast", "wind": "wind|breeze", "engine": "engine|motor",
    "fire": "fire|flame", "birds": "bird",
}  # fmt: skip


def scenes(count):
    """Scenes with every voice."""
    for seed in range(count):
        scene, voice = stage(seed, "train", None), VOICES[seed % len(VOICES)]
        yield replace(scene, voice=voice, look=replace(scene.look, woman=voice == "slt")) if voice else scene


def test_they_name_what_is_there():
    preset, rng = load_preset("nano"), np.random.default_rng(0)
    for scene in scenes(2000):
        text = wording(scene, rng)
        shades = {"purple": "purple|violet"}.get(scene.look.clothes, scene.look.clothes)
        assert re.search(shades, text, re.I), text
        assert re.search("coat|sweater|pullover|jumper|shirt|jacket", text, re.I), text
        assert re.search("glasses|spectacles", text, re.I) or not scene.look.glasses, text
        for name in (scene.action, scene.ambience):
            assert name is None or re.search(THINGS[name], text, re.I), (name, text)
        if scene.voice in ("awb", "kal16"):
            assert re.search("scot|robot|mechanical", text, re.I), text
        assert caption_overflow(text, preset) == 0, text


def test_they_name_no_sound_that_is_not_there():
    rng = np.random.default_rng(1)
    for scene in scenes(1000):
        scene = replace(scene, look=replace(scene.look, glasses=False))
        text = wording(scene, rng)
        absent = [words for name, words in THINGS.items() if name not in (scene.action, scene.ambience)]
        assert not re.search(rf"\b({'|'.join(absent)})", text, re.I), text


def test_they_are_tidy_and_many():
    rng = np.random.default_rng(2)
    texts = [wording(scene, rng) for scene in scenes(1000)]
    for text in texts:
        assert re.fullmatch(r"[A-Za-z][A-Za-z' ,.;:-]+", text), text
        assert not re.search(r"  | [,.;:]|[,.;:]{2}|[,;:]$|\b[Aa] [aeio]|\{", text), text
    assert len(set(texts)) > 990
    assert 0.2 < np.mean([text.endswith(".") for text in texts]) < 0.4
    assert 0.4 < np.mean([text[0].isupper() for text in texts]) < 0.6


def test_a_share_of_training_reads_them_and_what_is_held_out_does_not():
    """Captions begin with a capital and end with a stop; of wordings six in seven lack one of them."""

    def share(split):
        texts = [stage(seed, split, None).caption for seed in range(1500)]
        return np.mean([not (text[0].isupper() and text.endswith(".")) for text in texts])

    assert share("held_out") == 0
    typed = (1 - P_CLOTHES_OPEN) * P_WORDING * (1 - wordings.P_CAPITAL * wordings.P_STOP)
    assert abs(share("train") - typed) < 0.05


def test_the_benchmark_has_words_of_its_own():
    """What `--captions plain` says and captions.txt does not is in no wording."""
    here = Path(wordings.__file__).parent
    captions, typed = ((here / name).read_text() for name in ("captions.txt", "wordings.txt"))
    phrases = [phrase for name in ACTIONS for phrase in plain_captions.ACTIONS[name]]
    phrases += [plain_captions.AMBIENCES[name][0] for name in AMBIENCES]
    own = [phrase for phrase in phrases if not re.search(rf"\b{phrase}\b", captions)]
    assert {"by the sea", "in the rain", "cuts paper with scissors", "stamps a letter"} <= set(own)
    assert not [phrase for phrase in own if re.search(rf"\b{phrase}\b", typed)]


def test_captions_words_are_theirs_too():
    lists = wordings._lists()
    assert all(set(entries) <= set(lists[name]) for name, entries in base().lists.items())
