"""Batches: one load, bad rows reported, finished clips skipped, the rest made."""

import json

import pytest

from unison_core.pipelines.record import read_record

FAST = ("--duration", "1", "--steps", 1)


def lines(result) -> list[dict]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def write(path, *rows) -> None:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))


def test_bad_rows_are_reported_and_the_rest_is_made(generate, tmp_path):
    write(tmp_path / "p.jsonl", {"id": "a", "caption": "x"}, '{"caption": "half', {"id": "c"},
          {"id": "d", "caption": "y", "duration": 99}, {"id": "e", "transcript": "Hello"})  # fmt: skip
    result = generate("--prompts", "p.jsonl", "--out", "o", "--json", *FAST)
    assert result.exit_code == 3
    items = lines(result)
    assert [item["status"] for item in items] == ["made", "failed", "failed", "failed", "made"]
    assert "no complete JSON" in items[1]["error"]
    assert "both empty" in items[2]["error"]
    assert "duration 99 s" in items[3]["error"]
    assert sorted(folder.name for folder in (tmp_path / "o").iterdir()) == ["a", "e"]
    assert "3 of 5 items failed" in result.stderr


def test_a_second_run_continues(generate, tmp_path, monkeypatch):
    write(tmp_path / "p.jsonl", {"id": "a", "caption": "x"}, {"id": "b", "caption": "y", "seed": 4})
    assert generate("--prompts", "p.jsonl", *FAST).stdout == "outputs/p/a\noutputs/p/b\n"
    first = read_record(tmp_path / "outputs/p/a")
    write(tmp_path / "p.jsonl", {"id": "a", "caption": "x"}, {"id": "b", "caption": "y", "seed": 4}, {"caption": "z"})
    result = generate("--prompts", "p.jsonl", "--json", *FAST)
    assert result.exit_code == 0
    assert [item["status"] for item in lines(result)] == ["skipped", "skipped", "made"]
    assert read_record(tmp_path / "outputs/p/a") == first


def test_other_settings_are_not_mistaken_for_finished(generate, tmp_path):
    write(tmp_path / "p.jsonl", {"id": "a", "caption": "x"})
    generate("--prompts", "p.jsonl", *FAST)
    write(tmp_path / "p.jsonl", {"id": "a", "caption": "another"})
    result = generate("--prompts", "p.jsonl", *FAST)
    assert result.exit_code == 1
    assert "made with other settings" in result.stderr
    assert generate("--prompts", "p.jsonl", *FAST, "--overwrite").exit_code == 0
    assert read_record(tmp_path / "outputs/p/a")["request"]["caption"] == "another"


def test_an_interrupted_batch_keeps_what_is_finished(generate, tmp_path, monkeypatch):
    from unison_core.pipelines.unison_pipeline import UnisonPipeline

    whole = UnisonPipeline.generate_spec
    calls = []

    def interrupted(self, spec, **kwargs):
        calls.append(spec)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(self, spec, **kwargs)

    monkeypatch.setattr(UnisonPipeline, "generate_spec", interrupted)
    write(tmp_path / "p.jsonl", *({"id": name, "caption": "x"} for name in "abc"))
    assert generate("--prompts", "p.jsonl", "--out", "o", *FAST).exit_code == 130
    assert [folder.name for folder in (tmp_path / "o").iterdir()] == ["a"]
    result = generate("--prompts", "p.jsonl", "--out", "o", "--json", *FAST)
    assert [item["status"] for item in lines(result)] == ["skipped", "made", "made"]


def test_a_failing_clip_does_not_end_the_batch(generate, tmp_path, monkeypatch):
    from unison_core.pipelines.unison_pipeline import UnisonPipeline

    whole = UnisonPipeline.generate_spec

    def fail_on_bomb(self, spec, **kwargs):
        if spec.caption == "bomb":
            raise RuntimeError("boom")
        return whole(self, spec, **kwargs)

    monkeypatch.setattr(UnisonPipeline, "generate_spec", fail_on_bomb)
    write(tmp_path / "p.jsonl", {"caption": "bomb"}, {"caption": "x"})
    result = generate("--prompts", "p.jsonl", "--out", "o", *FAST)
    assert result.exit_code == 3
    assert "boom" in result.stderr
    assert result.stdout == "o/0002-x\n"


@pytest.mark.parametrize("stdin", ['{"caption": "x"}\n', "caption\nx\n"])
def test_prompts_from_stdin(generate, stdin):
    result = generate("--prompts", "-", "--out", "o", *FAST, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "o/0001-x\n"


def test_a_clip_does_not_depend_on_its_batch(generate, tmp_path):
    write(tmp_path / "p.jsonl", {"caption": "w"}, {"id": "b", "caption": "x", "seed": 9})
    generate("--prompts", "p.jsonl", "--out", "o", *FAST)
    generate("-c", "x", "--seed", 9, "--out", "single", *FAST)
    assert read_record(tmp_path / "o" / "b")["sha256"] == read_record(tmp_path / "single")["sha256"]
