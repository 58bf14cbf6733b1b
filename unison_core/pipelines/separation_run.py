"""One run of `unison separate`: everything that can be checked first, then the model, then recording after recording.

Under `accelerate launch` process r of n takes every n-th recording from the r-th on, so no two write the same item.
Each lists what it wrote; the first process joins the lists when all are done. All end with the same exit code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from unison_core.errors import PartialFailure, UnisonError
from unison_core.pipelines.generation import check_writable
from unison_core.pipelines.separate import Progress, Separated, SeparateSettings, separate_all
from unison_core.pipelines.separation_items import list_sources, output_row
from unison_core.pipelines.share import Share, join_others, own_device, total
from unison_core.separation.find import DEFAULT_SEPARATOR, SeparatorFiles, find_separator

if TYPE_CHECKING:
    import torch

MANIFEST = "manifest.jsonl"
LEAST_FREE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class SeparationRun:
    """What is separated, where and with what."""

    inputs: Sequence[Path]
    manifest: Path | None = None
    pattern: str | None = None
    out: Path
    format: str = "wav"
    stem: str = "both"
    model: str = DEFAULT_SEPARATOR
    device: str = "auto"
    precision: str = "auto"
    batch: int | None = None
    """Windows computed together; None: 4 on a CPU, 16 on a GPU."""
    workers: int | None = None
    """Recordings in the works at a time; None: 2 on a CPU, 8 on a GPU."""
    compiled: bool = False
    """Compile the model first: a minute that pays on a GPU from an hour of sound on."""
    offline: bool = False
    overwrite: bool = False


def separate(run: SeparationRun, progress: Progress | None = None) -> Iterator[Separated]:
    """Separate what `run` names, yielding what became of each recording; writes `manifest.jsonl` at the end.

    Raises:
        UsageError, UnisonError: the run cannot begin, or the disk is full. PartialFailure: some recordings failed.
    """
    share = Share.of_this_process()
    settings = SeparateSettings(out=run.out, format=run.format, stem=run.stem, overwrite=run.overwrite)
    sources = list_sources(run.inputs, run.manifest, run.out, run.pattern)
    check_writable(run.out, LEAST_FREE)
    files = find_separator(run.model, offline=run.offline)
    device = own_device(run.device, share)
    state = join_others(share, device)
    settings, separator = _ready(run, settings, files, device)
    from unison_core.separation.service import SeparationService  # imports torch, after the checks

    run.out.mkdir(parents=True, exist_ok=True)
    failed, part = 0, run.out / f".manifest.{share.rank}-of-{share.count}.partial"
    own = sources[share.rank :: share.count]
    try:
        with part.open("w", encoding="utf-8") as rows, SeparationService(separator) as service:
            for item in separate_all(own, service, settings, progress):
                failed += item.error is not None
                if item.record is not None:
                    rows.write(_line(item, run.out))
                yield item
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    failed = total(state, failed)
    if share.rank == 0:
        _join_manifests(run.out, share.count)
    if failed == len(sources):
        raise UnisonError(f"all {failed} recordings failed" if failed > 1 else "nothing was separated")
    if failed:
        raise PartialFailure(f"{failed} of {len(sources)} recordings failed")


def _ready(run: SeparationRun, settings: SeparateSettings, files: SeparatorFiles, device: torch.device):  # type: ignore[no-untyped-def]
    """Load the model; settle what depends on the device."""
    import torch

    from unison_core.pipelines.device import has_fast_bf16
    from unison_core.separation.precision import HALVES, separator_precision
    from unison_core.separation.separator import Separator

    on_gpu = device.type == "cuda"
    precision = separator_precision(run.precision, device, files.config.dim, has_fast_bf16(device))
    if on_gpu and precision in HALVES:
        torch.set_float32_matmul_precision("high")  # TF32 at the ends that stay in float32
    separator = Separator(
        files.config, files.load(), device, precision,
        batch=run.batch or (16 if on_gpu else 4), compiled=run.compiled,
    )  # fmt: skip
    model = {"name": files.name, "sha256": files.digest}
    return replace(settings, workers=run.workers or (8 if on_gpu else 2), model=model), separator


def _line(item: Separated, out: Path) -> str:
    assert item.record is not None
    files = {stream: f"{item.source.name}/{name}" for stream, name in item.record["files"].items()}
    facts = {key: item.record[key] for key in ("duration_s", "rate_hz", "channels")}
    return json.dumps(output_row(item.source, out, files, facts), ensure_ascii=False) + "\n"


def _join_manifests(out: Path, count: int) -> None:
    """All processes' rows, sorted by id, as `manifest.jsonl`."""
    parts = [out / f".manifest.{rank}-of-{count}.partial" for rank in range(count)]
    lines = [line for part in parts for line in part.read_text(encoding="utf-8").splitlines()]
    lines.sort(key=lambda line: str(json.loads(line)["id"]))
    whole = out / f".{MANIFEST}.partial"
    whole.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    os.replace(whole, out / MANIFEST)
    for part in parts:
        part.unlink()
