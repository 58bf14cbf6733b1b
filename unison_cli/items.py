"""How a finished, skipped or failed clip is told of."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any

from unison_cli.failures import message
from unison_cli.output import Output, print_error

if TYPE_CHECKING:  # it would import torch, which `unison --help` does not wait for
    from unison_core.pipelines.batch import Item
    from unison_core.pipelines.separate import Separated


def report_item(output: Output, item: Item) -> None:
    """Print a clip's folder (or its JSON object) on stdout, its warnings and failures on stderr."""
    if item.error is not None:
        text = message(item.error)
        if output.debug:
            traceback.print_exception(item.error, file=sys.stderr)
        print_error(f"line {item.row.number}{f' ({item.row.id})' if item.row.id else ''}: {text}")
        if output.json:
            output.result({"id": item.row.id, "line": item.row.number, "status": "failed", "error": text}, "")
        return
    assert item.record is not None
    warnings = [check["message"] for check in item.record["checks"] if not check["passed"]]
    if item.skipped:
        output.info(f"{item.folder}: finished already, skipped")
    else:
        for warning in warnings:
            output.warn(f"{item.folder}: {warning}")
        if (picture := item.record["output"].get("picture", "copied")) != "copied":
            output.warn(f"{item.folder}: the picture was {picture}")
        output.info(summary(item.record))
    output.result(describe(item, warnings), str(item.folder))


def describe(item: Item, warnings: list[str]) -> dict[str, Any]:
    """A clip as JSON data; among its files is the record, which cannot hold its own hash."""
    from unison_core.pipelines.generation import RECORD

    assert item.record is not None
    request = item.record["request"]
    return {
        "id": item.row.id,
        "status": "skipped" if item.skipped else "made",
        "folder": str(item.folder),
        "files": {name: f"{item.folder}/{name}" for name in (*item.record["files"], RECORD)},
        "seed": request["seed"],
        "duration_s": request["duration_s"],
        "timings_s": item.record["timings_s"],
        "warnings": warnings,
    }


def summary(record: Any) -> str:
    """One line about a new clip: length, time, seed."""
    duration = record["request"]["duration_s"]
    spent = sum(seconds for part, seconds in record["timings_s"].items() if part != "load")
    pace = f"{duration:.2f} s of clip in {spent:.1f} s ({spent / duration:.1f} times its length)"
    return f"{pace}, seed {record['request']['seed']}"


def report_separated(output: Output, item: Separated) -> None:
    """Print the folder of a recording's stems (or its JSON object) on stdout, warnings and failures on stderr."""
    if item.error is not None:
        text = message(item.error)
        if output.debug:
            traceback.print_exception(item.error, file=sys.stderr)
        told = item.source.path is None or str(item.source.path) in text
        print_error(text if told else f"{item.source.path}: {text}")
        if output.json:
            output.result({"id": item.source.name, "status": "failed", "error": text}, "")
        return
    assert item.record is not None
    if item.skipped:
        output.info(f"{item.folder}: finished already, skipped")
    for warning in () if item.skipped else item.record["warnings"]:
        output.warn(f"{item.source.path}: {warning}")
    data = {"id": item.source.name, "status": "skipped" if item.skipped else "made", "folder": str(item.folder),
            "files": {stream: f"{item.folder}/{name}" for stream, name in item.record["files"].items()},
            "duration_s": item.record["duration_s"], "warnings": item.record["warnings"]}  # fmt: skip
    output.result(data, str(item.folder))
