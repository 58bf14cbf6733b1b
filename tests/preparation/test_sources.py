"""Rows of manifests, and what lies beside media files."""

import json

import pytest

from unison_core.errors import UsageError
from unison_core.preparation.sources import list_sources, parse
from unison_core.preparation.subtitles import parse_subtitles


def row(tmp_path, text):
    manifest = tmp_path / "m.jsonl"
    manifest.write_text((text if isinstance(text, str) else json.dumps(text)) + "\n")
    (line,) = list_sources([manifest], None, tmp_path / "out").lines()
    return parse(line)


def test_a_row_with_everything(tmp_path):
    told = {"id": "x", "video": "a.mp4", "speech": "s.wav", "caption": "c", "span_s": [0.1, 0.9], "speaker": 7,
            "segments": [{"start": 1, "end": 2, "text": "b"}, {"start_s": 0, "end_s": 1, "text": "a", "voice": "v"}],
            "start_s": 2, "end_s": 5.5}  # fmt: skip
    source = row(tmp_path, told)
    assert (source.name, source.video, source.sound) == ("x", tmp_path / "a.mp4", tmp_path / "a.mp4")
    assert (source.voice, source.span_s, source.end_s) == ("7", (0.1, 0.9), 5.5)
    assert [(s.text, s.voice) for s in source.segments] == [("a", "v"), ("b", None)]


def test_texts_beside_the_recording_serve_rows_that_say_nothing_of_words(tmp_path):
    (tmp_path / "a.txt").write_text("a caption")
    (tmp_path / "a.srt").write_text("00:00:01,000 --> 00:00:02,000\nhello\n")
    (tmp_path / "a.json").write_text('{"voice": "v", "video": "other.mp4"}')
    source = row(tmp_path, {"id": "a", "video": "a.mp4", "speech": "a/speech.wav"})
    assert (source.caption, source.voice, source.video.name) == ("a caption", "v", "a.mp4")
    assert source.segments[0].text == "hello"
    assert row(tmp_path, {"video": "a.mp4", "transcript": "", "caption": "b"}).segments is None


def test_a_path_is_a_video_or_a_sound_by_its_name(tmp_path):
    assert row(tmp_path, {"path": "a.mkv"}).video
    assert row(tmp_path, {"path": "a.flac"}).audio
    assert row(tmp_path, {"video": "a.mp4", "audio": "b.wav"}).sound == tmp_path / "b.wav"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1 is not JSON"),
        ("[1]", "no JSON object"),
        ('{"caption": "x"}', "names no media"),
        ('{"audio": "a.wav", "span_s": [1]}', "line 1"),
        ('{"audio": "a.wav", "caption": ["x"]}', "caption must be a text"),
        ('{"audio": "a.wav", "segments": [{"start": 2, "end": 1, "text": "x"}]}', "start must come before end"),
        ('{"audio": "a.wav", "segments": [{"start": 2}]}', "line 1"),
    ],
)
def test_a_wrong_row_says_where(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        row(tmp_path, text)


def test_stems_and_hidden_files_are_no_sources_of_their_own(tmp_path):
    media = ("b.wav", "a.mp4", "a.speech.wav", "a.sfx.wav", ".c.wav", "sub/d[1].mp3", "sub/d[1].speech.flac", "e.txt")
    for name in media:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    sources = list_sources([tmp_path], None, tmp_path / "out")
    made = [parse(line) for line in sources.lines()]
    assert len(sources) == 3
    assert [s.name for s in made] == ["a.mp4", "b.wav", "d[1].mp3"]
    assert made[0].speech.name == "a.speech.wav"
    assert made[2].speech.name == "d[1].speech.flac"


def test_a_long_manifest_is_not_held(tmp_path):
    import tracemalloc

    def peak(rows):
        manifest = tmp_path / f"{rows}.jsonl"
        manifest.write_text('{"audio": "a.wav", "caption": "some words about it"}\n' * rows)
        tracemalloc.start()
        sources = list_sources([manifest], None, tmp_path / "out")
        assert sum(1 for _ in sources.lines()) == len(sources) == rows
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(20_000) < peak(200) + 50_000


def test_subtitles_of_both_kinds():
    srt = "\ufeff1\r\n00:00:01,500 --> 00:00:02,000\r\n<i>Hello</i>\r\nyou &amp; me\r\n\r\n2\n"
    srt += "00:01:00,000 --> 00:01:01,000\n\n"
    (only,) = parse_subtitles(srt)
    assert (only.start_s, only.end_s, only.text) == (1.5, 2.0, "Hello you & me")
    vtt = "WEBVTT\n\n01:02.000 --> 01:03.250 align:start\nb\n\nid\n00:00:01.000 --> 00:00:02.000\na\n"
    assert [(s.start_s, s.text) for s in parse_subtitles(vtt)] == [(1.0, "a"), (62.0, "b")]
    with pytest.raises(ValueError, match="no subtitle"):
        parse_subtitles("nothing")
