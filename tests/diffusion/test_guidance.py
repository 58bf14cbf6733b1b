"""Guidance: terms add up per stream, anchors are what the papers say, and only needed evaluations run."""

from dataclasses import replace

import pytest
import torch

from unison_core.diffusion.evaluations import Evaluations
from unison_core.diffusion.generate_latents import SamplerSettings, generate_latents
from unison_core.diffusion.guidance import NULL, PROMPT, State, TextGuidance, guided
from unison_core.diffusion.sync_cfg import REFRESH, SilentAnchor, StillAnchor, SyncGuidance
from unison_core.tasks import TASKS
from unison_core.types import AUDIO_STREAMS, SFX, SPEECH, STREAMS, VIDEO, TextInputs

SHAPES = {VIDEO: (2, 3, 4, 4), SPEECH: (5, 2), SFX: (5, 2)}
ONES = dict.fromkeys(STREAMS, 1.0)
SILENCE, STILL = 7.0, 9.0


def _latents(value=0.5, batch=1):
    return {s: torch.full((batch, *shape), value) for s, shape in SHAPES.items()}


def _levels(value, batch=1):
    return {VIDEO: torch.full((batch, 3), value), SPEECH: torch.full((batch,), value), SFX: torch.full((batch,), value)}


def _sync(**scale):
    return SyncGuidance(
        scale={**ONES, **scale},
        silence=lambda count: torch.full((1, count, 2), SILENCE),
        still=lambda video: torch.full_like(video, STILL),
    )


def _text(mark):
    one = torch.ones(1, 1)
    return TextInputs(
        caption_ids=torch.full((1, 2), mark), phoneme_ids=one.long(), phoneme_mask=one > 0, phoneme_weights=one,
        span_s=torch.zeros(1, 2), dropped=torch.zeros(1, dtype=torch.bool),
    )  # fmt: skip


class Spy:
    """A model whose velocity of a stream tells what it saw: 1, plus 10 for null words, 100 for silence or stillness."""

    def __init__(self, most_rows=100):
        self.rows, self.encoded, self.most_rows = [], 0, most_rows

    def encode(self, text, frames):
        self.encoded += 1
        return text

    def __call__(self, latents, sigmas, text):
        batch = len(latents[SPEECH])
        if batch > self.most_rows:
            raise torch.OutOfMemoryError("full")
        self.rows.append(batch)
        null = 10.0 * (text.caption_ids[:, 0] == 2)
        silent = (latents[SPEECH][:, 0, 0] == SILENCE) & (latents[SFX][:, 0, 0] == SILENCE) & (sigmas[SPEECH] == 0)
        still = (latents[VIDEO][:, 0, 0, 0, 0] == STILL) & (sigmas[VIDEO] == 0).all(1)
        value = 1 + null + 100 * (silent | still)
        return {s: value.view(-1, *[1] * (x.ndim - 1)).expand_as(x) for s, x in latents.items()}


def _evaluations(model):
    return Evaluations(model, {PROMPT: _text(1), NULL: _text(2)}, 9, torch.float32)


def _velocity(model, *terms):
    return guided(_evaluations(model), terms)


def test_text_guidance_extrapolates_per_stream():
    spy = Spy()
    v = _velocity(spy, TextGuidance(scale={VIDEO: 3.0, SPEECH: 1.0, SFX: 0.0}))(_latents(), _levels(0.5))
    assert {s: x.unique().tolist() for s, x in v.items()} == {VIDEO: [1 - 20], SPEECH: [1], SFX: [11]}
    assert spy.rows == [2]


def test_scale_one_is_no_guidance_and_costs_one_evaluation():
    spy = Spy()
    velocity = _velocity(spy, TextGuidance(scale=ONES), *_sync().terms())
    assert velocity(_latents(), _levels(0.5))[VIDEO].unique().tolist() == [1]
    velocity(_latents(), _levels(0.4))
    assert spy.rows == [1, 1]
    assert spy.encoded == 1


def test_outside_the_interval_only_one_evaluation_runs():
    spy = Spy()
    velocity = _velocity(spy, TextGuidance(scale=dict.fromkeys(STREAMS, 2.0), interval=(0.2, 0.8)))
    velocity(_latents(), _levels(0.9))
    velocity(_latents(), _levels(0.5))
    assert spy.rows == [1, 2]


def test_the_picture_is_synced_at_levels_inside_the_interval_only():
    spy = Spy()
    terms = replace(_sync(video=3.0), interval=(0.6, 1.0)).terms()
    velocity = _velocity(spy, TextGuidance(scale=ONES), *terms)
    high, low = (velocity(_latents(), _levels(level))[VIDEO].unique().tolist() for level in (0.9, 0.5))
    assert (high, low) == ([1 + (3 - 1) * (1 - 101)], [1])
    assert spy.rows == [2, 1]


