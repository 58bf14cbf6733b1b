"""The objective: what a perfect model scores, what given streams cost, and how conditions are withheld."""

from dataclasses import replace

import pytest
import torch

from unison_core.diffusion.flow import SigmaDistribution
from unison_core.diffusion.forcing import ForcingConfig
from unison_core.diffusion.progressive import ProgressiveSchedule
from unison_core.text.prompt import START_S
from unison_core.training.emphasis import Emphasis
from unison_core.training.given_picture import GivenPicture, natural_spans
from unison_core.training.objective import LatentBatch, ObjectiveConfig, objective
from unison_core.types import MIX, SFX, SPEECH, STREAMS, VIDEO, TextInputs

INDEPENDENT = ForcingConfig(schedule=ProgressiveSchedule(kind="indep_only"))
LOW, HIGH = SigmaDistribution(mean=-4.0, std=0.5), SigmaDistribution(mean=4.0, std=0.5)
"""Noise levels below 0.2, and above 0.8."""


def _batch(count=64):
    g = torch.Generator().manual_seed(0)
    latents = {
        VIDEO: torch.randn(count, 3, 4, 2, 2, generator=g),
        SPEECH: torch.randn(count, 6, 2, generator=g),
        SFX: torch.randn(count, 6, 2, generator=g),
    }
    text = TextInputs(
        caption_ids=torch.ones(count, 5, dtype=torch.long),
        phoneme_ids=torch.ones(count, 7, dtype=torch.long),
        phoneme_mask=torch.ones(count, 7, dtype=torch.bool),
        phoneme_weights=torch.ones(count, 7),
        span_s=torch.zeros(count, 2),
        dropped=torch.zeros(count, dtype=torch.bool),
    )
    return LatentBatch(latents=latents, text=text, frames=13)


class Knowing:
    """Knows the data, so that it can answer with the true velocity wherever sigma > 0."""

    def __init__(self, batch, error=0.0):
        self.batch, self.error, self.text, self.sigmas, self.noisy = batch, error, None, None, None

    def encode(self, text, frames, *, with_video=True, reference=None):
        self.text = text

    def __call__(self, x, sigmas, conditions, *, gates=None):
        self.sigmas, self.noisy = sigmas, x
        out = {}
        for s in x:
            level = sigmas[s][:, None, :, None, None] if s == VIDEO else sigmas[s][:, None, None]
            data = self.batch.latents[s]
            error = self.error if s == VIDEO or isinstance(self.error, float) else 0.0
            out[s] = (x[s] - data) / level.clamp(min=1e-6) + error
        return out


def _losses(config, batch=None, progress=1.0, error=0.0):
    batch = batch or _batch()
    model = Knowing(batch, error)
    return objective(model, batch, config, progress=progress, generator=torch.Generator().manual_seed(1)), model


def test_the_true_velocity_costs_nothing():
    losses, _ = _losses(ObjectiveConfig(forcing=INDEPENDENT))
    assert losses.total < 1e-4


@pytest.mark.parametrize(("task", "given"), [("a2v", {SPEECH, SFX}), ("v2a", {VIDEO}), ("dub", {VIDEO, SFX})])
def test_given_streams_are_clean_and_carry_no_loss(task, given):
    batch = _batch()
    losses, model = _losses(ObjectiveConfig(tasks={task: 1.0}, forcing=INDEPENDENT), batch, error=1.0)
    for stream in STREAMS:
        assert (model.sigmas[stream] == 0).all() == (stream in given)
        assert (losses.weighted[stream] == 0).all() == (stream in given)
        if stream in given:
            assert torch.equal(model.noisy[stream], batch.latents[stream])


@pytest.mark.parametrize("kind", ["sync_only", "progressive", "indep_only"])
@pytest.mark.parametrize("progress", [0.0, 0.35, 1.0])
@pytest.mark.parametrize(("task", "made"), [("v2a", {SPEECH, SFX}), ("dub", {SPEECH})])
def test_sound_to_a_given_picture_has_noise_levels_of_its_own(kind, progress, task, made):
    forcing = ForcingConfig(schedule=ProgressiveSchedule(kind=kind), video_sigma=HIGH, audio_sigma=LOW)
    sigmas = _losses(ObjectiveConfig(tasks={task: 1.0}, forcing=forcing), progress=progress)[0].sigmas
    for stream in STREAMS:
        assert ((sigmas[stream] > 0) & (sigmas[stream] < 0.2)).all() if stream in made else (sigmas[stream] == 0).all()


def test_other_rows_stay_tied_to_the_picture():
    forcing = ForcingConfig(schedule=ProgressiveSchedule(kind="sync_only"), video_sigma=HIGH, audio_sigma=LOW)
    losses, _ = _losses(ObjectiveConfig(tasks={"t2av": 0.4, "a2v": 0.3, "v2a": 0.3}, forcing=forcing), _batch(300))
    sigmas, rows = losses.sigmas, {name: losses.task == i for i, name in enumerate(losses.tasks)}
    assert all(rows[name].any() for name in ("t2av", "a2v", "v2a"))
    for stream in (SPEECH, SFX):
        assert torch.equal(sigmas[stream][rows["t2av"]], sigmas[VIDEO][rows["t2av"]])
        assert (sigmas[stream][rows["a2v"]] == 0).all()
        assert (sigmas[stream][rows["v2a"]] < 0.2).all()
    assert (sigmas[VIDEO][~rows["v2a"]] > 0.8).all()


