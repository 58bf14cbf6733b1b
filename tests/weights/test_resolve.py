"""A model's name leads to its folder, or to one line that says why not."""

from pathlib import Path

import pytest

from unison_core.errors import UnisonError, UsageError
from unison_core.weights import resolve as module
from unison_core.weights.resolve import PRESET_FILE, folder_named, resolve


def test_a_folder_is_a_model(tiny_folder, tiny_preset):
    found = resolve(str(tiny_folder))
    assert found.preset == tiny_preset
    assert found.revision is None
    assert set(found.hashes) == {file.name for file in tiny_folder.iterdir()}


def test_a_bundled_name_comes_first(tiny_folder, tmp_path, monkeypatch):
    (tmp_path / "bundled").mkdir()
    (tmp_path / "bundled" / "unison-nano").symlink_to(tiny_folder)
    monkeypatch.setattr(module, "BUNDLED", tmp_path / "bundled")
    assert resolve("unison-nano").path == tmp_path / "bundled" / "unison-nano"
    with pytest.raises(UsageError, match="did you mean unison-nano"):
        resolve("unison-nono")


@pytest.mark.parametrize("name", ["no such", "../elsewhere/", "/nowhere", "a/b/c", ""])
def test_unknown_names_are_refused_without_the_network(name):
    with pytest.raises(UsageError, match="unknown model"):
        resolve(name)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(UsageError, match=PRESET_FILE):
        resolve(str(tmp_path))
    (tmp_path / PRESET_FILE).write_text("name: x\n")
    with pytest.raises(UsageError, match="safetensors"):
        resolve(str(tmp_path))


def test_offline_never_downloads(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UnisonError, match="--offline forbids"):
        resolve("somebody/some-model@main", offline=True)


def test_a_preset_is_data_and_never_code(tmp_path):
    (tmp_path / PRESET_FILE).write_text("name: !!python/object/apply:os.system ['touch /tmp/owned']\n")
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(UsageError, match="cannot read"):
        _ = resolve(str(tmp_path)).preset


def test_configurations_name_bundled_folders_or_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (folder_named("unison-nano") / PRESET_FILE).is_file()
    assert (folder_named("separator-nano") / "separator.yaml").is_file()
    assert all(folder_named(name) == Path(name) for name in ("runs/nano/model", "./runs/model", "model", ".."))
