"""Folders, manifests and sets become items; what is wrong with them is said with its line."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from unison_core.errors import UsageError
from unison_core.evaluation.inputs import generation, item_of, join, read_items, read_manifest
from unison_core.evaluation.item import SFX, SOUND, SPEECH, VIDEO, Item
from unison_core.evaluation.sets import AMBIENT, COMPLEX, NANO_BENCH, counts, first_of_each, load_set
from unison_core.evaluation.sets import SPEECH as SPEECH_SET


def write(path: Path, rows: list[dict], tail: str = "") -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + tail)
    return path


def test_plain_videos_take_the_stems_beside_them(tmp_path):
    for name in ("a.mp4", "b.webm", "a.speech.wav", "a.sfx.wav", "notes.txt", ".hidden.mp4"):
        (tmp_path / name).touch()
    a, b = read_items(tmp_path)
    assert (a.id, b.id) == ("a", "b")
    assert set(a.files) == {VIDEO, SPEECH, SFX}
    assert set(b.files) == {VIDEO}
    assert a.transcript is None


def test_our_own_clips_bring_what_was_asked_for(tmp_path):
    folder = tmp_path / "clips" / "one"
    folder.mkdir(parents=True)
    for name in ("video.mp4", "mix.wav", "speech.wav", "sfx.wav", "gates.json"):
        (folder / name).touch()
    record = {"request": {"caption": "a man", "transcript": "", "duration_s": 2.0, "seed": 7}}
    (folder / "unison.json").write_text(json.dumps(record))
    for source in (folder, folder.parent):
        (item,) = read_items(source)
        assert (item.id, item.caption, item.transcript, item.duration_s, item.seed) == ("one", "a man", "", 2.0, 7)
        assert set(item.files) == {VIDEO, SOUND, SPEECH, SFX}
        assert item.gates == folder / "gates.json"


def test_a_manifest_names_files_relative_to_itself_and_its_torn_end_is_left_out(tmp_path):
    path = write(
        tmp_path / "m.jsonl",
        [{"video": "x.mp4", "transcript": "hi", "kind": "speech", "reference": {"voice": "v.wav"}}],
        tail='{"id": "torn',
    )
    (item,) = read_items(path)
    assert item.id == "x"
    assert item.files[VIDEO] == tmp_path / "x.mp4"
    assert item.reference.files == {"voice": tmp_path / "v.wav"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": "a", "captoin": "x"}], "line 1: unknown key 'captoin'"),
        ([{"id": "a"}, {"caption": "x"}], "line 2: a row needs an id or a video"),
        ([{"id": "a"}, {"id": "a"}], "two clips are called a"),
        ([{"id": "a", "caption": 3}], "captions and transcripts are texts"),
        ([], "holds no row"),
    ],
)
def test_a_wrong_manifest_is_told_of(tmp_path, rows, message):
    with pytest.raises(UsageError, match=message):
        read_manifest(write(tmp_path / "m.jsonl", rows))


def test_nothing_to_score_is_told_of(tmp_path):
    with pytest.raises(UsageError, match="holds no clips"):
        read_items(tmp_path)
    with pytest.raises(UsageError, match="is no folder, manifest"):
        read_items(tmp_path / "absent")


def test_rows_of_the_corpus_bring_their_scene():
    from unison_core.corpus.sample import stage

    scene = stage(4, "held_out", None)
    row = {"id": "c", "seed": 4, "split": "held_out", "size": 128, "video": "c.mp4", "mouth_opening": [],
           **{k: v for k, v in asdict(scene).items() if k not in ("seed",)}}  # fmt: skip
    item = item_of(row, Path("x"))
    assert item.scene.action == scene.action
    assert item.scene.look == scene.look
    assert item.duration_s == scene.duration_s


def test_harmony_benchs_layout_is_read(tmp_path):
    write(tmp_path / "ambient.jsonl", [{"id": "a", "video_caption": "a car", "audio_caption": "a horn"}])
    write(tmp_path / "speech.jsonl", [{"id": "s", "video_caption": "a man is speaking", "spoken_word_zh": "你好"}])
    row = {"id": "c", "video_caption": "a door", "audio_caption": "it closes", "spoken_word_en": "bye"}
    write(tmp_path / "complex.jsonl", [row])
    ambient, speech, both = load_set(str(tmp_path))
    assert (ambient.kind, speech.kind, both.kind) == (AMBIENT, SPEECH_SET, COMPLEX)
    assert (ambient.caption, ambient.transcript) == ("a car a horn", None)
    assert (speech.language, speech.transcript) == ("zh", "你好")
    assert (both.language, both.audio_caption) == ("en", "it closes")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "a", "subset": "music", "caption": "x"}, "subset 'music'"),
        ({"id": "a", "subset": "speech", "caption": "x"}, "needs a transcript"),
        ({"id": "a", "subset": "ambient", "caption": "x", "transcript": "hi"}, "has no transcript"),
        ({"id": "a", "subset": "complex", "transcript": "hi"}, "needs video_caption"),
    ],
)
def test_an_item_that_lacks_what_its_subset_asks_for_is_told_of(tmp_path, row, message):
    with pytest.raises(UsageError, match=message):
        load_set(str(write(tmp_path / "set.jsonl", [row])))


def test_nano_bench_is_bundled_balanced_and_held_out():
    from unison_core.corpus.sentences import is_held_out

    items = load_set(NANO_BENCH)
    assert dict(counts(items)) == {AMBIENT: 20, SPEECH_SET: 20, COMPLEX: 20}
    for item in items:
        assert item.scene is not None
        assert item.scene.caption == item.caption
        assert bool(item.transcript) == (item.kind != AMBIENT)
        assert (item.scene.action or item.scene.ambience) if item.kind != SPEECH_SET else not item.scene.action
        assert not item.transcript or is_held_out(item.transcript)


def test_a_short_run_sees_every_subset():
    chosen = first_of_each(load_set(NANO_BENCH), 6)
    assert dict(counts(chosen)) == {AMBIENT: 2, SPEECH_SET: 2, COMPLEX: 2}


def test_clips_of_a_set_are_matched_by_id_and_a_missing_one_keeps_its_place(tmp_path):
    wanted = [Item(id="a", caption="x"), Item(id="b", caption="y")]
    video = tmp_path / "a.mp4"
    joined = join(wanted, [Item(id="a", files={VIDEO: video}), Item(id="z", files={VIDEO: video})])
    assert joined[0].files == {VIDEO: video}
    assert joined[0].caption == "x"
    assert not joined[1].files[VIDEO].exists()
    with pytest.raises(UsageError, match="no clip is named as an item"):
        join(wanted, [Item(id="z", files={VIDEO: video})])


def test_rows_of_generates_prompts_keep_their_settings_where_a_model_makes_the_clips(tmp_path):
    rows = [{"caption": "A man claps", "duration": "auto", "steps": 4, "text_scale": "video=2,speech=3", "seed": 5},
            {"id": "b", "caption": "x", "duration": 2.4}]  # fmt: skip
    path = write(tmp_path / "p.jsonl", rows)
    first, second = read_items(path, prompts=True)
    assert (first.id, first.duration_s, first.seed) == ("0001-a-man-claps", None, 5)
    assert first.settings == {"duration": "auto", "steps": 4, "text_scale": "video=2,speech=3"}
    assert second.duration_s == 2.4
    with pytest.raises(UsageError, match="unknown key 'steps'"):
        read_items(path)
    assert len(read_items(Path(__file__).parents[2] / "examples" / "prompts.jsonl", prompts=True)) >= 3


def test_what_the_record_says_fills_what_the_set_leaves_open(tmp_path):
    clip = Item(id="a", files={VIDEO: tmp_path / "a.mp4"}, transcript="", caption="other", duration_s=3.0)
    (joined,) = join([Item(id="a", caption="mine")], [clip])
    assert (joined.caption, joined.transcript, joined.duration_s) == ("mine", "", 3.0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, ""),
        ({"speech": "talk.wav"}, None),
        ({"audio": "mix.wav"}, None),
        ({"keep": "sfx"}, ""),
        ({"keep": "speech"}, None),
    ],
)
def test_what_given_speech_says_is_not_known_without_a_transcript(tmp_path, given, said):
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "unison.json").write_text(json.dumps({"request": {"transcript": "", "given": given}}))
    assert generation(folder).transcript == said
    (folder / "unison.json").write_text(json.dumps({"request": {"transcript": "Hello", "given": given}}))
    assert generation(folder).transcript == "Hello"
