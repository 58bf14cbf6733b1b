"""`unison v2a`: the picture stays what it was, its sound is new; dubbing keeps the other stem to the bit."""

from typing import ClassVar

import numpy as np
import pytest

from tests.cli.conftest import write_sound, write_video
from tests.cli.test_a2v import levels
from unison_core.media import ffmpeg
from unison_core.media.read import read_audio, read_frames
from unison_core.pipelines import when_spoken
from unison_core.pipelines.record import read_record
from unison_core.types import SFX, SPEECH


def packets(path) -> bytes:
    """Hash of the video stream as it is stored."""
    return ffmpeg.run(["-i", str(path), "-map", "0:v:0", "-c", "copy", "-f", "md5", "-"])


@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("a.mp4", ("-c:v", "libx264", "-pix_fmt", "yuv420p")),
        ("a.mov", ("-c:v", "libx264", "-bf", "3", "-pix_fmt", "yuv444p")),
        ("a.webm", ("-c:v", "libvpx-vp9", "-c:a", "libopus")),
    ],
)
def test_the_picture_is_copied(direct, tmp_path, name, encode):
    video = write_video(tmp_path / name, *encode, sound=name != "a.webm")
    result = direct("v2a", "--video", video, "-c", "A drum", "-t", "Hello", "--out", "o")
    assert result.exit_code == 0, result.stderr
    record = read_record(tmp_path / "o")
    assert record["command"] == "v2a"
    assert record["output"]["picture"] == "copied"
    assert read_record(tmp_path / "o" / "video.mp4")["output"]["picture"] == "copied"
    stored = tmp_path / "o" / "video.mp4"
    assert np.array_equal(read_frames(stored), read_frames(video))
    if name != "a.mov":  # the other container may store parameter sets elsewhere
        assert packets(stored) == packets(video)
    assert record["inputs"]["video"]["width"] == 70
    assert len(levels(tmp_path / "o" / "mix.wav")) == pytest.approx(1.52 * 16000, abs=700)


def test_what_mp4_does_not_take_is_encoded_again_and_said(direct, tmp_path):
    video = write_video(tmp_path / "odd.mkv", "-c:v", "libvpx", size="71x49")
    result = direct("v2a", "--video", video, "--out", "o")
    assert result.exit_code == 0, result.stderr
    assert read_record(tmp_path / "o")["output"]["picture"] == "encoded again: MP4 does not take vp8"
    assert "the picture was encoded again: MP4 does not take vp8" in result.stderr
    assert read_frames(tmp_path / "o" / "video.mp4").shape[1:] == (50, 72, 3)


def test_a_part_from_the_middle(direct, tmp_path):
    video = write_video(tmp_path / "a.mp4", seconds=5)
    result = direct("v2a", "--video", video, "--out", "o")
    assert result.exit_code == 2
    assert "the video lasts 5.0" in result.stderr
    assert direct("v2a", "--video", video, "--start", 1, "--duration", 2, "--out", "o").exit_code == 0
    assert "it begins at 1 s" in read_record(tmp_path / "o")["output"]["picture"]
    assert len(read_frames(tmp_path / "o" / "video.mp4")) == pytest.approx(60, abs=1)
    head = direct("v2a", "--video", video, "--duration", 2, "--out", "head")
    assert head.exit_code == 0, head.stderr
    assert read_record(tmp_path / "head")["output"]["picture"] == "copied"


@pytest.mark.parametrize("given", [SFX, SPEECH])
def test_dubbing_keeps_a_given_stem_to_the_bit(direct, tmp_path, given):
    video, stem = write_video(tmp_path / "a.mp4"), write_sound(tmp_path / "s.wav")
    result = direct("v2a", "--video", video, f"--{given}", stem, "-t", "Hello", "--out", "o", "--seed", 3)
    assert result.exit_code == 0, result.stderr
    record = read_record(tmp_path / "o")
    assert record["output"]["task"] == ("dub" if given == SFX else "foley")
    assert np.array_equal(levels(tmp_path / "o" / f"{given}.wav")[:24000], levels(stem))
    other = SPEECH if given == SFX else SFX
    assert levels(tmp_path / "o" / f"{other}.wav").any()


def split_in(monkeypatch, share):
    """Stand in for the separator: `share` of the recording is speech."""

    class Split:
        facts: ClassVar = {"name": "split", "sha256": "0"}

        def __call__(self, wave, rate_hz):
            return {SPEECH: share * wave, SFX: wave - share * wave}

    monkeypatch.setattr("unison_core.pipelines.unison_pipeline.bundled_separator", lambda device: Split())
    monkeypatch.setattr("unison_core.pipelines.request.find_bundled", lambda: None)


@pytest.mark.parametrize("keep", [SFX, SPEECH])
def test_keep_takes_a_stem_from_the_videos_own_sound(direct, monkeypatch, tmp_path, keep):
    split_in(monkeypatch, 0.25)
    video = write_video(tmp_path / "a.mkv", "-c:v", "ffv1")
    result = direct("v2a", "--video", video, "--keep", keep, "--keep-rate", "--out", "o")
    assert result.exit_code == 0, result.stderr
    share = 0.25 if keep == SPEECH else 0.75
    expected = np.round(share * read_audio(video, 22050).astype(np.float64) * 32768)
    kept = levels(tmp_path / "o" / f"{keep}.wav")
    count = min(len(expected), len(kept))
    assert np.array_equal(kept[:count], expected[:count])


