"""Bad input is one line before the first step."""

import shutil
from collections import namedtuple

import pytest
import yaml
from flow_runs import config, mapping, write_latents
from typer.testing import CliRunner

from unison_cli.app import app
from unison_core.codecs.fingerprint import codec_fingerprint
from unison_core.errors import UsageError
from unison_core.training import preflight
from unison_core.training.batching import plan_batch
from unison_core.training.flow_run import FlowRun
from unison_core.training.flow_training import train_flow
from unison_core.training.shard_format import write_shard


@pytest.fixture
def root(tmp_path, tiny_preset):
    write_latents(tmp_path / "latents", tiny_preset, 3)
    return tmp_path


def refused(match, root, preset, **changes):
    with pytest.raises(UsageError, match=match) as caught:
        train_flow(config(root, preset, **changes))
    assert "\n" not in str(caught.value)
    assert not (root / "run" / "log.jsonl").exists()


def test_missing_and_empty_folders(root, tiny_preset):
    refused("none is not a folder", root, tiny_preset, data={"shards": str(root / "none")})
    (root / "empty").mkdir()
    refused("empty holds 0 samples", root, tiny_preset, data={"shards": str(root / "empty")})
    refused("at least 99 are needed", root, tiny_preset, data={"shards": str(root / "latents"), "wait_for": 99})
    write_shard(root / "empty" / "a.tar", [])
    refused("holds 0 samples|holds no", root, tiny_preset, data={"shards": str(root / "empty")})
    nowhere = r"missing.* is no folder, no Hub id \(owner/name\) and no bundled model"
    refused(nowhere, root, tiny_preset, init_from=str(root / "missing"))
    refused("is not a file", root, tiny_preset, samples={"prompts": str(root / "missing")}, codecs=str(root))


def test_files_that_are_no_shards(root, tiny_preset):
    shard = root / "latents" / "a.tar"
    shard.write_bytes(shard.read_bytes()[:5000])
    refused("its index says", root, tiny_preset)
    (root / "latents" / "index.npz").unlink()
    refused("is damaged", root, tiny_preset)
    shard.write_text("nothing of the kind")
    refused("damaged|another version", root, tiny_preset)


def test_latents_of_another_preset(root, tiny_preset):
    from unison_core.config import load_preset

    refused("video latents .* preset 5b takes", root, load_preset("5b"))


def test_latents_of_other_codecs(root, tiny_preset, tiny_folder):
    own = codec_fingerprint(tiny_folder)
    assert own == codec_fingerprint(tiny_folder)
    other, same = (
        {"shards": str(write_latents(root / codec, tiny_preset, 3, codec=codec))} for codec in ("0123abcd", own)
    )
    told = f"made by codecs 0123abcd, but .* holds {own}"
    refused(told, root, tiny_preset, codecs=str(tiny_folder), data=other)
    train_flow(config(root, tiny_preset, codecs=str(tiny_folder), data=same, steps=1))


def test_another_codec_has_another_fingerprint(tmp_path, tiny_folder):
    copy = tmp_path / "copy"
    shutil.copytree(tiny_folder, copy)
    file = next(copy.glob("audio_vae*.safetensors"))
    file.write_bytes(file.read_bytes() + b"0")
    assert codec_fingerprint(copy) != codec_fingerprint(tiny_folder)


def test_no_space_and_no_right_to_write(root, tiny_preset, monkeypatch):
    usage = namedtuple("usage", "free")
    with monkeypatch.context() as patch:
        patch.setattr(preflight.shutil, "disk_usage", lambda path: usage(1000))
        refused("no space: .* has 0.0 GB", root, tiny_preset)
        FlowRun(config(root, tiny_preset), tiny_preset)._step()  # what never saves needs no room
    (root / "file").write_text("")
    refused("cannot be written", root, tiny_preset, out=str(root / "file" / "run"))


def test_batches_divide(root, tiny_preset):
    refused("batch=4 must be a multiple of micro_batch=3", root, tiny_preset, micro_batch=3)
    with pytest.raises(UsageError, match="batch=4 clips do not divide among 3 processes"):
        plan_batch(4, 0, 3, 0)
    plan = plan_batch(12, 2, 3, 1)
    assert (list(plan.parts), plan.rounds) == ([1, 4], 2)
    assert plan_batch(12, 0, 3, 1).micro == 4


@pytest.mark.parametrize(
    ("assignment", "message"),
    [("optimizer.learning_rate=1", "unknown key 'learning_rate'"), ("batchs=4", "did you mean 'batch'"),
     ("guard.spyke=3", "did you mean 'spike'"), ("batch=many", "batch must be int"), ("lora=3", "group of settings"),
     ("guard.spike=0.5", "must be over 1"), ("objective.tasks.t2v=1", "unknown task 't2v'")],
)  # fmt: skip
def test_keys_that_are_unknown_or_of_another_type(root, tiny_preset, assignment, message):
    file = root / "stage.yaml"
    file.write_text(yaml.safe_dump(mapping(root, tiny_preset)))
    done = CliRunner().invoke(app, ["train", str(file), "--set", assignment])
    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
