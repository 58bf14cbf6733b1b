"""examples/train_nano.sh runs every part once, goes on where it stopped, and leaves nothing behind that still runs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "train_nano.sh"
STUB = """#!/bin/bash
echo "$0 $*" >> "$LOG"
sleep 0.1
case "$*" in *"$FAILS"*) exit 1;; esac
mkdir -p runs/nano/{codecs,codecs-again,separator/model,unison-nano}
touch runs/nano/codecs/a.safetensors runs/nano/codecs-again/a.safetensors runs/nano/separator/model/separator.yaml
[[ $* != *nano-separator* ]] || { sleep 1; echo separated >> "$LOG"; }
"""


@pytest.fixture
def train(tmp_path):
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    (tmp_path / "examples").mkdir()
    script = shutil.copy(SCRIPT, tmp_path / "examples")
    (tmp_path / "bin").mkdir()
    for name in ("unison", "accelerate"):
        (tmp_path / "bin" / name).write_text(STUB)
        (tmp_path / "bin" / name).chmod(0o755)
    log = tmp_path / "log"

    def run(fails="nothing fails", **settings: str) -> tuple[int, list[str]]:
        """Exit code, and what the commands were given since the last run."""
        log.write_text("")
        environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "LOG": str(log),
                       "FAILS": fails, "GPUS": "1", "WORKERS": "16", "OMP_NUM_THREADS": "2", **settings}  # fmt: skip
        done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True, timeout=60)
        return done.returncode, log.read_text().splitlines()

    return run


def count(lines: list[str], *words: str) -> int:
    return sum(all(word in line for word in words) for line in lines)


def test_every_part_runs_once_and_a_second_run_only_bundles(train):
    code, lines = train()
    assert code == 0
    assert count(lines, "prepare", "--no-video") == 1
    assert count(lines, "prepare") == 5  # two shares a leg
    assert count(lines, "nano-joint.yaml") == 2
    assert count(lines, "separated") == 1
    code, lines = train()
    assert code == 0
    assert count(lines) == count(lines, "export") == 1


def test_the_first_leg_alone_waits_for_the_separator_too(train):
    code, lines = train(JOINT_AGAIN_MINUTES="0")
    assert code == 0
    assert (count(lines, "nano-joint.yaml"), count(lines, "separated"), count(lines, "export")) == (1, 1, 0)


def test_what_failed_is_made_again_and_what_was_finished_is_not(train):
    code, lines = train("nano-audio.yaml", SEPARATOR_MINUTES="0")
    assert code != 0
    assert count(lines, "nano-joint.yaml") == 0
    code, lines = train(SEPARATOR_MINUTES="0")
    assert code == 0
    assert (count(lines, "nano-video-vae.yaml"), count(lines, "nano-audio.yaml")) == (1, 1)  # its decoder; stage 1


def test_several_gpus_are_launched_together(train):
    code, lines = train(GPUS="3", WORKERS="64", SEPARATOR_MINUTES="0")
    assert code == 0
    assert count(lines, "accelerate", "--num_processes 3", "batch=192") == 2
    assert count(lines, "prepare", "--workers 10") == 10
    assert count(lines, "nano-audio.yaml", "data.shards=runs/nano/audio-latents") == 1


def test_what_another_machine_made_is_not_made_again(train, tmp_path):
    runs = tmp_path / "runs" / "nano"
    (runs / "codecs").mkdir(parents=True)
    for part in ("video-vae", "audio-vae", "vocoder", "audio"):
        (runs / f"{part}.done").touch()
    code, lines = train(SEPARATOR_MINUTES="0")
    assert code == 0
    assert count(lines, "--no-video") == count(lines, "nano-audio.yaml") == 0
    assert count(lines, "nano-joint.yaml") == 2
