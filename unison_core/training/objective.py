"""The training objective: flow matching per stream under cross-modal forcing and cross-task synergy.

    L = w_v L_v + w_a (L_sp + L_sfx)                                                               (Unison eq. 8, 9)

Every sample trains one row of the task table (Harmony sec. 3.2): given streams have sigma = 0 and no loss.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from einops import reduce, repeat
from torch import Tensor

from unison_core.diffusion.flow import interpolate, velocity
from unison_core.diffusion.forcing import ForcingConfig, draw_sigmas, forcing_weights
from unison_core.diffusion.progressive import Phase
from unison_core.model.unison import Unison
from unison_core.tasks import ANCHORS, TASKS, Task
from unison_core.training.emphasis import Emphasis
from unison_core.training.given_picture import GivenPicture
from unison_core.types import AUDIO_STREAMS, MIX, SFX, SPEECH, STREAMS, VIDEO, CaptionFeatures, Latents, TextInputs


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """What is trained, and how hard."""

    tasks: Mapping[str, float] = field(default_factory=lambda: {"t2av": 1.0})
    """Probability of each row of the task table; they are normalised."""
    task_weights: Mapping[str, float] = field(default_factory=dict)
    """Loss factors that replace those of the task table (lambda_v = 0.1 for a2v, lambda_a = 0.3 for v2a)."""
    forcing: ForcingConfig = field(default_factory=ForcingConfig)
    p_drop_caption: float = 0.1
    """Probability that only the caption is withheld."""
    p_drop_transcript: float = 0.1
    """Probability that only the transcript is withheld."""
    p_drop_both: float = 0.0
    """Probability that both are: the state that guidance subtracts."""
    p_thin_caption: float = 0.0
    """Probability that of a caption only some words are left, where the picture or a reference voice is given: what was
    not said has to be seen or heard there. Features of frozen encoders are withheld whole."""
    stream_weights: Mapping[str, float] = field(default_factory=lambda: {VIDEO: 1.0, SPEECH: 1.0, SFX: 1.0})
    emphasis: Emphasis = field(default_factory=Emphasis)
    """Part of the picture whose error counts more."""
    given_picture: GivenPicture = field(default_factory=GivenPicture)
    """Rows with a given picture as they are in use: words at their mean pace, lips that say others."""

    def __post_init__(self) -> None:
        unknown = sorted({*self.tasks, *self.task_weights} - set(TASKS))
        if unknown:
            raise ValueError(f"unknown task {unknown[0]!r}; there are: {', '.join(TASKS)}")
        if not self.tasks or min(self.tasks.values()) < 0 or sum(self.tasks.values()) <= 0:
            raise ValueError("tasks need non-negative probabilities that do not all vanish")


@dataclass(frozen=True, kw_only=True)
class LatentBatch:
    """B clips of one length.

    Attributes:
        latents: clean latents by stream.
        text: tokenised prompts.
        frames: pixel frames.
        static: bool `(B,)`, True for (static picture, silence) pairs; None is none of them.
        reference: latents `(B, R, C)` of each clip's voice, or None.
        unsaid: what frozen caption encoders say of an empty caption, one row; needed where `text` has features.
    """

    latents: Latents
    text: TextInputs
    frames: int
    static: Tensor | None = None
    reference: Tensor | None = None
    unsaid: CaptionFeatures | None = None


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Losses `(B,)` by stream: `weighted` adds up to the objective, `plain` is the flow-matching error, with its
    emphasis but without weights.

    Attributes:
        sigmas: the noise level each plain loss was measured at, `(B,)`.
        counted: True where the stream was generated.
        task: `(B,)` indices into `tasks`, the rows of the task table that may be drawn.
        gates: SCG gates `(blocks, B, 2)`, or None in a model without them.
    """

    weighted: Mapping[str, Tensor]
    plain: Mapping[str, Tensor]
    sigmas: Mapping[str, Tensor]
    counted: Mapping[str, Tensor]
    task: Tensor | None = None
    tasks: tuple[str, ...] = ()
    gates: Tensor | None = None

    @property
    def total(self) -> Tensor:
        """The scalar to minimise."""
        return torch.stack(list(self.weighted.values())).sum(0).mean()

    def map(self, function: Callable[[Tensor], Tensor]) -> "Losses":
        """Apply `function` to every tensor."""
        changed: dict[str, Any] = {
            name: {s: function(x) for s, x in getattr(self, name).items()}
            for name in ("weighted", "plain", "sigmas", "counted")
        }
        changed |= {name: function(x) for name in ("task", "gates") if (x := getattr(self, name)) is not None}
        return replace(self, **changed)


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """The task of each sample: given streams and clean first frames as masks `(B,)`, and loss factors `(B,)`.

    Attributes:
        choice: `(B,)` indices into `names`.
    """

    given: Mapping[str, Tensor]
    first_frame: Tensor
    weight: Tensor
    choice: Tensor
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Noised:
    """A batch with everything drawn that a step draws: what the model sees and what it is to predict.

    Attributes:
        noisy: latents by stream. levels: their noise levels, video `(B, T)`. target: velocities.
        text: prompts, some of them withheld. reference: of `LatentBatch`. frames: pixel frames.
        sigmas: noise level of each stream `(B,)`, before first frames are given.
        counted: bool `(B,)` by stream, True where it is generated. weights: loss factors `(B,)` by stream.
        first_frame: bool `(B,)`, True where the video's first latent frame is given.
        task: `(B,)` indices into `tasks`, names of rows of the task table.
        emphasis: weights `(H, W)` of the picture's latent cells, or None where all count alike.
    """

    noisy: Latents
    levels: Mapping[str, Tensor]
    target: Latents
    text: TextInputs
    frames: int
    reference: Tensor | None
    sigmas: Mapping[str, Tensor]
    counted: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]
    first_frame: Tensor
    task: Tensor
    tasks: tuple[str, ...]
    emphasis: Tensor | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> "Noised":
        """Apply `function` to every tensor."""
        changed: dict[str, Any] = {
            name: {s: function(x) for s, x in getattr(self, name).items()}
            for name in ("noisy", "levels", "target", "sigmas", "counted", "weights")
        }
        changed |= {name: function(x) for name in ("reference", "emphasis") if (x := getattr(self, name)) is not None}
        text, first_frame, task = self.text.map(function), function(self.first_frame), function(self.task)
        return replace(self, **changed, text=text, first_frame=first_frame, task=task)


