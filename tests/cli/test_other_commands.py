"""`corpus`, `train`, `export` and `doctor` reach the library and report as every command does."""

import json
import shutil

import pytest


def test_corpus_writes_media_and_manifest(unison, tmp_path):
    pytest.importorskip("skia", reason="needs skia-python (pip install -e '.[corpus]') and its system libraries")
    if shutil.which("flite") is None:
        pytest.skip("needs the system package flite")
    result = unison("corpus", "--out", "c", "--count", 1, "--seed", 3, "--workers", 0, "--size", 64, "--json")
    assert result.exit_code == 0, result.stderr
    manifest = json.loads(result.stdout)["manifest"]
    (row,) = (json.loads(line) for line in (tmp_path / manifest).read_text().splitlines())
    assert all((tmp_path / "c" / row[key]).is_file() for key in ("video", "speech", "sfx"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stage: dance\n", "stage='dance' is none of"),
        ("stage: [\n", "cannot read"),
        ("stage: joint\nsteeps: 3\n", "steeps"),
    ],
)
def test_train_names_what_is_wrong(unison, tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    result = unison("train", "c.yaml")
    assert result.exit_code == 2
    assert message in result.stderr
    assert unison("train", "missing.yaml").exit_code == 2


def test_an_exported_model_generates(unison, tiny_folder, tmp_path):
    assert unison("export", tiny_folder, "--out", "shipped").stdout == "shipped\n"
    result = unison("generate", "--model", "shipped", "--device", "cpu", "-c", "x", "--duration", 1, "--out", "o")
    assert result.exit_code == 0, result.stderr
    assert unison("export", tiny_folder, "--out", "x", "--precision", "int4").exit_code == 2


def test_doctor_lists_what_it_looked_at(unison):
    result = unison("doctor", "--json")
    findings = {item["name"]: item["state"] for item in map(json.loads, result.stdout.splitlines())}
    assert {"python", "torch", "ffmpeg", "cpu", "gpu", "flite"} <= set(findings)
    assert findings["ffmpeg"] == "ok"
    assert result.exit_code == ("broken" in findings.values())
