"""Batches as JSONL or CSV: one row per clip, read as a stream, where a bad row is an error of that row alone."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from unison_core.config import from_mapping, to_mapping
from unison_core.errors import UsageError
from unison_core.pipelines.given import Given
from unison_core.pipelines.naming import check_id, slug
from unison_core.pipelines.request import GenerateRequest
from unison_core.pipelines.spelling import (
    parse_duration,
    parse_interval,
    parse_scales,
    parse_seconds,
    parse_size,
    parse_span,
)

SPELLED: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "duration": ("duration_s", parse_duration),
    "size": ("size", parse_size),
    "text_scale": ("text_scale", parse_scales),
    "sync_scale": ("sync_scale", parse_scales),
    "sync_interval": ("sync_interval", partial(parse_interval, name="sync interval")),
    "shift": ("shift", parse_scales),
    "span": ("span_s", parse_span),
    "guidance_interval": ("guidance_interval", partial(parse_interval, name="guidance interval")),
}
"""Keys whose values are spelled as on the command line: the field that each sets, and its parser."""
GIVEN_KEYS = {"start" if f.name == "start_s" else f.name: f.name for f in fields(Given)}
"""Keys that say what a clip is made from; files are looked for where the command runs."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a prompts file.

    Attributes:
        number: line in the file, from 1.
        id: folder name of the clip; None where the row is bad.
        request: what to make; None where the row is bad.
        error: what is wrong with the row.
    """

    number: int
    id: str | None = None
    request: GenerateRequest | None = None
    error: str | None = None


def read_rows(source: str, base: GenerateRequest, command: str = "generate") -> Iterator[Row]:
    """Rows of a prompts file, one by one as they come.

    Args:
        source: path of a `.csv` file, or of any other file as JSONL; `-` is JSONL (or CSV, if the first line is no
            JSON object) from stdin.
        base: settings of rows that do not say otherwise. With a seed, row n gets seed + n - 1.
        command: a row that is made from other things than this command's is an error.

    Raises:
        UsageError: the file cannot be read.
    """
    if source == "-":
        yield from _rows(sys.stdin, base, command, as_csv=None)
        return
    path = Path(source)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _rows(file, base, command, as_csv=path.suffix.lower() == ".csv")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"prompts file {source} cannot be read: {reason}") from error


def _rows(file: TextIO, base: GenerateRequest, command: str, as_csv: bool | None) -> Iterator[Row]:
    seen: dict[str, int] = {}
    for index, (number, data) in enumerate(_raw_rows(file, as_csv)):
        try:
            row = _row(index, number, data, base, command)
            assert row.id is not None
            if row.id in seen:
                raise UsageError(f"id {row.id!r} was already used in line {seen[row.id]}")
            seen[row.id] = number
            yield row
        except UsageError as error:
            yield Row(number=number, error=str(error))


def _raw_rows(file: TextIO, as_csv: bool | None) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Line number and content: a mapping, or the message why it is none."""
    first = next(file, "")
    if as_csv is None:
        as_csv = bool(first.strip()) and not first.lstrip().startswith("{")
    lines = chain([first], file)
    return _csv_rows(lines) if as_csv else _json_rows(lines)


def _json_rows(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, _json_object(line)


def _csv_rows(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    reader = csv.reader(lines, strict=True)
    header = [name.strip() for name in next(reader, [])]
    while True:
        number = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, f"no complete CSV row: {error}"
            continue
        if len(record) == len(header):
            yield number, {name: value for name, value in zip(header, record, strict=True) if value.strip()}
        elif record:
            yield number, f"{len(record)} fields, but the header names {len(header)}"


def _json_object(line: str) -> dict[str, Any] | str:
    try:
        data = json.loads(line)
    except ValueError as error:
        return f"no complete JSON: {error}"
    return data if isinstance(data, dict) else f"no JSON object but {line.strip()[:40]!r}"


def _row(index: int, number: int, data: dict[str, Any] | str, base: GenerateRequest, command: str) -> Row:
    if isinstance(data, str):
        raise UsageError(data)
    values = dict(data)
    name = values.pop("id", None)
    media = {field: _spelled(key, values.pop(key)) for key, field in GIVEN_KEYS.items() if key in values}
    given = {SPELLED[key][0] if key in SPELLED else key: _spelled(key, value) for key, value in values.items()}
    settings = to_mapping(base)
    if base.seed is not None:
        settings["seed"] = base.seed + index
    spelled = {field for field, _ in SPELLED.values()}
    plain = (f.name for f in fields(GenerateRequest) if f.name not in {*spelled, "given"})
    allowed = [*SPELLED, *plain, *GIVEN_KEYS]
    for key in values:
        if key not in allowed:
            raise UsageError(f"unknown key {key!r}; there are id, {', '.join(allowed)}")
    mix = given.pop("mix", {})
    if not isinstance(mix, Mapping):
        raise UsageError(f"mix must be an object, not {mix!r}")
    groups = {"mix": {**settings["mix"], **mix}, "given": {**settings["given"], **media}}
    request = from_mapping(GenerateRequest, {**settings, **given, **groups}, "row")
    if request.given.command != command:
        raise UsageError(f"the row gives what `unison {request.given.command}` takes, but this is `unison {command}`")
    if name is None:
        files = " ".join(path.stem for path in request.given.files.values())
        name = f"{index + 1:04d}-{slug(request.caption or request.transcript or files)}"
    return Row(number=number, id=check_id(str(name)), request=request)


def _spelled(key: str, value: Any) -> Any:
    if key in SPELLED and isinstance(value, (str, int, float)):
        _, parse = SPELLED[key]
        return parse(str(value))
    if key in ("seed", "steps") and isinstance(value, str):
        try:
            return int(value)
        except ValueError as error:
            raise UsageError(f"{key} must be a whole number, not {value!r}") from error
    if key == "start" and isinstance(value, str):
        return parse_seconds("start", value)
    if key == "keep_rate" and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value
