"""Checkpoints: whole or not there, verified, the newest and the best kept; no failure costs an older one."""

import errno
import shutil
from collections import namedtuple

import pytest
import torch

from unison_core.errors import UnisonError
from unison_core.training import checkpoints as module
from unison_core.training.checkpoints import Checkpoints, verify, write_own


def _save(checkpoints, step, loss=None, value=None):
    return checkpoints.save(
        step, 1, {"x": torch.full((1000,), float(step if value is None else value))},
        lambda folder: write_own(folder, 0, 1, {"row": step}), lambda: None,
        main=True, figures={} if loss is None else {"loss": loss},
    )  # fmt: skip


@pytest.fixture
def told():
    return []


@pytest.fixture
def checkpoints(tmp_path, told):
    return Checkpoints(tmp_path / "c", keep=2, tell=told.append)


def _steps(checkpoints):
    return [int(folder.name[5:]) for folder in checkpoints.folders()]


def test_what_was_saved_comes_back(checkpoints):
    assert checkpoints.latest() is None
    assert _save(checkpoints, 7)
    found = checkpoints.latest()
    assert (found.step, found.processes) == (7, 1)
    assert torch.equal(found.state()["x"], torch.full((1000,), 7.0))
    assert found.own(0, 1) == {"row": 7}
    assert found.own(0, 2) is None


def test_the_newest_and_the_best_stay(checkpoints):
    for step, loss in ((1, 0.5), (2, 0.3), (3, 0.4), (4, 0.6), (5, 0.7)):
        _save(checkpoints, step, loss)
    assert _steps(checkpoints) == [2, 4, 5]
    assert checkpoints.best().name == "step-00000002"


@pytest.mark.parametrize("harm", ["cut", "changed", "missing", "no manifest", "manifest of nonsense"])
def test_a_damaged_checkpoint_is_told_of_and_the_older_one_taken(checkpoints, told, harm):
    _save(checkpoints, 1)
    _save(checkpoints, 2)
    folder = checkpoints.folders()[-1]
    state = folder / "state.pt"
    if harm == "cut":
        state.write_bytes(state.read_bytes()[:-1])
    elif harm == "changed":
        data = bytearray(state.read_bytes())
        data[len(data) // 2] ^= 1
        state.write_bytes(bytes(data))
    elif harm == "missing":
        (folder / "process-00000-of-00001.pt").unlink()
    elif harm == "no manifest":
        (folder / "manifest.json").unlink()
    else:
        (folder / "manifest.json").write_text('{"files": 3}')
    assert isinstance(verify(folder), str)
    assert checkpoints.latest().step == 1
    assert "step-00000002 is damaged" in told[0]


def test_nothing_but_damaged_ones_is_an_error(checkpoints):
    _save(checkpoints, 1)
    (checkpoints.folders()[0] / "state.pt").unlink()
    with pytest.raises(UnisonError, match=r"no checkpoint .* is whole"):
        checkpoints.latest()


def test_a_kill_in_the_middle_leaves_no_checkpoint(checkpoints):
    _save(checkpoints, 1)
    half = checkpoints.folder / ".step-00000002.partial"
    shutil.copytree(checkpoints.folders()[0], half)
    old = checkpoints.folder / ".step-00000000.removed"
    old.mkdir()
    assert checkpoints.latest().step == 1
    checkpoints.clear_partial()
    assert not half.exists()
    assert not old.exists()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("short write")])
def test_a_disk_that_fills_up_costs_nothing(checkpoints, told, monkeypatch, error):
    _save(checkpoints, 1)

    def full(state, path):
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(module.torch, "save", full)
    assert not _save(checkpoints, 2)
    monkeypatch.undo()
    assert "no checkpoint at step 2" in told[0]
    assert [folder.name for folder in checkpoints.folder.iterdir()] == ["step-00000001"]
    assert checkpoints.latest().step == 1


def test_too_little_room_is_seen_before_anything_is_written(checkpoints, told, monkeypatch):
    _save(checkpoints, 1)
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage(100))
    assert not _save(checkpoints, 2)
    assert "0.00 GB are free" in told[0]
    assert _steps(checkpoints) == [1]


def test_the_same_step_may_be_saved_again(checkpoints):
    _save(checkpoints, 3)
    _save(checkpoints, 3, value=4)
    assert float(checkpoints.latest().state()["x"][0]) == 4