def objective(
    model: Unison, batch: LatentBatch, config: ObjectiveConfig, *, progress: float, generator: torch.Generator
) -> Losses:
    """Loss per sample and stream: `draw_noise`, then `flow_losses`.

    Args:
        model: predicts velocities; audio-only batches (no video latents) train the audio branch alone.
        batch: clean data.
        config: tasks, forcing, dropout.
        progress: fraction of training done, which sets the forcing phase.
        generator: source of all randomness, on the batch's device.
    """
    return flow_losses(model, draw_noise(batch, config, progress=progress, generator=generator))


def draw_noise(batch: LatentBatch, config: ObjectiveConfig, *, progress: float, generator: torch.Generator) -> Noised:
    """Tasks, noise levels, noise and withheld conditions of a batch; arguments as for `objective`."""
    streams = tuple(batch.latents)
    count = len(batch.text)
    tasks = assign_tasks(config.tasks, count, generator, streams, config.task_weights, batch.static)
    latents, text = config.given_picture.apply(batch.latents, batch.text, tasks.given, generator)
    batch = replace(batch, latents=latents, text=text)
    phase = config.forcing.schedule.at(progress)
    sigma = _sigmas(config.forcing, phase, tasks, generator)
    levels = {s: _spread(sigma[s], x, tasks.first_frame) if s == VIDEO else sigma[s] for s, x in batch.latents.items()}
    eps = {
        s: torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype) for s, x in batch.latents.items()
    }
    factors = _factors(sigma, tasks, config.forcing.guidance_strength if phase.reweight else 0.0)
    return Noised(
        noisy={s: interpolate(x, eps[s], levels[s]) for s, x in batch.latents.items()},
        levels=levels,
        target={s: velocity(x, eps[s]) for s, x in batch.latents.items()},
        text=_withhold(_thin(batch, tasks, config, generator), batch.unsaid, config, generator),
        frames=batch.frames,
        reference=batch.reference,
        sigmas=sigma,
        counted={s: ~tasks.given[s] for s in streams},
        weights={s: config.stream_weights.get(s, 1.0) * tasks.weight * factors[s] for s in streams},
        first_frame=tasks.first_frame,
        task=tasks.choice,
        tasks=tasks.names,
        emphasis=config.emphasis.weights(batch.latents[VIDEO]) if VIDEO in streams else None,
    )


