"""One run of `generate`: everything that can be checked first, then the model, then clip after clip.

The model's code is imported after the first checks: it takes seconds, and a wrong request is told of at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from unison_core.errors import PartialFailure, UnisonError, UsageError
from unison_core.pipelines.batch import Item, check_rows, run_batch
from unison_core.pipelines.device import choose_device, choose_precision, emulates
from unison_core.pipelines.generation import check_free, check_writable
from unison_core.pipelines.naming import slug, timed_name
from unison_core.pipelines.processes import World, world
from unison_core.pipelines.prompts_file import Row, read_rows
from unison_core.pipelines.request import ClipSpec, GenerateRequest, complete
from unison_core.weights.lora import parse_adapter
from unison_core.weights.resolve import DEFAULT_MODEL, ModelFolder, resolve

if TYPE_CHECKING:
    from unison_core.pipelines.unison_pipeline import UnisonPipeline

OUTPUTS = Path("outputs")
RAW_VIDEO_SHARE = 0.5
"""Room that a clip must find on the disk, as a share of its raw frames; H.264 takes far less."""


class Watcher(Protocol):
    """Who is told how a run goes."""

    def busy(self, text: str) -> AbstractContextManager[None]:
        """Something without steps goes on."""

    def info(self, text: str) -> None:
        """Something worth knowing."""

    def steps(self, text: str) -> AbstractContextManager[Callable[[int, int], None]]:
        """Something with steps goes on; gives what to call with (steps done, steps)."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Where and with what clips are made."""

    model: str = DEFAULT_MODEL
    """Bundled name, folder or Hub id."""
    device: str = "auto"
    precision: str = "auto"
    offline: bool = False
    """Never use the network."""
    overwrite: bool = False
    """Replace what is in the output folder."""
    preview: bool = False
    """Write preview.png as well."""
    gates: bool = False
    """Write gates.json as well: the gates by block and step (Unison, Fig. 8)."""
    memory: str = "auto"
    """What stays on the device: auto, full, offload or stream."""
    parallel: str = "auto"
    """How several processes share one clip: auto, sequence or guidance."""
    compile: bool = False
    """Compile the repeated blocks."""
    fp8: bool = False
    """Multiply in 8 bits in the video branch; not exact."""
    loras: tuple[str, ...] = ()
    """Adapters `FILE[:scale]` in peft's layout, merged in this order."""


def generate_one(request: GenerateRequest, run: Run, out: Path | None, watcher: Watcher) -> Item:
    """Make one clip in `out` (default `outputs/<time>-<slug>`)."""
    source = resolve(run.model, offline=run.offline)
    spec = complete(request, source.preset)
    folder = out or OUTPUTS / timed_name(title(spec))
    check_free(folder, overwrite=run.overwrite)
    pipeline = _ready(source, run, folder, spec, watcher)
    with _together(pipeline, run, watcher) as place:
        spec, folder = place.agree((spec, folder))
        record = _make(pipeline, spec, folder, run, watcher, "sampling", write=place.first)
    return Item(row=Row(number=1, id=folder.name, request=request), folder=folder, record=record)


def generate_prompts(
    prompts: str, base: GenerateRequest, run: Run, out: Path | None, watcher: Watcher, *, command: str = "generate"
) -> Iterator[Item]:
    """Make the clips of a prompts file in `out/<id>` (default `outputs/<file name>`, for stdin `outputs/<time>-stdin`).

    A file is read once before the model is loaded, so that one without a single good row fails at once; stdin is a
    stream and its rows are checked as they come. Every row must be a clip of the given command's direction.
    """
    source = resolve(run.model, offline=run.offline)
    rows = read_rows(prompts, base, command)
    place = world()
    if prompts == "-" and not place.alone:
        raise UsageError(f"prompts from stdin reach one of {place.size} processes: give a file")
    if prompts == "-":
        first = next(rows, None)
        if first is None:
            raise UnisonError("stdin held no prompts")
        rows, total = chain([first], rows), ""
        folder = out or OUTPUTS / timed_name("stdin")
    else:
        total = f" of {check_rows(read_rows(prompts, base, command), source.preset)}"
        folder = out or OUTPUTS / slug(Path(prompts).stem)
    biggest = complete(GenerateRequest(caption="-", duration_s=source.preset.timing.max_s), source.preset)
    pipeline = _ready(source, run, folder, biggest, watcher)
    made = 0

    def generate(spec: ClipSpec, target: Path) -> Mapping[str, Any]:
        nonlocal made
        made += 1
        return _make(pipeline, spec, target, run, watcher, f"clip {made}{total} {target.name}")

    rows = (row for i, row in enumerate(rows) if i % place.size == place.rank)  # every process makes its own clips
    yield from run_batch(rows, folder, source.preset, generate, overwrite=run.overwrite)


