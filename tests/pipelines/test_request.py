"""Completing a request: defaults from the preset, lengths from the transcript; completing twice changes nothing."""

from dataclasses import replace

import numpy as np
import pytest

from unison_core.config import from_mapping, to_mapping
from unison_core.errors import UsageError
from unison_core.media.wav import write_wav
from unison_core.pipelines.given import Given
from unison_core.pipelines.request import GenerateRequest, complete
from unison_core.text.prompt import END_S, START_S, fitting_duration_s

SHORT, LONGER = "Hello", "We start in five minutes and nobody knows"


def test_defaults_are_the_presets(tiny_preset):
    spec = complete(GenerateRequest(caption=" x "), tiny_preset)
    assert spec.caption == "x"
    assert spec.steps == tiny_preset.sampling.steps
    assert spec.text_scale == tiny_preset.sampling.text_scale
    assert spec.size == (tiny_preset.size.width, tiny_preset.size.height)
    assert spec.lead_amount == 0


def test_sync_guidance_is_the_preset_s_for_given_sound_where_it_costs_no_words(tiny_preset, tmp_path):
    sampling = replace(tiny_preset.sampling, sync_scale={"sfx": 1.5}, a2v_sync_scale={"video": 2.0})
    preset = replace(tiny_preset, sampling=sampling)

    sound = tmp_path / "a.wav"
    write_wav(sound, np.zeros(16000, np.int16), 16000)

    def scales(**request):
        return complete(GenerateRequest(caption="A bell", duration_s=1.0, **request), preset).sync_scale

    off, on = ({"video": x, "speech": 1.0, "sfx": 1.5} for x in (1.0, 2.0))
    assert scales() == scales(transcript="Yes") == off
    assert scales(given=Given(speech=str(sound))) == scales(given=Given(audio=str(sound)), transcript="Yes") == on
    assert scales(given=Given(sfx=str(sound))) == on
    assert scales(given=Given(sfx=str(sound)), transcript="Yes") == off  # words are generated
    assert scales(given=Given(speech=str(sound)), sync_scale={"video": 1.0}) == off


def test_the_sync_interval_is_the_preset_s_or_the_user_s(tiny_preset):
    preset = replace(tiny_preset, sampling=replace(tiny_preset.sampling, sync_interval=(0.6, 1.0)))
    assert complete(GenerateRequest(caption="x"), preset).sync_interval == (0.6, 1.0)
    assert complete(GenerateRequest(caption="x", sync_interval=(0.0, 1.0)), preset).sync_interval == (0.0, 1.0)
    with pytest.raises(UsageError, match="sync interval"):
        complete(GenerateRequest(caption="x", sync_interval=(0.9, 0.2)), preset)


def test_a_complete_request_is_a_fixed_point(tiny_preset):
    request = GenerateRequest(caption="x", transcript=LONGER, text_scale={"speech": 4.0}, lead="audio")
    spec = complete(request, tiny_preset)
    again = complete(from_mapping(GenerateRequest, to_mapping(spec), "again"), tiny_preset)
    assert again == spec
    assert spec.text_scale == {**tiny_preset.sampling.text_scale, "speech": 4.0}


def test_auto_follows_the_transcript_in_whole_frames(tiny_preset):
    short, longer = (complete(GenerateRequest(transcript=t), tiny_preset).duration_s for t in (SHORT, LONGER))
    assert short < longer
    for transcript, duration_s in ((SHORT, short), (LONGER, longer)):
        frames = duration_s * tiny_preset.timing.fps
        assert frames == pytest.approx(round(frames))
        assert 0 <= duration_s - fitting_duration_s(transcript) <= 1 / tiny_preset.timing.fps or short == 1


@pytest.mark.parametrize(("duration_s", "frames"), [(1.0, 25), (1.7, 42), (2.345, 59), (4.04, 101)])
def test_a_given_duration_is_rounded_to_a_frame(tiny_preset, duration_s, frames):
    spec = complete(GenerateRequest(caption="x", duration_s=duration_s), tiny_preset)
    assert spec.duration_s == pytest.approx(frames / 25)


def test_seeds_are_drawn_only_where_none_is_given(tiny_preset):
    request = GenerateRequest(caption="x")
    assert complete(request, tiny_preset).seed != complete(request, tiny_preset).seed
    assert complete(replace(request, seed=0), tiny_preset).seed == 0


def test_too_long_a_transcript_says_what_would_fit(tiny_preset):
    words = "the boats come home at night and the lamps are lit along the shore " * 3
    with pytest.raises(UsageError, match=r"about (\d+) words") as caught:
        complete(GenerateRequest(transcript=words), tiny_preset)
    count = int(str(caught.value).split("about ")[1].split()[0])
    fitting = " ".join(words.split()[:count])
    assert complete(GenerateRequest(transcript=fitting), tiny_preset).duration_s <= tiny_preset.timing.max_s
    with pytest.raises(UsageError):
        complete(GenerateRequest(transcript=" ".join(words.split()[: count + 1])), tiny_preset)


def test_the_duration_that_is_offered_does_fit(tiny_preset):
    with pytest.raises(UsageError, match=r"use --duration [\d.]+ or more") as caught:
        complete(GenerateRequest(transcript=LONGER, duration_s=1.2), tiny_preset)
    offered = float(str(caught.value).split("--duration ")[1].split()[0])
    assert complete(GenerateRequest(transcript=LONGER, duration_s=offered), tiny_preset).transcript == LONGER
    assert offered < fitting_duration_s(LONGER) - START_S - END_S + 0.15


def test_a_span_decides_instead_of_the_words(tiny_preset):
    spec = complete(GenerateRequest(transcript=LONGER, span_s=(0.2, 1.1), duration_s=1.2), tiny_preset)
    assert spec.span_s == (0.2, 1.1)
    assert complete(GenerateRequest(transcript=SHORT, span_s=(2.0, 3.0)), tiny_preset).duration_s == pytest.approx(3.0)