def flow_losses(model: Unison, noised: Noised) -> Losses:
    """What the model gets wrong about a noised batch; draws nothing."""
    conditions = model.encode(noised.text, noised.frames, with_video=VIDEO in noised.noisy, reference=noised.reference)
    gates: list[Tensor] = []
    predicted = model(noised.noisy, noised.levels, conditions, gates=gates)
    plain, weighted = {}, {}
    for stream, target in noised.target.items():
        error = (predicted[stream].float() - target.float()) ** 2
        if stream == VIDEO and noised.emphasis is not None:
            error = error * noised.emphasis
        plain[stream] = _mean(error, noised.first_frame)
        weighted[stream] = torch.where(noised.counted[stream], plain[stream] * noised.weights[stream], 0.0)
    return Losses(
        weighted=weighted, plain=plain, sigmas=noised.sigmas, counted=noised.counted, task=noised.task,
        tasks=noised.tasks, gates=torch.stack(gates).detach() if gates else None,
    )  # fmt: skip


def assign_tasks(
    mix: Mapping[str, float],
    count: int,
    generator: torch.Generator,
    streams: tuple[str, ...] = STREAMS,
    weights: Mapping[str, float] | None = None,
    static: Tensor | None = None,
) -> Assignment:
    """Draw a row of the task table for every sample.

    Args:
        mix: probability of each row.
        count: samples.
        generator: source of randomness.
        streams: streams of the batch.
        weights: loss factors that replace the table's.
        static: bool `(count,)`, samples that train the anchors' rows only; without video they train nothing.

    Raises:
        ValueError: a row gives one stem to a model whose only audio stream is the mix of both.
    """
    weights = weights or {}
    device = generator.device
    rows = [TASKS[name] for name in dict.fromkeys((*mix, *ANCHORS))]
    chances = torch.tensor([mix.get(row.name, 0.0) for row in rows], dtype=torch.float, device=device)
    choice = torch.multinomial(chances, count, replacement=True, generator=generator)
    if static is not None:
        anchors = ANCHORS if VIDEO in streams else ("a2v",)
        places = torch.tensor([rows.index(TASKS[name]) for name in anchors], device=device)
        drawn = places[torch.randint(len(anchors), (count,), generator=generator, device=device)]
        choice = torch.where(static, drawn, choice)

    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, device=device)[choice]

    return Assignment(
        given={s: column([_is_given(row, s) for row in rows]) for s in streams},
        first_frame=column([row.first_frame for row in rows]),
        weight=column([weights.get(row.name, row.weight) for row in rows]),
        choice=choice,
        names=tuple(row.name for row in rows),
    )


def _is_given(task: Task, stream: str) -> bool:
    """Whether a task's input holds the stream; a mix is given where both stems are."""
    if stream != MIX:
        return stream in task.given
    stems = task.given & set(AUDIO_STREAMS)
    if len(stems) == 1:
        raise ValueError(f"task {task.name} gives {min(stems)} alone, which a model of the mix cannot take")
    return bool(stems)