def title(spec: ClipSpec) -> str:
    """What a clip is called where nobody named it: its words, or the files that it is made from."""
    return spec.caption or spec.transcript or " ".join(path.stem for path in spec.given.files.values())


def raise_failures(items: list[Item]) -> None:
    """Raise PartialFailure if some items failed, UnisonError if all did."""
    failed = [item for item in items if item.error is not None]
    if failed and len(failed) == len(items):
        raise UnisonError(f"all {len(items)} items failed")
    if failed:
        raise PartialFailure(f"{len(failed)} of {len(items)} items failed")


def _ready(source: ModelFolder, run: Run, folder: Path, spec: ClipSpec, watcher: Watcher) -> UnisonPipeline:
    """Check all that can be checked, then load."""
    frames = source.preset.timing.shown_frames(spec.duration_s)
    check_writable(folder, int(frames * spec.size[0] * spec.size[1] * 3 * RAW_VIDEO_SHARE) + 1_000_000)
    adapters = [parse_adapter(text) for text in run.loras]
    device = choose_device(world().device(run.device))
    dtype = choose_precision(run.precision, device)
    if emulates(device, dtype):
        watcher.info("warning: this processor has no units for bf16 and is far slower in it: use --precision fp32")
    from unison_core.pipelines.captions import check_captions
    from unison_core.pipelines.loading import check_model
    from unison_core.pipelines.planning import plan_for
    from unison_core.pipelines.unison_pipeline import UnisonPipeline

    plan = plan_for(source.preset, spec, device, dtype, run.memory)
    check_model(source)
    check_captions(source, spec)
    if device.type != "cpu" or run.memory != "auto":
        watcher.info(plan.describe())
    with watcher.busy(f"loading {source.name} on {device}"):
        pipeline = UnisonPipeline.from_folder(source, device, dtype, plan, adapters, watcher.info)
    pipeline.speed_up(compile=run.compile, fp8=run.fp8)
    return pipeline


@contextmanager
def _together(pipeline: UnisonPipeline, run: Run, watcher: Watcher) -> Iterator[World]:
    """Let the processes that were started together share each clip inside the block."""
    from unison_core.pipelines.parallel import join, leave, share_clip, shared_model

    place = world()
    join(place, pipeline.device)
    try:
        way = share_clip(pipeline.model, run.parallel, place)
        if not place.alone:
            watcher.info(f"{place.size} processes share the clip: {way}")
            pipeline.residence.shared = shared_model(way)
            rows = place.least(pipeline.residence.plan.rows)  # a step's forwards are the same everywhere
            pipeline.residence.plan = replace(pipeline.residence.plan, rows=rows)
        yield place
    finally:
        leave(place)


def _make(
    pipeline: UnisonPipeline, spec: ClipSpec, folder: Path, run: Run, watcher: Watcher, text: str, write: bool = True
) -> Mapping[str, Any]:
    with watcher.steps(text) as progress:
        generation = pipeline.generate_spec(spec, progress=progress, gates=run.gates)
    if not write:
        return {**generation.metadata, "files": {}}
    return generation.save(folder, overwrite=run.overwrite, preview=run.preview).metadata
