"""A pipeline of random weights at any size, made in memory: timing does not depend on what weights say."""

import atexit
import json
import tempfile
from pathlib import Path
from typing import Any

import torch

from full.bench import Bench, random_model, steady
from unison_core.codecs.codec import Codec
from unison_core.pipelines.loading import Loaded
from unison_core.pipelines.memory_plan import FULL, MemoryPlan
from unison_core.pipelines.planning import plan_for
from unison_core.pipelines.request import GenerateRequest, complete
from unison_core.pipelines.unison_pipeline import UnisonPipeline
from unison_core.text.caption_features import CaptionEncoders
from unison_core.weights.from_wan import UMT5_COPY
from unison_core.weights.resolve import ModelFolder
from unison_core.weights.scratch_captions import configs, write_byte_tokenizer
from unison_core.weights.tensors import write_tensors

CAPTION = "A woman in a green coat talks while a drum is struck"
TRANSCRIPT = "We start again in five minutes"


def request(bench: Bench, **settings: Any) -> GenerateRequest:
    """The clip of the benchmark."""
    timing = bench.preset.timing
    return GenerateRequest(transcript=TRANSCRIPT, duration_s=bench.frames / timing.fps, size=bench.size, seed=1,
                           **{"caption": CAPTION, "steps": bench.steps, **settings})  # fmt: skip


def random_pipeline(bench: Bench, memory: str = "auto") -> UnisonPipeline:
    """A pipeline under the plan that fits what is free."""
    plan = plan_for(bench.preset, complete(request(bench), bench.preset), bench.device, bench.dtype, memory)
    place = bench.device if plan.mode == FULL else torch.device("cpu")
    model = random_model(bench, place)
    with torch.random.fork_rng(devices=[]), bench.device:  # where random numbers are quickly drawn
        codec = Codec(bench.preset)
    codec.precision = bench.dtype
    folder = ModelFolder("random weights", Path())
    folder.__dict__.update(preset=bench.preset, hashes={}, header={})
    codec.to(place)
    if bench.device.type == "cuda":
        torch.cuda.empty_cache()
    loaded = Loaded(model=model, codec=codec, captions=random_captions(bench, plan))
    return UnisonPipeline(folder, loaded, bench.device, bench.dtype, plan)


def random_captions(bench: Bench, plan: MemoryPlan) -> CaptionEncoders | None:
    """umT5 and CLIP of the preset's sizes, in files as in a model folder."""
    folder = captions_folder(bench)
    if folder is None:
        return None
    device = torch.device("cpu") if plan.captions_on_host else bench.device
    return CaptionEncoders(folder, bench.preset.model.caption.length, device, bench.dtype)


def captions_folder(bench: Bench) -> Path | None:
    """The caption encoders' files, of weights that are quickly made; None where the preset's captions are bundled."""
    if bench.encoders is None and bench.preset.model.caption.kind == "external":
        temporary = tempfile.TemporaryDirectory()
        atexit.register(temporary.cleanup)
        bench.encoders = Path(temporary.name)
        for name, kind, settings, first in configs(bench.preset.model):
            with torch.device("meta"):
                shell = kind(settings)
            state = steady(shell.to(bench.dtype), torch.device("cpu")).state_dict()
            write_tensors(bench.encoders / name, {key: x for key, x in state.items() if key != UMT5_COPY})
            text = json.dumps(settings.to_dict(), default=str)
            (bench.encoders / name / "config.json").write_text(text, encoding="utf-8")
            write_byte_tokenizer(bench.encoders / name, first)
    return bench.encoders
