"""A record repeats its run to the bit, and says so; where something changed, it says what."""

import json
import shutil

import pytest


@pytest.fixture
def clip(generate, tmp_path):
    result = generate("-c", "A drum", "-t", "Hello there", "--lead", "video", "--duck", 6, "--out", "first")
    assert result.exit_code == 0, result.stderr
    return tmp_path / "first"


@pytest.mark.parametrize("name", ["unison.json", "video.mp4", "."])
def test_identical_from_record_mp4_or_folder(unison, clip, name):
    result = unison("replay", clip / name, "--out", "second")
    assert result.exit_code == 0, result.stderr
    assert "identical to the bit: latents.video, latents.speech, latents.sfx, frames, speech, sfx, mix" in result.stderr
    again = json.loads((clip.parent / "second" / "unison.json").read_text())
    first = json.loads((clip / "unison.json").read_text())
    for wave in ("mix.wav", "speech.wav", "sfx.wav"):
        assert again["files"][wave] == first["files"][wave]


def test_what_differs_is_named(unison, clip):
    result = unison("replay", clip / "unison.json", "--out", "second", "--precision", "fp32")
    if json.loads((clip / "unison.json").read_text())["run"]["precision"] == "bf16":
        assert result.exit_code == 1
        assert "precision: bf16 then, fp32 now" in result.stderr
        assert "not identical: latents.video" in result.stderr


def test_changed_weights_are_named(unison, clip, tiny_folder, tmp_path, tiny_preset):
    import torch

    from unison_core.model.unison import Unison
    from unison_core.weights.save import save_model

    other = tmp_path / "other"
    shutil.copytree(tiny_folder, other)
    torch.manual_seed(5)
    save_model(other, tiny_preset, Unison(tiny_preset.model, tiny_preset.timing))  # its velocities are zero
    result = unison("replay", clip / "unison.json", "--out", "second", "--model", other)
    assert result.exit_code == 1
    assert "weights: the files' hashes differ" in result.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "cannot be read"), ("[]", "is not a record"), ("{}", "not a record of `unison generate`"),
     ('{"record": 1, "command": "generate", "request": {"seeed": 1}}', "unknown key 'seeed'")],
)  # fmt: skip
def test_records_of_another_kind(unison, tmp_path, content, message):
    (tmp_path / "r.json").write_text(content)
    result = unison("replay", "r.json")
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_missing_record(unison):
    assert unison("replay", "none.json").exit_code == 2
