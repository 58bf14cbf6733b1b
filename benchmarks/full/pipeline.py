"""A pipeline of random weights at any size, made in memory: timing does not depend on what weights say."""

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
from unison_core.text.caption_features import AUDIO_FOLDER, VIDEO_FOLDER, CaptionEncoders, CLIPCaptions, UMT5Captions
from unison_core.weights.resolve import ModelFolder
from unison_core.weights.scratch_captions import configs, write_byte_tokenizer

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
    """umT5 and CLIP of the preset's sizes, in host memory."""
    if bench.preset.model.caption.kind != "external":
        return None
    device = torch.device("cpu") if plan.captions_on_host else bench.device
    length = bench.preset.model.caption.length
    encoders = CaptionEncoders(Path(), length, device, bench.dtype)
    made = []
    for kind, (name, cls, config, first) in zip((UMT5Captions, CLIPCaptions), configs(bench.preset.model), strict=True):
        with torch.device("meta"):
            shell = cls(config)
        model = steady(shell.to(bench.dtype), torch.device("cpu"))
        for buffer_name, buffer in model.named_buffers():
            if buffer_name.endswith("position_ids"):
                buffer.copy_(torch.arange(buffer.shape[-1]).expand_as(buffer))
        encoder = kind.__new__(kind)
        encoder.model, encoder.length = model, length if name == VIDEO_FOLDER else config.max_position_embeddings
        encoder.tokenizer = byte_tokenizer(first)
        made.append(encoder)
        assert name in (VIDEO_FOLDER, AUDIO_FOLDER)
    encoders._encoders = (made[0], made[1])
    return encoders


def byte_tokenizer(first: str | None) -> Any:
    """The tokenizer of bytes, as transformers reads it."""
    from transformers import AutoTokenizer

    with tempfile.TemporaryDirectory() as folder:
        write_byte_tokenizer(Path(folder), first)
        (Path(folder) / "config.json").write_text(json.dumps({"model_type": "t5"}), encoding="utf-8")
        return AutoTokenizer.from_pretrained(folder)
