"""`unison prepare` from media to shards."""

import json
from pathlib import Path

import forked
import numpy as np
import pytest

from tests.cli.conftest import Run, json_lines, write_sound, write_video
from unison_core.errors import UnisonError
from unison_core.preparation import parts
from unison_core.preparation.records import read_record
from unison_core.training.shard_format import read_shard
from unison_core.types import SFX, SPEECH, VIDEO


def manifest(folder: Path, rows: list[dict]) -> Path:
    path = folder / "clips.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """Three readable videos with stems, one broken, one without stems."""
    folder = tmp_path / "media"
    folder.mkdir()
    rows = []
    for i, seconds in enumerate((1.7, 2.3, 5.0)):
        write_video(folder / f"{i}.mp4", seconds=seconds, sound=False)
        write_sound(folder / f"{i}.speech.wav", seconds=seconds, seed=i, level=0.2)
        write_sound(folder / f"{i}.sfx.wav", seconds=seconds, seed=10 + i, level=0.2)
        rows.append({"id": f"clip{i}", "video": f"{i}.mp4", "speech": f"{i}.speech.wav", "sfx": f"{i}.sfx.wav",
                     "caption": f"a test picture {i}", "transcript": "hello there", "voice": "slt"})  # fmt: skip
    del rows[2]["transcript"]
    rows[2]["segments"] = [{"start": 0.3, "end": 1.2, "text": "one two"}, {"start": 3.9, "end": 4.8, "text": "three"}]
    (folder / "broken.mp4").write_bytes(b"nothing")
    rows.append({"id": "broken", "video": "broken.mp4", "transcript": ""})
    write_video(folder / "mix.mp4", seconds=1.5)
    rows.append({"id": "mix", "video": "mix.mp4", "transcript": ""})
    manifest(folder, rows)
    return folder


@pytest.fixture
def prepare(unison: Run, tiny_folder: Path) -> Run:
    def run(*arguments: object):  # type: ignore[no-untyped-def]
        return unison("prepare", "--codecs", tiny_folder, "--device", "cpu", "--static", 0, "--batch", 2, *arguments)

    return run


def clips(folder: Path) -> list:
    return [sample for path in sorted(folder.glob("*.tar")) for sample in read_shard(path)]


def test_a_manifest_becomes_shards_with_index_and_card(prepare: Run, media: Path) -> None:
    result = prepare(media / "clips.jsonl", "-o", "out", "--json")
    assert result.exit_code == 3, result.stderr
    assert "1 recordings could not be read" in result.stderr
    made = clips(Path("out"))
    assert [sample.meta["source"] for sample in made] == ["clip0", "clip1", "clip2", "clip2"]
    assert [sample.meta["frames"] for sample in made] == [41, 57, 85, 33]
    assert [sample.meta["transcript"] for sample in made] == ["hello there", "hello there", "one two", "three"]
    assert made[2].meta["span_s"] == [0.25, 1.15]
    assert made[0].latents[VIDEO].shape == (16, 11, 4, 4)
    assert made[0].latents[SPEECH].shape == made[0].latents[SFX].shape == (52, 32)
    card = json.loads(Path("out/card.json").read_text())
    assert card["clips"] == 4
    assert card["left_out"] == {"unreadable": 1, "no_stems": 1}
    assert "broken.mp4" in card["failures"][0]["reason"]
    assert card["codecs"] == ["video_vae", "audio_vae"]
    assert "| 1.64 | 1 |" in Path("out/README.md").read_text()
    index = np.load("out/index.npz")
    assert index["frames"].tolist() == [41, 57, 85, 33]
    whole = Path("out", str(index["names"][0])).read_bytes()
    offset, size = index["sound"][3]
    assert b"phoneme_ids" in whole[offset : offset + size]


def test_stems_are_separated_where_there_are_none(prepare: Run, media: Path, separator_folder: Path) -> None:
    (media / "mix.lab").write_text("")
    result = prepare(media / "mix.mp4", "-o", "out", "--separator", separator_folder, "--json")
    assert result.exit_code == 0, result.stderr
    assert json_lines(result)[0]["clips"] == 1
    assert clips(Path("out"))[0].meta["frames"] == 37


def test_a_folder_with_what_lies_beside_the_media(prepare: Run, media: Path) -> None:
    for path in ("broken.mp4", "mix.mp4"):
        (media / path).unlink()
    (media / "0.txt").write_text("a caption\n")
    (media / "0.lab").write_text("good morning")
    (media / "1.json").write_text('{"caption": "another", "transcript": "", "voice": "x"}')
    (media / "2.srt").write_text("1\n00:00:00,300 --> 00:00:01,200\n<i>one</i> two\n")
    result = prepare(media, "--pattern", "*.mp4", "-o", "out")
    assert result.exit_code == 0, result.stderr
    first, second, third = (sample.meta for sample in clips(Path("out")))
    assert (first["caption"], first["transcript"]) == ("a caption", "good morning")
    assert (second["caption"], second["transcript"], second["voice"]) == ("another", "", "x")
    assert (third["transcript"], third["span_s"]) == ("one two", [0.25, 1.15])


def test_sound_alone_serves_stage_1(prepare: Run, media: Path) -> None:
    result = prepare(media / "0.speech.wav", "-o", "out", "--no-video")
    assert "(no_stems 1); --separator takes stems out of recordings; card.json" in " ".join(result.stderr.split())
    rows = [{"speech": "0.speech.wav", "transcript": "hello"}, {"sfx": "1.sfx.wav"}]
    result = prepare(manifest(media, rows), "-o", "sound", "--no-video")
    assert result.exit_code == 0, result.stderr
    speech, sfx = clips(Path("sound"))
    assert VIDEO not in speech.latents
    assert speech.meta["transcript"] == "hello"
    assert sfx.meta["transcript"] == ""
    assert json.loads(Path("sound/card.json").read_text())["codecs"] == ["audio_vae"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--min-side", 60), "resolution"),
        (("--min-lufs", -6, "--max-lufs", 0), "quiet"),
        (("--max-lufs", -40), "loud"),
        (("--min-seconds", 4), "length"),
        (("--require", "caption"), "no_caption"),
    ],
)
def test_what_is_left_out_is_counted_by_reason(prepare: Run, media: Path, options: tuple, reason: str) -> None:
    row = {"video": "0.mp4", "speech": "0.speech.wav", "sfx": "0.sfx.wav", "transcript": "hello"}
    result = prepare(manifest(media, [row]), "-o", "out", *options)
    assert result.exit_code == 1
    assert f"no clip was left ({reason} 1)" in result.stderr


def test_silence_and_unknown_words_are_left_out(prepare: Run, media: Path) -> None:
    write_sound(media / "silent.wav", seconds=1.5, level=1e-5)
    rows = [{"sfx": "silent.wav"}, {"speech": "0.speech.wav"}, {"speech": "silent.wav", "sfx": "1.sfx.wav"}]
    result = prepare(manifest(media, rows), "-o", "out", "--no-video")
    assert result.exit_code == 0, result.stderr
    assert json.loads(Path("out/card.json").read_text())["left_out"] == {"silence": 1, "no_words": 1}


def test_a_second_run_makes_only_what_is_missing_and_the_same_bytes(prepare: Run, media: Path) -> None:
    rows = [{"speech": f"{i % 3}.speech.wav", "transcript": "hello"} for i in range(6)]
    source = manifest(media, rows)
    options = (source, "-o", "out", "--no-video", "--part", 2)
    assert prepare(*options).exit_code == 0
    shards = sorted(Path("out").glob("*.tar"))
    assert [path.name for path in shards] == [f"media-00000{i}-000.tar" for i in range(3)]
    before = {path: path.read_bytes() for path in shards}
    stamp = shards[0].stat().st_mtime_ns
    shards[1].unlink()
    third = Path("out/records/media-000002.json")
    third.write_bytes(third.read_bytes()[:40])  # as a machine leaves it whose power fails
    Path("out/.media-000002-000.tar.partial").write_bytes(b"half")
    assert prepare(*options).exit_code == 0
    assert {path: path.read_bytes() for path in shards} == before
    assert shards[0].stat().st_mtime_ns == stamp
    rows[4]["transcript"] = "good bye"
    manifest(media, rows)
    assert prepare(*options).exit_code == 0
    assert clips(Path("out"))[-1].meta["transcript"] == "good bye"


def test_other_settings_want_another_folder(prepare: Run, media: Path) -> None:
    source = manifest(media, [{"speech": "0.speech.wav", "transcript": "hello"}])
    assert prepare(source, "-o", "out", "--no-video").exit_code == 0
    result = prepare(source, "-o", "out", "--no-video", "--min-lufs", -30)
    assert result.exit_code == 2
    assert "out was prepared with filters=" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name manifests"),
        (("nowhere",), "no file or folder nowhere"),
        (("--count", 1, "x.wav"), "not both"),
        (("a.wav", "--size", "30x30"), "multiples of 16"),
        (("a.wav", "--separator", "nosuch"), "unknown separator"),
        (("a.wav", "--transcriber", "nosuch"), "no folder and no Hub id"),
        (("a.wav", "--require", "fame"), "neither 'caption' nor 'transcript'"),
        (("a.wav", "--min-seconds", 3, "--max-seconds", 2), "longer than the longest"),
    ],
)
def test_wrong_usage_is_one_line(prepare: Run, arguments: tuple, message: str) -> None:
    write_sound(Path("a.wav"))
    result = prepare("-o", "out", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) <= 2


def test_a_full_disk_ends_the_run_in_one_line(prepare: Run, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parts, "write_shard", full)
    result = prepare(manifest(media, [{"sfx": "0.sfx.wav"}]), "-o", "out", "--no-video")
    assert result.exit_code == 1
    assert "no space is left on the disk at out: make room" in result.stderr
    assert read_record(Path("out"), "media-000000") is None
    assert not isinstance(result.exception, UnisonError)


def test_two_processes_write_what_one_does(prepare: Run, tiny_folder: Path, media: Path, tmp_path: Path) -> None:
    source = manifest(media, [{"sfx": f"{i % 3}.sfx.wav"} for i in range(5)])
    options = ["--codecs", tiny_folder, "--no-video", "--part", 2, "--device", "cpu", "--static", 0, "--batch", 2]
    done = forked.launch(forked.unison, "prepare", source, "-o", tmp_path / "two", *options, folder=tmp_path)
    assert all(process.returncode == 0 for process in done), done
    assert prepare(source, "-o", "one", "--no-video", "--part", 2).exit_code == 0
    for path in sorted(Path("one").glob("*.tar")):
        assert (tmp_path / "two" / path.name).read_bytes() == path.read_bytes()
    one, two = (np.load(tmp_path / name / "index.npz") for name in ("one", "two"))
    assert all(np.array_equal(one[key], two[key]) for key in one)
