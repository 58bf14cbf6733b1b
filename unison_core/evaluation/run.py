"""One evaluation from request to report: find or make the clips, score them, write what was found.

Writes into the output folder: `scores.jsonl` (a line as each score is known), `summary.json`, `summary.md`,
`index.html`, and, where clips are made, `clips/`.
"""

import json
import os
import platform
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from unison_core.errors import PartialFailure, UnisonError, UsageError
from unison_core.evaluation.engine import Settings, evaluate, set_scores
from unison_core.evaluation.inputs import join, read_items
from unison_core.evaluation.item import Item
from unison_core.evaluation.page import write_page
from unison_core.evaluation.registry import Metric, select
from unison_core.evaluation.score_log import ScoreLog
from unison_core.evaluation.sets import NANO_BENCH, first_of_each, load_set
from unison_core.evaluation.summary import Summary, summarise
from unison_core.evaluation.tables import markdown
from unison_core.evaluation.weights import WeightStore
from unison_core.pipelines.naming import slug
from unison_core.pipelines.runs import OUTPUTS
from unison_core.pipelines.share import Share, join_others, own_device, wait

CLIPS, RECORDINGS = "clips", "recordings"


class Watcher(Protocol):
    """Who is told how an evaluation goes."""

    def info(self, text: str) -> None:
        """Something worth knowing."""

    def warn(self, text: str) -> None:
        """Something that may be wrong."""

    def busy(self, text: str) -> AbstractContextManager[None]:
        """Something without steps goes on."""

    def steps(self, text: str) -> AbstractContextManager[Callable[[int, int], None]]:
        """Something with steps goes on."""


@dataclass(frozen=True, kw_only=True)
class EvalRequest:
    """What is to be evaluated, and how.

    Attributes:
        source: folder, manifest or video; or prompts, if there is a model.
        benchmark: bundled set or manifest of one; its clips are those in `source`, or made by the model.
        recordings: judge the corpus' own recordings of nano-bench instead.
        model: makes the clips. steps: sampling steps, if not the model's own.
        metrics: names; None is the weight-free set.
        limit: the first so many items, in turn from the subsets.
        out: folder of the results. features: folder of features that several evaluations share.
        weights: folder of learned metrics' weights. offline: never use the network.
        device, precision: of models. jobs: processes of weight-free metrics; None takes one a core.
        page: write index.html.
        loras: adapters on the model, as `generate --lora` takes them.
    """

    source: Path | None = None
    benchmark: str | None = None
    recordings: bool = False
    model: str | None = None
    steps: int | None = None
    metrics: Sequence[str] | None = None
    limit: int | None = None
    out: Path
    features: Path | None = None
    weights: Path | None = None
    offline: bool = False
    device: str = "auto"
    precision: str = "auto"
    jobs: int | None = None
    page: bool = True
    loras: tuple[str, ...] = ()


def default_out(source: Path | None, benchmark: str | None, recordings: bool) -> Path:
    """`outputs/eval-<what>`: the same request again goes on in the same folder."""
    what = f"{NANO_BENCH}-recordings" if recordings else "-".join(
        slug(Path(part).stem) for part in (source, benchmark) if part
    )  # fmt: skip
    return OUTPUTS / f"eval-{what or 'clips'}"


