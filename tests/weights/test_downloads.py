"""Downloads with the real Hub client against a server on this machine: resumed, verified, and refused with a reason."""

from pathlib import Path

import pytest
from local_hub import COMMITS, Hub, serving

from unison_core.errors import UnisonError, UsageError
from unison_core.weights.checksums import verify, verify_downloads
from unison_core.weights.resolve import (
    PRESET_FILE,
    folder_named,
    missing_downloads,
    resolve,
    resolve_preset,
    resolve_public,
)


@pytest.fixture
def hub(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files = {str(file.relative_to(tiny_folder)): file.read_bytes() for file in tiny_folder.rglob("*") if file.is_file()}
    older = {**files, PRESET_FILE: files[PRESET_FILE].replace(b"name: tiny", b"name: older")}
    with serving(Hub({"main": {**files, "notes.bin": b"unused"}, "v1": older})) as server:
        for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
        yield server


def test_a_model_and_its_revisions_are_downloaded_once(hub: Hub) -> None:
    found = resolve("someone/model")
    assert found.revision == COMMITS["main"]
    assert found.preset.name == "tiny"
    assert not (found.path / "notes.bin").exists()  # nothing that is not read
    verify(found.path)
    assert resolve("someone/model@v1").preset.name == "older"
    bodies = [path for method, path, _ in hub.requests if method == "GET" and "/resolve/" in path]
    count = len(bodies)
    assert resolve("someone/model").path == found.path
    assert len([1 for method, path, _ in hub.requests if method == "GET" and "/resolve/" in path]) == count
    assert resolve("someone/model", offline=True).path == found.path


def test_training_starts_from_a_hub_model_and_from_folders_as_they_are(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folder_named("someone/model@v1") == resolve("someone/model@v1").path
    assert folder_named("unison-nano").name == "unison-nano"
    count = len(hub.requests)
    assert folder_named("someone/model@v1").is_dir()  # not asked again in the middle of a training
    (tmp_path / "someone" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert folder_named("someone/model") == Path("someone/model")  # what lies here is meant
    assert folder_named("runs/nano/joint/model") == Path("runs/nano/joint/model")
    assert folder_named("./nothing") == Path("./nothing")
    assert len(hub.requests) == count
    with pytest.raises(UsageError, match="'someone/else': it is no folder, and the Hub has no such"):
        folder_named("someone/else")


def test_a_cut_download_goes_on_where_it_stopped(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 10_000)
    hub.cut_after = 40_000
    verify(resolve("someone/model").path)
    assert hub.cut_after == 0
    assert [wanted for _, _, wanted in hub.requests if wanted] == ["bytes=40000-"]


def test_a_file_of_other_bytes_is_named(hub: Hub) -> None:
    hub.corrupt = {"vocoder.safetensors"}
    found = resolve("someone/model")
    with pytest.raises(UnisonError, match=r"vocoder\.safetensors has SHA-256 .* was published: delete it"):
        verify(found.path)


def test_what_the_hub_does_not_have_is_a_usage_error(hub: Hub) -> None:
    with pytest.raises(UsageError, match="no such public repository"):
        resolve("someone/else")
    with pytest.raises(UsageError, match="has no revision 'v9'"):
        resolve("someone/model@v9")


def test_a_closed_repository_says_how_to_get_in(hub: Hub) -> None:
    hub.token = "secret"
    with pytest.raises(UnisonError, match="asks for consent first: open"):
        resolve("someone/model")
    hub.refusal = "RepoNotFound"  # the Hub does not tell strangers what is private
    with pytest.raises(UsageError, match="a private one asks for `hf auth login`"):
        resolve("someone/model")
    hub.refusal = ""
    with pytest.raises(UnisonError, match="the Hub refuses this token: run `hf auth login`"):
        resolve("someone/model")


def test_offline_and_unreachable_are_told_apart(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnisonError, match="--offline forbids"):
        resolve("someone/model", offline=True)
    assert not hub.requests
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UnisonError, match="the Hub cannot be reached"):
        resolve("someone/model")


def test_a_dry_run_downloads_the_preset_alone_and_counts_the_rest(hub: Hub) -> None:
    found = resolve_preset("someone/model")
    assert found.preset.name == "tiny"
    bodies = {path.rpartition("/")[2] for method, path, _ in hub.requests if method == "GET" and "/resolve/" in path}
    assert bodies == {PRESET_FILE}
    missing = missing_downloads("someone/model", found.revision)
    files = hub.files["main"]
    assert missing == {name: len(body) for name, body in files.items() if name.endswith(".safetensors")}
    resolve("someone/model")
    assert missing_downloads("someone/model", found.revision) == {}


def test_public_weights_of_other_bytes_are_named(hub: Hub) -> None:
    """`train init` compares what it downloads with its hash, whatever the format."""
    published = b"weights" * 10
    hub.files["main"]["weights/flow.pth"] = published
    path, _ = resolve_public("someone/model", ["weights/*.pth"])
    verify_downloads(path, ["weights/*.pth"])
    hub.files["v1"]["weights/other.pth"] = published[::-1]
    hub.corrupt = {"weights/other.pth"}
    path, _ = resolve_public("someone/model@v1", ["weights/*.pth"])
    with pytest.raises(UnisonError, match=r"other\.pth has SHA-256"):
        verify_downloads(path, ["weights/*.pth"])
