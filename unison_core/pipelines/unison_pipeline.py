"""Words, sound, video, image -> clip: the Python interface under the command line.

pipeline = UnisonPipeline.from_pretrained("unison-nano")
pipeline.generate(caption="A woman talks while a drum is struck", transcript="We start now").save("out")
pipeline.a2v(speech="talk.wav", caption="A man talks while rain falls").save("out-2")
pipeline.v2a(video="clip.mp4", transcript="Good evening", keep="sfx").save("out-3")
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from unison_core.codecs import lean_decoder
from unison_core.config import Preset
from unison_core.diffusion.evaluations import AT_ONCE
from unison_core.diffusion.generate_latents import JointModel, Sampled
from unison_core.errors import UsageError
from unison_core.media.activity import heard_s
from unison_core.media.mix import mix_stems
from unison_core.model.fp8 import quantise_blocks
from unison_core.pipelines.attention_backend import fastest_attention
from unison_core.pipelines.captions import check_captions
from unison_core.pipelines.compiling import keep_compiled
from unison_core.pipelines.decoding import decode_clip
from unison_core.pipelines.device import PRECISIONS, choose_device, choose_precision, device_name
from unison_core.pipelines.finishing import finish
from unison_core.pipelines.gate_record import GateRecorder
from unison_core.pipelines.generation import Generation
from unison_core.pipelines.given_media import encode_given, encode_reference, read_given
from unison_core.pipelines.loading import Loaded, check_model, load
from unison_core.pipelines.memory_plan import AUTO, STREAM, MemoryPlan, Needs, free_bytes, needs, smaller
from unison_core.pipelines.planning import plan_for
from unison_core.pipelines.request import ClipSpec, GenerateRequest, complete
from unison_core.pipelines.residence import Residence
from unison_core.pipelines.sampling import Progress, sample_clip
from unison_core.pipelines.separating import Separator, bundled_separator
from unison_core.pipelines.stopwatch import Stopwatch
from unison_core.pipelines.when_spoken import LISTENING_STEPS, must_listen, told_span
from unison_core.text.prompt import encode_prompts, span_within
from unison_core.types import SPEECH, Prompt, TextInputs
from unison_core.weights.lora import Adapter, parse_adapter
from unison_core.weights.resolve import DEFAULT_MODEL, ModelFolder, resolve


class UnisonPipeline:
    """A loaded model that generates clips.

    Attributes:
        source: where the model came from.
        device: where it runs.
        dtype: precision of the joint model; the codecs keep theirs.
        plan: what is on the device when.
    """

    def __init__(
        self, source: ModelFolder, loaded: Loaded, device: torch.device, dtype: torch.dtype, plan: MemoryPlan
    ) -> None:
        self.source, self.device, self.dtype = source, device, dtype
        self.model, self.codec, self.loaded = loaded.model, loaded.codec, loaded
        self.residence = Residence(self.model, self.codec, device, plan)
        self.load_s, self.fp8 = 0.0, False
        self.adapters: tuple[Adapter, ...] = ()
        self.tell: Callable[[str], None] = lambda text: None
        self._separator: Separator | None = None

    @classmethod
    def from_pretrained(
        cls, name: str = DEFAULT_MODEL, *, device: str = "auto", precision: str = "auto", offline: bool = False,
        memory: str = AUTO, loras: Sequence[str] = (),
    ) -> "UnisonPipeline":  # fmt: skip
        """Load a model.

        Args:
            name: bundled name, folder, or Hub id `owner/name[@revision]`.
            device: `auto`, `cpu`, `cuda[:i]` or `mps`.
            precision: `auto` (bf16 where the device computes it in hardware), `bf16` or `fp32`.
            offline: never use the network.
            memory: `auto`, `full`, `offload` or `stream`: what stays on the device (`memory_plan`).
            loras: adapters `FILE[:scale]` in peft's layout, merged in this order.

        Raises:
            UsageError: no such model, adapter, device, precision or memory mode.
            UnisonError: the model's files are damaged, do not fit together, or cannot be downloaded.
        """
        place = choose_device(device)
        dtype = choose_precision(precision, place)
        adapters = [parse_adapter(text) for text in loras]
        source = resolve(name, offline=offline)
        check_model(source)
        return cls.from_folder(source, place, dtype, plan_for(source.preset, None, place, dtype, memory), adapters)

    @classmethod
    def from_folder(
        cls, source: ModelFolder, device: torch.device, dtype: torch.dtype, plan: MemoryPlan,
        adapters: Sequence[Adapter] = (), tell: Callable[[str], None] = lambda text: None,
    ) -> "UnisonPipeline":  # fmt: skip
        """Load a model that was resolved and checked (`check_model`), and merge adapters into it.

        Where the plan does not fit after all, the next smaller one is taken, and `tell` is told.
        """
        watch = Stopwatch(device)
        preset = source.preset
        with watch.part("load"):
            while True:  # others may have taken memory since the plan was made
                try:
                    pipeline = cls(source, load(source, device, dtype, plan, adapters), device, dtype, plan)
                    break
                except torch.OutOfMemoryError:
                    longest = preset.timing.frames_covering(preset.timing.max_s)
                    need = needs(preset, (preset.size.width, preset.size.height), longest, dtype)
                    following = smaller(plan, need, free_bytes(device))
                    if following is None:
                        raise
                plan = following
                tell(f"out of memory: again with {plan.describe()}")
        pipeline.adapters, pipeline.tell = tuple(adapters), tell
        pipeline.load_s = watch.seconds["load"]
        return pipeline

    @property
    def preset(self) -> Preset:
        """Sizes, rates, limits and sampling defaults."""
        return self.source.preset

    def generate(
        self,
        request: GenerateRequest | None = None,
        *,
        image: str | Path | None = None,
        reference_audio: str | Path | None = None,
        progress: Progress | None = None,
        **settings: Any,
    ) -> Generation:
        """Generate one clip from words, and from a first frame where one is given.

        Args:
            request: what to make; or name its fields here: `generate(caption=..., transcript=..., seed=1)`.
            image: file of the first frame.
            reference_audio: file of a voice that shall speak.
            progress: called after every sampling step.

        Raises:
            UsageError: a value is outside what the model does.
            UnisonError: the model produced values that are no numbers.
        """
        return self._make(request, progress, settings, image=image, reference_audio=reference_audio)

    def a2v(
        self,
        request: GenerateRequest | None = None,
        *,
        audio: str | Path | None = None,
        speech: str | Path | None = None,
        sfx: str | Path | None = None,
        image: str | Path | None = None,
        reference_audio: str | Path | None = None,
        start_s: float = 0.0,
        keep_rate: bool = False,
        progress: Progress | None = None,
        **settings: Any,
    ) -> Generation:
        """Generate the picture to given sound, and the stem that is missing.

        Args:
            request: further settings, or name its fields as keywords.
            audio: a recording, which is separated; or its stems: speech, sfx, or both.
            image: file of the first frame.
            reference_audio: a voice for speech that is generated.
            start_s: where in the files the clip begins.
            keep_rate: write sound at the files' own rate.
            progress: called after every sampling step.

        Raises:
            UsageError: no sound is given, a file is no such thing, or a value is outside what the model does.
        """
        if not (audio or speech or sfx or (request and request.given.stems)):
            raise UsageError("a2v needs sound: audio, speech or sfx")
        return self._make(
            request, progress, settings, audio=audio, speech=speech, sfx=sfx, image=image,
            reference_audio=reference_audio, start_s=start_s, keep_rate=keep_rate,
        )  # fmt: skip

    def v2a(
        self,
        request: GenerateRequest | None = None,
        *,
        video: str | Path | None = None,
        speech: str | Path | None = None,
        sfx: str | Path | None = None,
        keep: str | None = None,
        reference_audio: str | Path | None = None,
        start_s: float = 0.0,
        keep_rate: bool = False,
        progress: Progress | None = None,
        **settings: Any,
    ) -> Generation:
        """Generate sound to a given video: both stems, or the one that is not given (dubbing, new effects).

        Args:
            request: further settings, or name its fields as keywords.
            video: its picture is kept; its sound is not, but for `keep`.
            speech, sfx: a stem that is given.
            keep: `speech` or `sfx`: the stem of the video's own sound that is kept.
            reference_audio, start_s, keep_rate, progress: as in `a2v`.

        Raises:
            UsageError: no video is given, a file is no such thing, or a value is outside what the model does.
        """
        if not (video or (request and request.given.video)):
            raise UsageError("v2a needs a video")
        return self._make(
            request, progress, settings, video=video, speech=speech, sfx=sfx, keep=keep,
            reference_audio=reference_audio, start_s=start_s, keep_rate=keep_rate,
        )  # fmt: skip

    def _make(
        self, request: GenerateRequest | None, progress: Progress | None, settings: dict[str, Any], **given: Any
    ) -> Generation:
        request = replace(request, **settings) if request else GenerateRequest(**settings)
        named: dict[str, Any] = {name: str(x) if isinstance(x, Path) else x for name, x in given.items() if x}
        if named:
            request = replace(request, given=replace(request.given, **named))
        return self.generate_spec(complete(request, self.preset), progress=progress)

    def generate_spec(self, spec: ClipSpec, *, progress: Progress | None = None, gates: bool = False) -> Generation:
        """Generate the clip of a completed request; `gates` keeps the gates of every block and step.

        Where memory runs out, the clip is made again in a smaller arrangement; not where several processes share it,
        which would wait for each other in different steps.
        """
        while True:
            try:
                return self._generate(spec, progress, gates)
            except torch.OutOfMemoryError:
                plan = smaller(self.residence.plan, self._needs(spec), free_bytes(self.device))
                if plan is None or self.residence.shared:
                    raise
            self.tell(f"out of memory: again with {plan.describe()}")
            self.residence.close()
            self.residence = Residence(self.model, self.codec, self.device, plan)
            if plan.captions_on_host and self.loaded.captions:
                self.loaded.captions.device = torch.device("cpu")

    @torch.inference_mode()
    def _generate(self, spec: ClipSpec, progress: Progress | None, gates: bool) -> Generation:
        watch = Stopwatch(self.device)
        check_captions(self.source, spec)
        with watch.part("read"):
            media = read_given(spec, self.preset.timing, self._separate)
        with watch.part("encode"), self.residence.coding():
            given = encode_given(media, self.codec, self.preset.timing, self._frames(spec))
            reference = encode_reference(media, self.codec)
        with watch.part("text"):
            if self.loaded.captions is not None:
                self.loaded.captions.encode([spec.negative, spec.caption])  # together: the encoders are read once
            null = self._text(Prompt(caption=spec.negative), spec, dropped=True)
        span_s = told_span(spec, media)
        listened = 0
        if must_listen(spec, media, span_s):
            steps = min(LISTENING_STEPS, spec.steps)
            with watch.part("listen"):
                before = progress and _stretch(progress, 0, steps + spec.steps)
                span_s, listened = self._listen(replace(spec, steps=steps), null, given, reference, before)
            progress = progress and _stretch(progress, steps, steps + spec.steps)
        with watch.part("text"):
            untold = SPEECH in media.stems and not spec.transcript  # somebody speaks, we are not told what
            said = Prompt(caption=spec.caption, transcript=spec.transcript, span_s=span_s)
            text = self._text(said, spec, dropped=untold)
        with watch.part("sample"), self._sampling(spec) as model:
            recorder = GateRecorder(model) if gates else None
            sampled = self._sample(spec, recorder or model, text, null, given, reference, progress)
        sampled = replace(sampled, evaluations=sampled.evaluations + listened)
        with self.residence.coding():
            frames, stems = decode_clip(self.codec, self.preset.timing, spec, media, sampled.latents, watch)
        with watch.part("mix"):
            mixed = mix_stems(stems, media.rate_hz, spec.mix, given=media.stems)
        generation = finish(
            spec, media, sampled, frames, mixed, source=self.source, adapters=self.adapters, run=self._run(),
            load_s=self.load_s, watch=watch,
        )  # fmt: skip
        return replace(generation, gates=recorder.to_mapping()) if recorder else generation

    def _listen(
        self,
        spec: ClipSpec,
        null: TextInputs,
        given: dict[str, torch.Tensor],
        reference: torch.Tensor | None,
        progress: Progress | None,
    ) -> tuple[tuple[float, float] | None, int]:
        """When a first pass speaks to the given picture, or None; and its evaluations (`when_spoken`)."""
        text = self._text(Prompt(caption=spec.caption, transcript=spec.transcript), spec)
        brief = replace(spec, sync_scale={}, cache_every=1)
        with self._sampling(spec) as model:
            sampled = self._sample(brief, model, text, null, given, reference, progress)
        with self.residence.coding():
            wave = self.codec.decode_audio(sampled.latents[SPEECH])[0].float().cpu().numpy()
        spoken_s = heard_s(wave, self.preset.timing.sample_rate_hz)
        return spoken_s and span_within(spec.transcript, spoken_s, spec.duration_s), sampled.evaluations

    @contextmanager
    def _sampling(self, spec: ClipSpec) -> Iterator[Any]:
        """The joint model on the device, with the attention that is fastest for the clip."""
        attention = fastest_attention(self.device, self._attention_shape(spec), self.dtype)
        with attention, self.residence.sampling() as model:
            yield model

    def _attention_shape(self, spec: ClipSpec) -> tuple[int, int, int, int]:
        """(B, H, L, d) of the video branch's self-attention."""
        video, stride = self.preset.model.video, self.preset.codecs.video.spatial_stride
        frames = self.preset.timing.video_latents(self.preset.timing.frames_covering(spec.duration_s))
        tokens = frames * (spec.size[1] // stride // video.patch[1]) * (spec.size[0] // stride // video.patch[2])
        return (1, video.heads, tokens, video.dim // video.heads)

    def speed_up(self, *, compile: bool = False, fp8: bool = False) -> None:
        """Compile repeated blocks and the decoder's norms, or multiply in 8 bits in the video branch (not exact).

        Raises:
            UsageError: the arrangement in memory or the device does not allow it.
        """
        streamed = self.residence.plan.mode == STREAM
        if fp8:
            if streamed:
                raise UsageError("--fp8 with --memory stream: 8-bit weights take half the room; use --memory offload")
            plan, shared = self.residence.plan, self.residence.shared
            self.residence.close()
            quantise_blocks(self.model.video.blocks)
            self.residence = Residence(self.model, self.codec, self.device, plan)
            self.residence.shared = shared
            self.fp8 = True
        if compile:
            if streamed:
                raise UsageError("--compile with --memory stream: copying the weights takes the time, not computing")
            keep_compiled()
            self.model.compile_blocks()
            self.codec.pointwise = lean_decoder.compiled()

    def _needs(self, spec: ClipSpec) -> Needs:
        return needs(self.preset, spec.size, self.preset.timing.frames_covering(spec.duration_s), self.dtype)

    def _text(self, prompt: Prompt, spec: ClipSpec, *, dropped: bool = False) -> TextInputs:
        """A prompt as the model takes it, with features of frozen encoders where its captions are external."""
        text = encode_prompts([prompt], self.preset, [spec.duration_s], dropped=dropped, tokenizer=self.loaded.phonemes)
        if self.loaded.captions is None:
            return text
        features = self.loaded.captions.encode([prompt.caption])
        return replace(text, captions=features.map(lambda x: x.to(self.dtype)))

    def _frames(self, spec: ClipSpec) -> int:
        return self.preset.timing.frames_covering(spec.duration_s)

    def _separate(self) -> Separator:
        if self._separator is None:
            self._separator = bundled_separator(str(self.device))
        return self._separator

    def _sample(
        self,
        spec: ClipSpec,
        model: JointModel,
        text: TextInputs,
        null: TextInputs,
        given: dict[str, torch.Tensor],
        reference: torch.Tensor | None,
        progress: Progress | None,
    ) -> Sampled:
        coded = self.residence.with_codecs
        return sample_clip(
            model, spec, text, null, preset=self.preset, given=given, reference=reference,
            silence=coded(self.codec.silence), still=coded(self.codec.still),
            at_once=AT_ONCE if self.residence.plan.rows > 1 else 1,
            device=self.device, dtype=self.dtype, progress=progress,
        )  # fmt: skip

    def _run(self) -> dict[str, Any]:
        """Where and how the clip is computed, for its record."""
        precision = next(name for name, dtype in PRECISIONS.items() if dtype == self.dtype)
        return {"device": str(self.device), "device_name": device_name(self.device), "precision": precision,
                "threads": torch.get_num_threads(), "memory": self.residence.plan.mode, "fp8": self.fp8}  # fmt: skip


def _stretch(progress: Progress, done: int, steps: int) -> Progress:
    """`progress` of a part of `steps` steps, before which `done` were made."""
    return lambda i, _: progress(done + i, steps)