def test_terms_add_up_and_share_one_forward():
    spy = Spy()
    terms = _sync(video=3.0, speech=2.0).terms()
    velocity = _velocity(spy, TextGuidance(scale={**ONES, VIDEO: 2.0, SFX: 2.0}), *terms)
    first, second = (velocity(_latents(), _levels(level)) for level in (1.0, 0.5))
    assert {s: x.unique().tolist() for s, x in second.items()} == {
        VIDEO: [1 + (2 - 1) * (1 - 11) + (3 - 1) * (1 - 101)], SPEECH: [1 + (2 - 1) * (1 - 101)], SFX: [1 - 10],
    }  # fmt: skip
    assert first[SPEECH].unique().tolist() == [1]  # no picture is known before the first step
    assert spy.rows == [3, 4]


def test_the_videos_anchor_hears_silence_and_leaves_the_video_alone():
    state = State(latents=_latents(), sigmas=_levels(0.5))
    seen = SilentAnchor({VIDEO: 3.0}, _sync().silence, (0.0, 1.0)).anchor(state)
    assert seen.latents[VIDEO] is state.latents[VIDEO]
    assert seen.words == PROMPT
    for stream in AUDIO_STREAMS:
        assert (seen.latents[stream] == SILENCE).all()
        assert (seen.sigmas[stream] == 0).all()


def test_the_audios_anchor_sees_the_first_frame_that_is_estimated():
    shown = []
    anchor = StillAnchor({**ONES, SFX: 2.0}, lambda video: (shown.append(video), video)[1])
    state = State(latents=_latents(0.5), sigmas=_levels(0.5))
    assert not anchor.active(state.sigmas)
    anchor.watch(state, _latents(0.4))
    assert anchor.active(state.sigmas) == {SFX}
    seen = anchor.anchor(state)
    assert torch.allclose(shown[0], torch.tensor(0.5 - 0.5 * 0.4))  # x0 = x - sigma v
    assert (seen.sigmas[VIDEO] == 0).all()
    assert torch.equal(seen.latents[SFX], state.latents[SFX])


def test_a_given_first_frame_is_known_at_once_and_made_still_once():
    shown = []
    anchor = StillAnchor({**ONES, SFX: 2.0}, lambda video: (shown.append(video), video)[1])
    sigmas = _levels(0.5)
    sigmas[VIDEO][:, 0] = 0
    state = State(latents=_latents(), sigmas=sigmas)
    for _ in range(2):
        assert anchor.active(sigmas) == {SFX}
        anchor.anchor(state)
    assert len(shown) == 1


def test_an_estimated_frame_is_made_still_anew_every_few_steps():
    shown = []
    anchor = StillAnchor({**ONES, SFX: 2.0}, lambda video: (shown.append(video.mean().item()), video)[1])
    for step in range(2 * REFRESH + 1):
        state = State(latents=_latents(float(step)), sigmas=_levels(0.5))
        anchor.watch(state, _latents(0.0))
        anchor.anchor(state)
    assert shown == [0, REFRESH, 2 * REFRESH]


def test_given_streams_need_no_anchor():
    sync, levels = _sync(video=3.0, speech=2.0, sfx=2.0), _levels(0.5)
    silent, still = sync.terms()
    given = {**levels, VIDEO: torch.zeros(1, 3)}
    assert not silent.active(given)
    assert still.active(given) == set(AUDIO_STREAMS)
    assert still.active({**given, SFX: torch.zeros(1)}) == {SPEECH}


def test_memory_decides_how_many_run_at_once():
    """Where two rows do not fit, the same numbers come row by row, and the next step does not try again."""
    term = TextGuidance(scale=dict.fromkeys(STREAMS, 2.0))
    poor, rich = Spy(most_rows=1), Spy()
    for spy in (poor, rich):
        evaluate = _evaluations(spy)
        velocity = guided(evaluate, [term])
        results = [velocity(_latents(), _levels(0.5)) for _ in range(2)]
        assert evaluate.count == 4
        assert results[1][VIDEO].unique().tolist() == [1 - 10]
    assert poor.rows == [1, 1, 1, 1]
    assert rich.rows == [2, 2]


def test_one_row_that_does_not_fit_is_an_error():
    with pytest.raises(torch.OutOfMemoryError):
        _velocity(Spy(most_rows=0))(_latents(), _levels(0.5))


@pytest.mark.parametrize(
    ("task", "expected"), [("t2av", 3 + 3 + 3 + 2), ("v2a", 3 + 3 + 0 + 3), ("a2v", 3 + 3 + 3), ("ti2av", 12)]
)
def test_evaluations_of_a_clip_are_counted(task, expected):
    """Three steps: words, no words, silence where the picture is made, stillness once a frame is known."""
    spy = Spy()
    sampled = generate_latents(
        spy, text=_text(1), null=_text(2), frames=9, shapes=SHAPES, generators=[torch.Generator().manual_seed(0)],
        settings=SamplerSettings(
            steps=3, shift=ONES, guidance=TextGuidance(scale=dict.fromkeys(STREAMS, 2.0)),
            sync=_sync(video=3.0, speech=2.0, sfx=2.0),
        ),
        task=TASKS[task], given=_latents(0.25),
    )  # fmt: skip
    assert sampled.evaluations == sum(spy.rows) == expected
    for stream in TASKS[task].given:
        assert (sampled.latents[stream] == 0.25).all()
    assert sampled.at_once == 4