def test_cross_task_rows_weigh_as_in_harmony():
    losses, _ = _losses(ObjectiveConfig(tasks={"a2v": 1.0}, forcing=INDEPENDENT), error=1.0)
    assert losses.weighted[VIDEO].mean().item() == pytest.approx(0.1, rel=0.01)
    full = ObjectiveConfig(tasks={"a2v": 1.0}, task_weights={"a2v": 1.0}, forcing=INDEPENDENT)
    assert _losses(full, error=1.0)[0].weighted[VIDEO].mean().item() == pytest.approx(1.0, rel=0.01)


def test_a_given_first_frame_is_clean_and_the_rest_is_not():
    batch = _batch()
    _, model = _losses(ObjectiveConfig(tasks={"ti2av": 1.0}, forcing=INDEPENDENT), batch)
    assert torch.equal(model.noisy[VIDEO][:, :, 0], batch.latents[VIDEO][:, :, 0])
    assert (model.sigmas[VIDEO][:, 1:] > 0).all()


def test_equation_8_weights_the_noisier_side():
    losses, _ = _losses(ObjectiveConfig(forcing=INDEPENDENT), error=1.0)
    video, speech = losses.sigmas[VIDEO], losses.sigmas[SPEECH]
    w = losses.weighted[VIDEO] / losses.plain[VIDEO]
    assert torch.allclose(w, torch.where(speech < video, 1.5, 1.0), atol=1e-4)
    w = losses.weighted[SPEECH] / losses.plain[SPEECH]
    assert torch.allclose(w, torch.where(video < speech, 1.5, 1.0), atol=1e-4)


def test_phase_one_weighs_all_alike():
    losses, _ = _losses(ObjectiveConfig(), progress=0.1, error=1.0)
    for stream in STREAMS:
        assert torch.allclose(losses.weighted[stream], losses.plain[stream])


def test_caption_and_transcript_are_withheld_separately():
    config = ObjectiveConfig(p_drop_caption=0.3, p_drop_transcript=0.3, p_drop_both=0.2, forcing=INDEPENDENT)
    _, model = _losses(config, _batch(4000))
    caption, transcript = (model.text.caption_ids == 0).all(1), model.text.dropped
    assert caption.float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert transcript.float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert (caption & transcript).float().mean().item() == pytest.approx(0.2, abs=0.03)
    assert not model.text.phoneme_mask[transcript].any()


def test_captions_are_thinned_where_something_else_tells():
    batch = _batch(2000)
    batch = replace(batch, text=replace(batch.text, caption_ids=torch.arange(1, 9).expand(2000, 8).contiguous()))
    config = ObjectiveConfig(tasks={"t2av": 0.5, "v2a": 0.5}, p_thin_caption=0.5, p_drop_caption=0.0,
                             p_drop_transcript=0.0, forcing=INDEPENDENT)  # fmt: skip
    _, model = _losses(config, batch)
    ids, seen = model.text.caption_ids, (model.sigmas[VIDEO] == 0).all(1)
    whole = (ids == torch.arange(1, 9)).all(1)
    assert whole[~seen].all()
    assert whole[seen].float().mean().item() == pytest.approx(0.55, abs=0.05)
    left = ids[~whole]
    assert (left[:, 1:] > left[:, :-1])[left[:, 1:] > 0].all()  # in order, and pads behind them
    assert (left > 0).float().mean().item() == pytest.approx(0.45, abs=0.05)
    _, model = _losses(config, replace(batch, reference=torch.zeros(2000, 3, 32)))
    assert (model.text.caption_ids == torch.arange(1, 9)).all(1)[(model.sigmas[VIDEO] > 0).all(1)].float().mean() < 0.65


def test_audio_alone_is_an_objective_too():
    batch = _batch()
    batch = replace(batch, latents={s: x for s, x in batch.latents.items() if s != VIDEO})
    losses, _ = _losses(ObjectiveConfig(forcing=INDEPENDENT), batch)
    assert set(losses.weighted) == {SPEECH, SFX}
    assert losses.total < 1e-4
    tied = ForcingConfig(schedule=ProgressiveSchedule(kind="sync_only"), video_sigma=HIGH, audio_sigma=LOW)
    sigmas = _losses(ObjectiveConfig(tasks={"v2a": 1.0}, forcing=tied), batch)[0].sigmas
    assert all((x > 0.8).all() for x in sigmas.values())  # without a picture in the batch none is given


