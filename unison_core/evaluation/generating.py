"""Makes the clips of prompts by a model, as `unison generate --prompts` does, with the gates recorded."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from unison_core.errors import UsageError
from unison_core.evaluation.item import Item
from unison_core.pipelines.request import GenerateRequest
from unison_core.pipelines.runs import Run, generate_prompts

if TYPE_CHECKING:
    from unison_core.evaluation.run import EvalRequest, Watcher

CLIPS = "clips"


def generate_items(items: Sequence[Item], request: "EvalRequest", watcher: "Watcher", rank: int = 0) -> None:
    """Make the clips of `items` in `out/clips/<id>`, of several processes each its share.

    What is there is kept, and what fails is told of and not scored.

    Raises:
        UsageError: an item has neither caption nor transcript; or the model is not there.
    """
    assert request.model is not None
    rows = [_row(item) for item in items]
    request.out.mkdir(parents=True, exist_ok=True)
    prompts = request.out / ("prompts.jsonl" if rank == 0 else f"prompts.{rank}.jsonl")
    prompts.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    run = Run(
        model=request.model, device=request.device, precision=request.precision, offline=request.offline, gates=True,
        loras=request.loras,
    )
    base = GenerateRequest(steps=request.steps)
    for item in generate_prompts(str(prompts), base, run, request.out / CLIPS, watcher):
        if item.error is not None:
            watcher.warn(f"{item.row.id or f'line {item.row.number}'} was not made: {item.error}")


def _row(item: Item) -> dict[str, object]:
    if not item.caption and not item.transcript:
        raise UsageError(f"{item.id} has neither caption nor transcript: there is nothing to make")
    row: dict[str, object] = {"id": item.id, "caption": item.caption or "", "transcript": item.transcript or ""}
    if item.duration_s is not None:
        row["duration"] = item.duration_s
    return {**row, **({"seed": item.seed} if item.seed is not None else {}), **item.settings}
