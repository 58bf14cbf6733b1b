"""`unison generate --image`: the clip begins with the picture, which the record says how well."""

import numpy as np
import pytest
from PIL import Image

from unison_core.media.pictures import psnr_db
from unison_core.media.read import read_frames
from unison_core.pipelines.record import read_record


@pytest.fixture
def picture(tmp_path):
    y, x = np.mgrid[0:90, 0:120]
    path = tmp_path / "p.png"
    Image.fromarray(np.stack([x * 2, y * 2, np.full_like(x, 90)], -1).astype(np.uint8)).save(path)
    return path


def test_the_first_frame_is_what_the_codec_makes_of_the_picture(direct, tiny_folder, tmp_path, picture):
    import torch

    from unison_core.codecs.codec import Codec
    from unison_core.media.pictures import read_picture

    result = direct(
        "generate", "--image", picture, "-c", "A woman", "--duration", 1, "--out", "o", "--precision", "fp32"
    )
    assert result.exit_code == 0, result.stderr
    record = read_record(tmp_path / "o")
    assert record["command"] == "generate"
    assert record["output"]["task"] == "ti2av"
    check = next(check for check in record["checks"] if check["name"] == "first_frame_psnr_db")
    shown = read_picture(picture, (32, 32))
    codec = Codec.from_folder(tiny_folder)
    expected = codec.decode_video(codec.encode_video(torch.from_numpy(np.array(shown))[None, None]))[0, 0].numpy()
    assert check["value"] == pytest.approx(psnr_db(expected, shown), abs=0.3)
    frames = read_frames(tmp_path / "o" / "video.mp4")
    assert psnr_db(frames[0], expected) > psnr_db(frames[-1], expected)


def test_the_picture_alone_is_enough_and_changes_what_follows(direct, tmp_path, picture):
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    hashes = []
    for path in (picture, tmp_path / "red.png"):
        assert direct("generate", "--image", path, "--duration", 1, "--out", path.stem, "--seed", 1).exit_code == 0
        hashes += [read_record(tmp_path / path.stem)["sha256"][part] for part in ("frames", "speech", "sfx")]
    assert len(set(hashes)) == 6


def test_replay_and_bad_pictures(direct, unison, tmp_path, picture):
    assert direct("generate", "--image", picture, "--duration", 1, "--out", "o").exit_code == 0
    assert "identical to the bit" in unison("replay", "o", "--out", "again").stderr
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    for path, message in (("bad.png", "bad.png"), ("none.png", "there is no file none.png")):
        result = direct("generate", "--image", path, "-c", "x", "--out", "bad")
        assert result.exit_code == 2
        assert message in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_sync_scale_changes_the_clip_and_is_counted(direct, tmp_path, picture):
    """Off, only words guide; on, two anchors join, and the record counts what they cost."""
    counts, hashes = [], set()
    for name, extra in (("off", []), ("on", ["--sync-scale", "video=3,speech=2,sfx=2"])):
        result = direct("generate", "-c", "A drum", "--duration", 1, "--steps", 3, "--seed", 1, "--out", name, *extra)
        assert result.exit_code == 0, result.stderr
        record = read_record(tmp_path / name)
        counts.append(record["output"]["evaluations"])
        hashes.add(record["sha256"]["frames"])
    assert counts == [6, 6 + 3 + 2]
    assert len(hashes) == 2
