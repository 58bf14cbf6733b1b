"""Many clips with one loaded model: finished ones are skipped, a bad one never ends the batch.

Every clip is made alone from its own seed, so a clip does not depend on which others are in the batch.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unison_core.config import Preset
from unison_core.errors import UsageError
from unison_core.pipelines.generation import RECORD
from unison_core.pipelines.prompts_file import Row
from unison_core.pipelines.record import read_record, spec_from
from unison_core.pipelines.request import ClipSpec, complete
from unison_core.weights.checksums import sha256


@dataclass(frozen=True, kw_only=True)
class Item:
    """What became of one row.

    Attributes:
        row: the row.
        folder: where its clip is; None where it failed before it had a folder.
        record: the clip's record; None where it failed.
        skipped: the clip was there already.
        error: why it failed.
    """

    row: Row
    folder: Path | None = None
    record: Mapping[str, Any] | None = None
    skipped: bool = False
    error: Exception | None = None


def run_batch(
    rows: Iterable[Row],
    out: Path,
    preset: Preset,
    generate: Callable[[ClipSpec, Path], Mapping[str, Any]],
    *,
    overwrite: bool = False,
) -> Iterator[Item]:
    """Make every row's clip in `out/<id>`, yielding what became of each as it happens.

    Args:
        rows: from `read_rows`.
        out: the output folder.
        preset: what the model does.
        generate: makes one clip, writes it into the folder and returns its record.
        overwrite: make finished clips again.
    """
    for row in rows:
        if row.request is None or row.id is None:
            yield Item(row=row, error=UsageError(row.error or "the row is empty"))
            continue
        folder = out / row.id
        try:
            spec = complete(row.request, preset)
            done = None if overwrite else finished(folder, spec, drawn_seed=row.request.seed is None)
            if done is not None:
                yield Item(row=row, folder=folder, record=done, skipped=True)
                continue
            record = generate(spec, folder)
        except Exception as error:  # whatever it is, it is this row's
            yield Item(row=row, folder=folder, error=error)
            continue
        yield Item(row=row, folder=folder, record=record)


def finished(folder: Path, wanted: ClipSpec, *, drawn_seed: bool) -> dict[str, Any] | None:
    """The record in `folder` if it holds the clip that is wanted; None if there is nothing.

    Args:
        folder: where the clip would be.
        wanted: the completed request.
        drawn_seed: the seed was not asked for, so any will do.

    Raises:
        UsageError: the folder holds something else.
    """
    if not folder.exists():
        return None
    if not (folder / RECORD).is_file():
        raise UsageError(f"{folder} exists, but is no finished clip: remove it, or pass --overwrite")
    record = read_record(folder)
    made = spec_from(record, str(folder))
    if made != (replace(wanted, seed=made.seed) if drawn_seed else wanted):
        raise UsageError(f"{folder} was made with other settings: choose another --out, or pass --overwrite")
    for name, path in wanted.given.files.items():
        if record["inputs"][name]["sha256"] != sha256(path):
            raise UsageError(f"{folder} was made when {path} was another file: choose another --out, or --overwrite")
    return record


def check_rows(rows: Iterable[Row], preset: Preset) -> int:
    """Number of rows that can be made; raises UsageError, naming the first fault, where none can."""
    good, first = 0, "it has no rows"
    for row in rows:
        try:
            if row.request is None:
                raise UsageError(row.error or "it is empty")
            complete(row.request, preset)
            good += 1
        except UsageError as error:
            first = f"line {row.number}: {error}" if first == "it has no rows" else first
    if not good:
        raise UsageError(f"the prompts file holds nothing that can be made: {first}")
    return good