def _sigmas(forcing: ForcingConfig, phase: Phase, tasks: Assignment, generator: torch.Generator) -> dict[str, Tensor]:
    """Noise levels `(B,)` by stream: 0 where given; sound to a given picture is drawn from its own distribution."""
    count = len(tasks.choice)
    draw = draw_sigmas(forcing, phase, count, generator)
    apart = forcing.audio_sigma.draw(count, generator)
    pictured = tasks.given.get(VIDEO, torch.zeros(count, dtype=torch.bool, device=generator.device))
    return {
        s: torch.where(given, 0.0, torch.where(pictured, apart, draw.of(s))) for s, given in tasks.given.items()
    }


def _factors(sigma: Mapping[str, Tensor], tasks: Assignment, strength: float) -> dict[str, Tensor]:
    """Weights of eq. 8 by stream; rows with given streams and audio-only batches have no leader."""
    ones = torch.ones_like(next(iter(sigma.values())))
    factors = {stream: ones for stream in sigma}
    if strength == 0 or VIDEO not in sigma:
        return factors
    joint = ~torch.stack([tasks.given[s] for s in sigma]).any(0)
    stems = [stream for stream in sigma if stream != VIDEO]
    audio = torch.stack([sigma[stream] for stream in stems]).mean(0)
    factors[VIDEO] = torch.where(joint, forcing_weights(sigma[VIDEO], audio, strength)[0], ones)
    for stream in stems:
        factors[stream] = torch.where(joint, forcing_weights(sigma[VIDEO], sigma[stream], strength)[1], ones)
    return factors


def _spread(sigma: Tensor, video: Tensor, first_frame: Tensor) -> Tensor:
    """Sigma `(B,)` over latent frames `(B, T)`, frame 0 clean where the task gives it."""
    levels = repeat(sigma, "b -> b t", t=video.shape[2]).clone()
    levels[:, 0] = torch.where(first_frame, 0.0, levels[:, 0])
    return levels


def _mean(error: Tensor, first_frame: Tensor) -> Tensor:
    """Mean over everything but the batch `(B,)`; a given video frame 0 does not count."""
    if error.ndim == 3:
        return reduce(error, "b n c -> b", "mean")
    frames = reduce(error, "b c t h w -> b t", "mean")
    if frames.shape[1] == 1:
        return frames[:, 0]
    return torch.where(first_frame, frames[:, 1:].mean(1), frames.mean(1))


def _thin(batch: LatentBatch, tasks: Assignment, config: ObjectiveConfig, generator: torch.Generator) -> TextInputs:
    """Leave a random share of a caption's words in some rows that have something else to go by."""
    if not config.p_thin_caption or VIDEO not in batch.latents:
        return batch.text
    shape, device = batch.text.caption_ids.shape, generator.device
    rows = torch.rand(shape[0], generator=generator, device=device) < config.p_thin_caption
    share = torch.rand(shape[0], 1, generator=generator, device=device)
    left = torch.rand(shape, generator=generator, device=device) < share
    if batch.reference is None:
        rows = rows & tasks.given[VIDEO]
    if batch.text.captions is not None:
        return batch.text.without(rows, torch.zeros_like(rows), batch.unsaid)
    return batch.text.thinned(left | ~rows[:, None])


def _withhold(
    text: TextInputs, unsaid: CaptionFeatures | None, config: ObjectiveConfig, generator: torch.Generator
) -> TextInputs:
    """Drop conditions for guidance: caption alone, transcript alone, or both."""
    u = torch.rand(len(text), generator=generator, device=generator.device)
    both = u < config.p_drop_both
    caption = both | ((u >= config.p_drop_both) & (u < config.p_drop_both + config.p_drop_caption))
    transcript = both | (u > 1 - config.p_drop_transcript)
    return text.without(caption, transcript, unsaid)
