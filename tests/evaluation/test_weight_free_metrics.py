"""Weight-free metrics from files to figures, on clips whose truth is planted."""

from pathlib import Path

import numpy as np
import pytest
from clips import FPS, RATE_HZ, moments, picture, sound, write_clip

from unison_core.evaluation.item import SFX, SOUND, SPEECH, VIDEO, Item
from unison_core.evaluation.registry import Metric, metrics
from unison_core.evaluation.score_log import ScoreLine
from unison_core.evaluation.weight_free import score_item
from unison_core.media.mp4 import write_mp4
from unison_core.media.wav import write_wav

COUNT = 2 * RATE_HZ
TIME_S = np.arange(COUNT) / RATE_HZ


def tone(gain_db: float, hz: float = 997.0) -> np.ndarray:
    return 10 ** (gain_db / 20) * np.sin(2 * np.pi * hz * TIME_S)


def item(folder: Path, waves: dict[str, np.ndarray], **known) -> Item:
    """An item of sounds alone; the whole sound is their sum."""
    folder.mkdir(parents=True, exist_ok=True)
    waves = {SOUND: np.sum(list(waves.values()), axis=0), **waves}
    for kind, wave in waves.items():
        write_wav(folder / f"{kind}.wav", wave, RATE_HZ)
    return Item(id="x", files={kind: folder / f"{kind}.wav" for kind in waves}, **known)


def score(item: Item, name: str) -> ScoreLine:
    metric: Metric = metrics()[name]
    return score_item(item, [metric], None)[0]


def test_stems_of_known_levels_give_their_differences(tmp_path):
    speech, effects = tone(-20) * (TIME_S < 1), tone(-32, 440.0)
    line = score(item(tmp_path, {SPEECH: speech, SFX: effects}, transcript="x"), "stem_balance")
    assert line.values["ld"] == pytest.approx(12, abs=1.5)  # K-weighting differs a little between 440 and 997 Hz
    assert line.values["survival"] == pytest.approx(0, abs=0.2)
    ducked = effects * np.where(TIME_S < 1.1, 10 ** (-9 / 20), 1)  # the 100 ms of hold belong to the speech
    line = score(item(tmp_path, {SPEECH: speech, SFX: ducked}, transcript="x"), "stem_balance")
    assert line.values["survival"] == pytest.approx(-9, abs=0.3)


def test_a_silent_stem_has_no_balance(tmp_path):
    line = score(item(tmp_path, {SPEECH: 0 * TIME_S, SFX: tone(-20)}, transcript="x"), "stem_balance")
    assert (line.values, line.skipped, line.expected) == ({}, "the speech stem is silent", False)


def test_speech_without_pauses_has_no_survival_but_a_balance(tmp_path):
    line = score(item(tmp_path, {SPEECH: tone(-20), SFX: tone(-30)}, transcript="x"), "stem_balance")
    assert "survival" in line.missing
    assert line.values["ldr"] > 0


@pytest.mark.parametrize("leak_db", [-10.0, -25.0])
def test_separated_stems_with_a_known_leak_give_its_ratio_and_the_gain_over_the_mix(tmp_path, leak_db):
    rng = np.random.default_rng(0)
    speech, effects = 0.05 * rng.normal(size=(2, COUNT))
    leak = 10 ** (leak_db / 20) * effects
    true = item(tmp_path / "true", {SPEECH: speech, SFX: effects})
    made = item(tmp_path / "made", {SPEECH: speech + leak, SFX: effects - leak}, reference=true)
    values = score(made, "separation").values
    assert values["si_sdr_speech"] == pytest.approx(-leak_db, abs=0.3)
    assert values["si_sdri_speech"] == pytest.approx(-leak_db, abs=0.3)  # the mix stands at 0 dB
    assert values["sdr_speech"] == pytest.approx(-leak_db, abs=0.3)


def test_another_recording_is_no_separation(tmp_path):
    rng = np.random.default_rng(0)
    stems = [dict(zip((SPEECH, SFX), 0.05 * rng.normal(size=(2, COUNT)), strict=True)) for _ in range(2)]
    line = score(item(tmp_path / "a", stems[0], reference=item(tmp_path / "b", stems[1])), "separation")
    assert line.expected
    assert "another recording" in line.skipped