def test_one_stream_of_mixed_sound_is_an_ablation_that_trains():
    batch = _batch()
    batch = replace(batch, latents={VIDEO: batch.latents[VIDEO], MIX: batch.latents[SPEECH]})
    losses, _ = _losses(ObjectiveConfig(tasks={"t2av": 0.5, "a2v": 0.5}, forcing=INDEPENDENT), batch, error=1.0)
    assert set(losses.weighted) == {VIDEO, MIX}
    assert (losses.weighted[MIX] == 0).any()
    with pytest.raises(ValueError, match="sfx alone"):
        _losses(ObjectiveConfig(tasks={"dub": 1.0}, forcing=INDEPENDENT), batch)


def test_static_pairs_train_the_anchors_and_nothing_else():
    batch = replace(_batch(), static=torch.arange(64) < 40)
    _, model = _losses(ObjectiveConfig(forcing=INDEPENDENT), batch, error=1.0)
    heard, seen = (model.sigmas[SPEECH] == 0), (model.sigmas[VIDEO] == 0).all(1)
    assert (heard ^ seen)[:40].all()
    assert heard[:40].any()
    assert seen[:40].any()
    assert not (heard | seen)[40:].any()


def test_static_pairs_teach_the_audio_branch_alone_nothing():
    batch = replace(_batch(), static=torch.ones(64, dtype=torch.bool))
    batch = replace(batch, latents={s: x for s, x in batch.latents.items() if s != VIDEO})
    losses, _ = _losses(ObjectiveConfig(forcing=INDEPENDENT), batch, error=1.0)
    assert losses.total == 0


def test_an_emphasised_part_of_the_picture_counts_more():
    half = Emphasis(rows=(0.0, 0.5), weight=3.0)
    weights = half.weights(torch.zeros(2, 2))
    assert weights.tolist() == [[1.5, 1.5], [0.5, 0.5]]  # three to one, and one on average
    assert Emphasis(rows=(0.0, 0.5)).weights(torch.zeros(2, 2)) is None
    above, below = torch.zeros(64, 3, 4, 2, 2), torch.zeros(64, 3, 4, 2, 2)
    above[..., 0, :], below[..., 1, :] = 1.0, 1.0
    costs = [
        _losses(ObjectiveConfig(forcing=INDEPENDENT, emphasis=half), error=wrong)[0].plain[VIDEO].mean().item()
        for wrong in (above, below)
    ]
    assert costs == pytest.approx([0.75, 0.25], rel=1e-3)


@pytest.mark.parametrize("wrong", [{"rows": (0.5, 0.5)}, {"columns": (0.0, 1.5)}, {"weight": 0.0}])
def test_an_emphasis_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Emphasis(**wrong)


def test_unknown_tasks_are_named():
    with pytest.raises(ValueError, match="lipsync"):
        ObjectiveConfig(tasks={"lipsync": 1.0})


def _spoken(batch):
    rows = torch.arange(len(batch.text), dtype=torch.float)
    return replace(batch, text=replace(batch.text, span_s=torch.stack((rows, rows + 1), dim=1)))


def test_words_to_a_given_picture_lie_where_generation_lays_them():
    batch = _spoken(_batch())
    used = GivenPicture(p_natural_span=1.0, p_other=0.0)
    _, model = _losses(ObjectiveConfig(tasks={"v2a": 1.0}, given_picture=used, forcing=INDEPENDENT), batch)
    assert torch.equal(model.text.span_s, natural_spans(batch.text))
    assert model.text.span_s[0].tolist() == [START_S, START_S + 7.0]
    _, model = _losses(ObjectiveConfig(tasks={"t2av": 1.0}, given_picture=used, forcing=INDEPENDENT), batch)
    assert torch.equal(model.text.span_s, batch.text.span_s)


def test_silent_rows_have_no_words_to_move():
    batch = _batch()
    batch = replace(batch, text=replace(batch.text, phoneme_mask=torch.zeros_like(batch.text.phoneme_mask)))
    used = GivenPicture(p_natural_span=1.0)
    _, model = _losses(ObjectiveConfig(tasks={"v2a": 1.0}, given_picture=used, forcing=INDEPENDENT), batch)
    assert (model.text.span_s == 0).all()


def test_dubbing_trains_on_lips_that_say_other_words():
    batch = _spoken(_batch())
    used = GivenPicture(p_natural_span=1.0, p_other=1.0)
    losses, model = _losses(ObjectiveConfig(tasks={"dub": 1.0}, given_picture=used, forcing=INDEPENDENT), batch)
    for stream in (VIDEO, SFX):
        assert torch.equal(model.noisy[stream], batch.latents[stream].roll(1, dims=0))
    assert torch.equal(model.text.span_s, batch.text.span_s)
    assert losses.weighted[SPEECH].max() < 1e-4, "the speech is the row's own"


def test_other_pictures_are_for_dubbing_alone():
    batch = _batch()
    used = GivenPicture(p_other=1.0)
    for task in ("v2a", "foley"):
        _, model = _losses(ObjectiveConfig(tasks={task: 1.0}, given_picture=used, forcing=INDEPENDENT), batch)
        assert torch.equal(model.noisy[VIDEO], batch.latents[VIDEO])
    with pytest.raises(ValueError, match="p_other"):
        GivenPicture(p_other=1.5)
