"""No sentence is both trained and tested on, and every one fits a clip."""

import numpy as np
import pytest

from unison_core.corpus.grammar import Grammar, finish
from unison_core.corpus.sentences import (
    DATA,
    clauses,
    held_out_sentences,
    is_held_out,
    is_speakable,
    load_sentences,
    normalise,
    open_sentences,
    write_sentences,
)
from unison_core.errors import UnisonError, UsageError


@pytest.fixture(scope="module")
def extra(tmp_path_factory):
    path = tmp_path_factory.mktemp("sentences") / "extra.txt"
    path.write_text(
        "The harvest was brought in before the storm.\nThe committee will publish its decision in the autumn.\n"
    )
    return path


def test_splits_are_disjoint_and_speakable(extra):
    sentences, rng = load_sentences(extra), np.random.default_rng(0)
    drawn = {split: {normalise(sentences.sample(rng, split)) for _ in range(300)} for split in ("train", "held_out")}
    assert not drawn["train"] & drawn["held_out"]
    assert all(is_speakable(s) for split in drawn.values() for s in split)
    assert {is_held_out(s) for s in drawn["held_out"]} == {True}
    assert len(drawn["train"]) > 250 * 0.6


def test_same_seed_same_sentence(extra):
    def draw():
        return load_sentences(extra).sample(np.random.default_rng(7), "held_out")

    assert draw() == draw()


def test_held_out_does_not_depend_on_extra_sentences(extra):
    ours, theirs = load_sentences(extra), load_sentences(DATA / "held_out.txt")
    for seed in range(20):
        rngs = np.random.default_rng(seed), np.random.default_rng(seed)
        assert ours.sample(rngs[0], "held_out") == theirs.sample(rngs[1], "held_out")


def test_three_per_cent_are_held_out():
    grammar, rng = load_sentences(DATA / "held_out.txt").grammar, np.random.default_rng(1)
    share = np.mean([is_held_out(grammar.sample(rng)) for _ in range(5000)])
    assert 0.02 < share < 0.04


def test_punctuation_and_case_do_not_leak():
    written = held_out_sentences()[0]
    assert is_held_out(written.upper().rstrip(".") + "!")


def test_grammar_gives_millions():
    grammar = Grammar.read(DATA / "grammar.txt")
    assert sum(map(grammar.count, grammar.lists["sentence"])) > 10_000_000
    assert len(grammar.lists["sentence"]) > 300


def test_grammar_names_a_missing_list(tmp_path):
    path = tmp_path / "g.txt"
    path.write_text("[sentence]\nThe {animl} sleeps\n")
    with pytest.raises(UnisonError, match="animl"):
        Grammar.read(path)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("we saw a owl", "We saw an owl."),
        ("a unicorn, a one", "A unicorn, a one."),
        ("a animal, a hour?", "An animal, an hour?"),
    ],
)
def test_finish(raw, said):
    assert finish(raw) == said


def test_clauses_drop_what_cannot_be_said():
    text = 'He said: "Nothing is easy here, my friend."  Buy 3 of them now.\n\t\t-- A. Author, "Book of Things"'
    assert list(clauses(text)) == ["Nothing is easy here, my friend."]


def test_sentences_can_be_carried(extra, tmp_path):
    out = tmp_path / "carried.txt"
    assert write_sentences(extra, out) == 2
    assert open_sentences(out) == open_sentences(extra)
    with pytest.raises(UsageError, match="nowhere"):
        load_sentences(tmp_path / "nowhere")