@pytest.mark.parametrize(
    ("share", "arguments", "found"),
    [
        (0.25, ("-t", "Hello"), True),
        (0.25, ("-t", "Hello", "--keep", "sfx"), True),
        (0.25, ("-t", "Hello", "--span", "0.1-0.9"), True),
        (0.05, ("-t", "Hello"), False),
        (0.25, (), None),
        (0.25, ("--keep", "speech"), None),
    ],
)
def test_new_words_take_the_place_of_the_videos_own(direct, monkeypatch, tmp_path, share, arguments, found):
    split_in(monkeypatch, share)
    laid_out = []
    place = when_spoken.span_within
    monkeypatch.setattr(when_spoken, "span_within", lambda *a: laid_out.append(a[1]) or place(*a))
    video = write_video(tmp_path / "a.mp4")
    result = direct("v2a", "--video", video, *arguments, "--out", "o")
    assert result.exit_code == 0, result.stderr
    record = read_record(tmp_path / "o")
    assert ("separator" in record["inputs"]["video"]) == (found is not None or "--keep" in arguments)
    if "--span" in arguments or not found:
        assert not laid_out
    else:
        assert laid_out[0] == pytest.approx((0, 1.5), abs=0.1)


@pytest.mark.parametrize(
    ("arguments", "listens"),
    [
        (("-t", "Hello"), True),
        (("-t", "Hello", "--span", "0.2-1"), False),
        ((), False),
        (("-t", "Hello", "--speech", "s.wav"), False),
    ],
)
def test_a_first_pass_finds_out_when_a_silent_picture_speaks(direct, tmp_path, arguments, listens):
    write_sound(tmp_path / "s.wav")
    video = write_video(tmp_path / "a.mp4", sound=False)
    result = direct("v2a", "--video", video, *arguments, "--steps", 2, "--out", "o")
    assert result.exit_code == 0, result.stderr
    assert ("listen" in read_record(tmp_path / "o")["timings_s"]) == listens


def test_a_recording_is_separated_on_the_way_to_a_picture(direct, monkeypatch, tmp_path):
    split_in(monkeypatch, 0.25)
    path = write_sound(tmp_path / "s.wav")
    assert direct("a2v", "--audio", path, "--out", "o").exit_code == 0
    record = read_record(tmp_path / "o")
    assert record["output"]["task"] == "a2v"
    assert record["inputs"]["audio"]["separator"] == {"name": "split", "sha256": "0"}
    assert np.abs(levels(tmp_path / "o" / "mix.wav")[:24000] - levels(path)).max() <= 1


def test_variable_rate_and_rotation(direct, tmp_path):
    plain = write_video(tmp_path / "plain.mp4", "-vf", "setpts='if(lt(N,20),N,20+(N-20)*2)/30/TB'", "-fps_mode", "vfr",
                        "-pix_fmt", "yuv420p", sound=False)  # fmt: skip
    turned = tmp_path / "turned.mp4"
    ffmpeg.run(["-display_rotation", "90", "-i", str(plain), "-c", "copy", str(turned)])
    assert direct("v2a", "--video", turned, "--out", "o").exit_code == 0
    stored = tmp_path / "o" / "video.mp4"
    assert packets(stored) == packets(turned)
    assert "rotation of 90.00 degrees" in ffmpeg.describe(stored)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "v2a needs a video"),
        (["--video", "none.mp4"], "there is no file none.mp4"),
        (["--video", "s.wav"], "video s.wav has no picture"),
        (["--video", "text.mp4"], "no media file that can be read"),
        (["--video", "mute.mkv", "--keep", "sfx"], "video mute.mkv has no sound, so there is nothing to keep"),
        (["--video", "mute.mkv", "--keep", "music"], "keep 'music' is none of speech, sfx"),
        (["--video", "mute.mkv", "--keep", "sfx", "--speech", "s.wav"], "give no stem beside it"),
        (["--video", "mute.mkv", "--speech", "s.wav", "--sfx", "s.wav"], "nothing to generate"),
        (["--video", "mute.mkv", "--keep-rate"], "keep_rate needs a given sound"),
        (["--video", "mute.mkv", "--duration", "3"], "longer than the 1.50 s of video"),
        (["--video", "brief.mkv"], "the video has 0.50 s from the start on, but tiny makes at least 1 s"),
        (["--video", "mute.mkv", "-t", "We start in five minutes and then we go home"], "shorten the transcript"),
    ],
)
def test_bad_input_is_one_clear_line(direct, monkeypatch, tmp_path, arguments, message):
    write_sound(tmp_path / "s.wav")
    write_video(tmp_path / "mute.mkv", "-c:v", "ffv1", sound=False)
    write_video(tmp_path / "brief.mkv", "-c:v", "ffv1", sound=False, seconds=0.5)
    (tmp_path / "text.mp4").write_text("hello")

    def never(*args: object) -> None:
        raise AssertionError("weights were loaded before everything was checked")

    monkeypatch.setattr("unison_core.pipelines.unison_pipeline.load", never)
    result = direct("v2a", *arguments, "--out", "o")
    assert message in result.stderr
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "o").exists()