def test_loudness_of_silence_is_null_and_told_of(tmp_path):
    line = score(item(tmp_path, {SPEECH: 0 * TIME_S}), "loudness")
    assert line.values == {"silent": 1.0}
    assert line.missing == {"lufs": "silence"}
    assert score(item(tmp_path, {SPEECH: tone(-20)}), "loudness").values["lufs"] == pytest.approx(-23, abs=0.1)


def test_stereo_counts_both_channels(tmp_path):
    import soundfile

    soundfile.write(tmp_path / "s.wav", np.stack([tone(-20), tone(-20)], axis=1), RATE_HZ)
    stereo = Item(id="x", files={SOUND: tmp_path / "s.wav"})
    assert score(stereo, "loudness").values["lufs"] == pytest.approx(-20, abs=0.1)


def test_onsets_are_compared_with_the_references(tmp_path):
    true = item(tmp_path / "true", {SFX: sound(moments(1))})
    same = item(tmp_path / "same", {SFX: sound(moments(1), seed=9)}, reference=true)
    other = item(tmp_path / "other", {SFX: sound(moments(1) + 0.2)}, reference=true)
    assert score(same, "onset_f1").values["onset_f1"] == 1.0
    assert score(other, "onset_f1").values["onset_f1"] < 0.4
    quiet = item(tmp_path / "quiet", {SFX: sound(moments(1))}, reference=item(tmp_path / "no", {SFX: 0 * TIME_S}))
    assert score(quiet, "onset_f1").expected


def test_faults_of_length_clipping_and_stillness_are_measured(tmp_path):
    wave = tone(-10)
    wave[1000:1010] = 32767 / 32768
    write_wav(tmp_path / "w.wav", wave, RATE_HZ)
    frames = np.full((round(1.8 * FPS), 32, 32, 3), 128, np.uint8)
    write_mp4(tmp_path / "v.mp4", frames, FPS, tmp_path / "w.wav", {})
    clip = Item(id="x", files={VIDEO: tmp_path / "v.mp4", SOUND: tmp_path / "w.wav"}, duration_s=1.9)
    values = score(clip, "technical").values
    assert values["length_error"] == pytest.approx(100)
    assert values["length_gap"] == pytest.approx(200)
    assert values["clipped"] == pytest.approx(1e6 * 8 / COUNT)  # runs of three among ten samples
    assert values["still"] == 1


def test_a_lag_is_found_through_the_encoded_file(tmp_path):
    lags = []
    for seed in range(3):
        events_s = moments(seed)
        write_wav(tmp_path / "w.wav", sound(events_s, offset_s=0.24, seed=seed), RATE_HZ)
        write_mp4(tmp_path / f"{seed}.mp4", picture(events_s, drift=0.6), FPS, tmp_path / "w.wav", {})
        line = score(Item(id="x", files={VIDEO: tmp_path / f"{seed}.mp4"}), "av_lag")
        lags.append(line.values["av_lag"])
        assert line.values["av_r"] > 0.6
    assert lags == pytest.approx([240] * 3, abs=10)


def test_av_align_is_high_for_planted_impulses_and_falls_when_they_are_apart(tmp_path):
    pytest.importorskip("cv2")
    found = []
    for offset_s in (0.0, 0.2):
        events_s = moments(3)
        write_wav(tmp_path / "w.wav", sound(events_s, offset_s=offset_s, seed=3), RATE_HZ)
        frames = picture(events_s)
        frames[:, :30] = 90
        path = tmp_path / f"{offset_s}.mp4"
        write_mp4(path, frames, FPS, tmp_path / "w.wav", {})
        found.append(score(Item(id="x", files={VIDEO: path}), "av_align").values["av_align"])
    assert found[0] > found[1] + 0.2


def test_too_short_a_clip_has_no_lag(tmp_path):
    clip = Item(id="x", files={VIDEO: write_clip(tmp_path, "a", seconds=0.8)})
    line = score(clip, "av_lag")
    assert (line.skipped, line.expected) == ("shorter than 1.2 s", False)