def run_evaluation(request: EvalRequest, watcher: Watcher) -> Summary:
    """Evaluate; with several processes (`accelerate launch`) each scores its share and the first writes the results.

    Raises:
        UsageError: the request makes no sense. UnisonError: nothing could be scored.
    """
    chosen, explicit = select(request.metrics)
    items = wanted_items(request)
    share = Share.of_this_process()
    device = own_device(request.device, share)
    state = join_others(share, device)
    request = replace(request, device=str(device))
    items = _with_clips(items, request, watcher, share, state)
    settings = Settings(
        out=request.out, cache=request.features, explicit=explicit, device=device,
        jobs=max(1, (os.cpu_count() or 1) // share.count) if request.jobs is None else request.jobs,
        store=WeightStore(folder=request.weights, offline=request.offline, tell=watcher.info),
        rank=share.rank, world=share.count,
    )  # fmt: skip
    with watcher.steps(f"scoring {len(items)} clips by {len(chosen)} metrics") as progress:
        evaluate(items, chosen, settings, progress)
    wait(state)
    log = ScoreLog(settings.out, settings.rank)
    sets = {name: score for metric in chosen if metric.over_set
            for name, score in set_scores(items, metric, settings).items()}  # fmt: skip
    summary = summarise(items, chosen, log, sets, _about(request, chosen))
    if share.rank == 0:
        write_results(request.out, summary, page=request.page)
    wait(state)
    return summary


def write_results(out: Path, summary: Summary, *, page: bool) -> None:
    """`summary.json`, `summary.md` and `index.html`, each whole or not at all."""
    texts = {"summary.json": json.dumps(summary.to_mapping(), indent=2, ensure_ascii=False) + "\n",
             "summary.md": markdown(summary)}  # fmt: skip
    for name, text in texts.items():
        part = out / f".{name}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(out / name)
    if page:
        write_page(out / "index.html", summary, f"unison eval: {summary.about.get('what', '')}")


def first_process() -> bool:
    """Whether this process is the one that reports."""
    return int(os.environ.get("RANK", "0")) == 0


def raise_faults(summary: Summary) -> None:
    """Raise PartialFailure where scores are missing that should be there, UnisonError where there are none at all."""
    of_set = any(score.value is not None for score in summary.set_figures.values())
    if not of_set and not any(found.values for found in summary.figures.values()):
        why = next(iter(summary.faults), "no metric applies to these clips")
        raise UnisonError(f"nothing could be scored: {why}")
    if summary.faults:
        reason, count = next(iter(summary.faults.items()))
        raise PartialFailure(
            f"{sum(summary.faults.values())} scores are missing, {count} of them because: {reason} "
            "(the summary lists all)"
        )


def wanted_items(request: EvalRequest) -> list[Item]:
    """Items by the request, before any clip is made.

    Raises:
        UsageError: source, set, model and recordings do not fit together.
    """
    if request.recordings and (request.model or request.source or (request.benchmark or NANO_BENCH) != NANO_BENCH):
        raise UsageError("--recordings are nano-bench's own: they take neither clips, a model, nor another --set")
    if request.recordings or request.benchmark:
        items = load_set(request.benchmark or NANO_BENCH)
        if request.source and request.model:
            raise UsageError("name either a folder of clips or a --model that makes them, not both")
        items = first_of_each(items, request.limit) if request.limit else items
        return join(items, read_items(request.source)) if request.source else items
    if request.source is None:
        raise UsageError("name a folder, a manifest or a video to score, or a --set")
    items = read_items(request.source, prompts=request.model is not None)
    return first_of_each(items, request.limit) if request.limit else items


def _with_clips(items: list[Item], request: EvalRequest, watcher: Watcher, share: Share, state: Any) -> list[Item]:
    """Items whose clips are there: recorded, generated, or as they came."""
    if request.recordings:
        from unison_core.evaluation.sets.nano_bench import record

        mine = items[share.rank :: share.count]
        with watcher.steps(f"recording {len(mine)} clips of the corpus") as progress:
            record(mine, request.out / RECORDINGS, progress)
        wait(state)
        return record(items, request.out / RECORDINGS)
    model = request.model or ("unison-nano" if request.benchmark and not request.source else None)
    if model is None:
        if empty := [item.id for item in items if not item.files]:
            raise UsageError(f"{empty[0]} names no video: pass --model to make the clips of prompts")
        return items
    from unison_core.evaluation.generating import generate_items

    generate_items(items, replace(request, model=model), watcher, share.rank)
    wait(state)
    return join(items, read_items(request.out / CLIPS))


def _about(request: EvalRequest, chosen: Sequence[Metric]) -> dict[str, Any]:
    what = "recordings of nano-bench" if request.recordings else str(request.source or request.benchmark or "")
    return {
        "what": what, "model": request.model or "", "machine": platform.machine(),
        "metrics": [metric.name for metric in chosen], "versions": _versions(),
    }  # fmt: skip


def _versions() -> dict[str, str]:
    from unison_core.pipelines.record import versions

    return {name: value for name, value in versions().items() if name != "platform"}
