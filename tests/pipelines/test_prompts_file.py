"""Batches are read row by row, and a bad row is an error of that row alone."""

import io
import json

import pytest

from unison_core.errors import UsageError
from unison_core.media.mix import MixSettings
from unison_core.pipelines.prompts_file import read_rows
from unison_core.pipelines.request import GenerateRequest

BASE = GenerateRequest(negative="blur", steps=3, mix=MixSettings(duck_db=6))


def rows_of(tmp_path, text: str, name: str = "prompts.jsonl", base: GenerateRequest = BASE):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return list(read_rows(str(path), base))


def test_rows_override_the_command_line(tmp_path):
    lines = [
        {"id": "a", "caption": "x", "seed": 5, "duration": "auto", "text_scale": "video=3", "sync_interval": "0.6-1"},
        {"caption": "A drum, please!", "duration": 2.5, "size": "64x32", "span": "0.5-1", "mix": {"lufs": -16}},
    ]
    first, second = rows_of(tmp_path, "\n".join(map(json.dumps, lines)))
    assert (first.id, first.request.seed, first.request.steps, first.request.negative) == ("a", 5, 3, "blur")
    assert first.request.text_scale == {"video": 3.0}
    assert first.request.sync_interval == (0.6, 1.0)
    assert second.id == "0002-a-drum-please"
    assert (second.request.duration_s, second.request.size, second.request.span_s) == (2.5, (64, 32), (0.5, 1.0))
    assert second.request.mix == MixSettings(duck_db=6, lufs=-16)


def test_csv_and_jsonl_say_the_same(tmp_path):
    table = 'id,caption,transcript,duration,seed\na,"One, two ""three""\nfour",Hello,auto,1\nb,Drum,,2,\n'
    lines = [
        {"id": "a", "caption": 'One, two "three"\nfour', "transcript": "Hello", "seed": 1},
        {"id": "b", "caption": "Drum", "duration": 2},
    ]
    from_csv = rows_of(tmp_path, table, "p.csv")
    from_json = rows_of(tmp_path, "\n".join(map(json.dumps, lines)))
    assert [(r.id, r.request) for r in from_csv] == [(r.id, r.request) for r in from_json]


def test_a_seed_on_the_command_line_differs_by_row(tmp_path):
    rows = rows_of(tmp_path, '{"caption": "a"}\n{"caption": "b"}\n', base=GenerateRequest(seed=10))
    assert [row.request.seed for row in rows] == [10, 11]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{"caption": "half', "no complete JSON"),
        ("[1, 2]", "no JSON object"),
        ('{"captoin": "x"}', "unknown key 'captoin'"),
        ('{"id": "../up", "caption": "x"}', "no plain folder name"),
        ('{"id": "..", "caption": "x"}', "starts with a dot"),
        ('{"id": "/etc", "caption": "x"}', "no plain folder name"),
        ('{"id": "a\\u0000b", "caption": "x"}', "no plain folder name"),
        ('{"id": "", "caption": "x"}', "empty"),
        ('{"caption": "x", "duration": "long"}', "not a number"),
        ('{"caption": "x", "size": "big"}', "WIDTHxHEIGHT"),
        ('{"caption": "x", "steps": 2.5}', "steps must be int"),
        ('{"caption": 7}', "caption must be str"),
        ('{"caption": "x", "mix": {"lufs": 9}}', "outside"),
        ('{"id": "good", "caption": "x"}', "already used in line 1"),
    ],
)
def test_one_bad_row_does_not_hide_the_others(tmp_path, line, error):
    rows = rows_of(tmp_path, f'{{"id": "good", "caption": "x"}}\n{line}\n\n{{"id": "last", "caption": "y"}}')
    assert [row.number for row in rows] == [1, 2, 4]
    assert error in rows[1].error
    assert rows[1].request is None
    assert [rows[0].id, rows[2].id] == ["good", "last"]


def test_csv_faults_are_named(tmp_path):
    rows = rows_of(tmp_path, 'caption,seed\nx\ny,word\nz,1\n"open,2\n', "p.csv")
    assert "1 fields, but the header names 2" in rows[0].error
    assert "whole number" in rows[1].error
    assert rows[2].request.caption == "z"
    assert "no complete CSV row" in rows[3].error


@pytest.mark.parametrize("text", ['{"caption": "a"}\n', "caption\na\n"])
def test_stdin_is_either(monkeypatch, text):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    (row,) = read_rows("-", BASE)
    assert row.request.caption == "a"


def test_stdin_is_a_stream(monkeypatch):
    """The first row is there before the second has been written."""

    class Endless(io.StringIO):
        def __next__(self) -> str:
            return '{"caption": "a"}\n'

    monkeypatch.setattr("sys.stdin", Endless())
    rows = read_rows("-", BASE)
    assert [next(rows).id for _ in range(3)] == ["0001-a", "0002-a", "0003-a"]


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        list(read_rows(str(tmp_path / "none.jsonl"), BASE))
    with pytest.raises(UsageError, match="Is a directory"):
        list(read_rows(str(tmp_path), BASE))
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(UsageError, match="UTF-8"):
        list(read_rows(str(tmp_path / "binary.jsonl"), BASE))
