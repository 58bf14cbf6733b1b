"""Weight-free figures find what was planted, and agree with independent implementations where there are any."""

import re
import subprocess

import numpy as np
import pytest
from clips import RATE_HZ, moments, picture, sound

from unison_core.evaluation.loudness import sdr, si_sdr
from unison_core.evaluation.metrics.av_align import local_maxima
from unison_core.evaluation.onset_matching import match_count, onset_f1
from unison_core.evaluation.registry import Unscored
from unison_core.evaluation.sync import moving_parts, onset_strength, sync
from unison_core.evaluation.word_scores import score_words
from unison_core.media.loudness import lufs
from unison_core.media.onsets import onsets_s
from unison_core.media.wav import write_wav


@pytest.mark.parametrize("drift", [0.0, 0.6, 2.0])
def test_shifted_sound_gives_its_lag_within_10_ms_also_over_a_moving_background(drift):
    for seed in range(3):
        events_s = moments(seed)
        motion = moving_parts(picture(events_s, drift=drift), 25.0)
        for offset_ms in (-800, -370, -100, 0, 60, 250, 800):
            found = sync(motion, onset_strength(sound(events_s, offset_s=offset_ms / 1000, seed=seed), RATE_HZ), 1.0)
            assert found is not None
            assert found.lag_ms == pytest.approx(offset_ms, abs=10)


def test_known_mixtures_give_their_ratio_and_agree_with_torchmetrics():
    torchmetrics = pytest.importorskip("torchmetrics.functional.audio")
    import torch

    rng = np.random.default_rng(0)
    clean, noise = rng.normal(size=(2, RATE_HZ))
    clean -= clean.mean()
    noise -= noise.mean() + (noise - noise.mean()) @ clean / (clean @ clean) * clean
    noise *= np.linalg.norm(clean) / np.linalg.norm(noise)
    for ratio_db in (-7.0, 0.0, 13.0):
        mixture = clean + 10 ** (-ratio_db / 20) * noise
        assert si_sdr(0.3 * mixture, clean) == pytest.approx(ratio_db, abs=1e-6)
        assert sdr(mixture, clean) == pytest.approx(ratio_db, abs=1e-6)
        pair = torch.from_numpy(mixture + 0.1), torch.from_numpy(clean)
        theirs = torchmetrics.scale_invariant_signal_distortion_ratio(*pair, zero_mean=True)
        assert si_sdr(mixture + 0.1, clean) == pytest.approx(float(theirs), abs=1e-4)


def test_known_levels_give_their_loudness_and_agree_with_ffmpeg(tmp_path):
    import imageio_ffmpeg

    tone = np.sin(2 * np.pi * 997 * np.arange(5 * 48000) / 48000)
    full_scale_lufs = -3.0  # of a tone in one channel
    assert lufs(10 ** (-23 / 20) * tone, 48000) == pytest.approx(full_scale_lufs - 23, abs=0.1)
    programme = np.concatenate([0.02 * tone, 0.2 * tone, sound(moments(1)).repeat(3)[: len(tone)]])
    write_wav(tmp_path / "a.wav", programme, 48000)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(tmp_path / "a.wav"), "-af", "ebur128", "-f", "null", "-"]
    report = subprocess.run(command, capture_output=True, check=True).stderr.decode()
    theirs = float(re.findall(r"I:\s+(-?[\d.]+) LUFS", report)[-1])
    assert lufs(programme, 48000) == pytest.approx(theirs, abs=0.15)


def test_a_text_with_known_edits_gives_the_known_rate():
    pytest.importorskip("jiwer")
    reference = "the quick brown fox jumps over the lazy dog again"
    heard = "the quick brown cat jumps over lazy dog again and"  # one of each kind, ten words
    score = score_words(reference, heard, "en", ("wer", "cer"))
    assert score.values["wer"] == pytest.approx(3 / 10)
    assert score.weights == {"wer": 10, "cer": len(reference.replace(" ", ""))}
    assert score.values["cer"] == pytest.approx(_edits(*(t.replace(" ", "") for t in (reference, heard))) / 40)


def test_chinese_words_are_characters():
    pytest.importorskip("jiwer")
    score = score_words("今天天气很好。", "今天天汽很", "zh", ("wer", "cer"))
    assert score.values == {"wer": pytest.approx(2 / 6), "cer": pytest.approx(2 / 6)}


def test_a_transcript_without_words_is_no_zero():
    pytest.importorskip("jiwer")
    with pytest.raises(Unscored, match="no word"):
        score_words("...", "anything", "en", ("wer", "cer"))


def test_onset_f1_agrees_with_mir_eval():
    onset = pytest.importorskip("mir_eval").onset
    rng = np.random.default_rng(2)
    for _ in range(30):
        true, found = (np.sort(rng.uniform(0, 2, size=rng.integers(1, 12))) for _ in range(2))
        assert onset_f1(found, true, 0.05) == pytest.approx(onset.f_measure(true, found, window=0.05)[0])


def test_matching_is_one_to_one():
    assert match_count(np.array([0.0, 0.01]), np.array([0.0]), 0.05) == 1
    assert match_count(np.array([0.0, 0.06]), np.array([0.05, 0.1]), 0.05) == 2  # the nearest pair first would give 1
    assert onset_f1(np.array([]), np.array([]), 0.05) == 1.0
    assert onset_f1(np.array([0.3]), np.array([]), 0.05) == 0.0


def test_planted_onsets_are_found_and_agree_with_librosa():
    librosa = pytest.importorskip("librosa")
    events_s = moments(4)
    wave = sound(events_s, seed=4)
    ours = np.array(onsets_s(wave, RATE_HZ))
    assert onset_f1(ours, events_s, 0.03) == 1.0
    theirs = librosa.onset.onset_detect(y=wave, sr=RATE_HZ, units="time", hop_length=160)
    assert onset_f1(ours, theirs, 0.05) >= 0.8


def test_flow_peaks_are_greater_than_their_neighbours():
    assert local_maxima(np.array([0, 2, 1, 3, 3, 1, 5.0])).tolist() == [2]


def _edits(a: str, b: str) -> int:
    """Levenshtein distance by its recurrence."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]
