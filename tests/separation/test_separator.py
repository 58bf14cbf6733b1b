"""Windows of any rate and channel count through a separator, alone and from many threads."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bs_roformer.mel_band_roformer import FeedForward

from tests.conftest import stirred
from unison_core.errors import UsageError
from unison_core.separation.config import SeparatorConfig, load_separator_preset
from unison_core.separation.mel_roformer import build_separator
from unison_core.separation.overlap_add import Grid, separate_stream
from unison_core.separation.precision import separator_precision
from unison_core.separation.separator import Separator
from unison_core.separation.service import SeparationService


@pytest.fixture(scope="module")
def separator(separator_folder: Path) -> Separator:
    return Separator.from_folder(separator_folder)


def noise(channels: int, samples: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(channels).standard_normal((channels, samples))).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_rate_and_channels_are_kept(separator: Separator, rate_hz: int, channels: int) -> None:
    wave = noise(channels, 3 * rate_hz // 10)
    stems = separator.separate(wave, rate_hz)
    assert set(stems) == {"speech", "sfx"}
    np.testing.assert_allclose(stems["speech"] + stems["sfx"], wave, atol=1e-6)
    assert np.abs(stems["speech"]).max() > 1e-4


def test_channels_of_a_mono_model_are_independent(separator: Separator) -> None:
    wave = noise(2, 5000)
    both = separator.separate(wave, 16000)["speech"]
    alone = separator.separate(wave[1:], 16000)["speech"]
    np.testing.assert_allclose(both[1:], alone, atol=1e-5)


def test_equal_channels_are_computed_once(separator: Separator, monkeypatch: pytest.MonkeyPatch) -> None:
    wave = noise(1, 5000)
    alone = separator.separate(wave, 16000)["speech"]
    rows: list[int] = []
    whole = separator._rows
    monkeypatch.setattr(separator, "_rows", lambda mix: rows.append(len(mix)) or whole(mix))
    both = separator.separate(np.repeat(wave, 2, axis=0), 16000)["speech"]
    assert set(rows) == {1}
    np.testing.assert_array_equal(both, np.repeat(alone, 2, axis=0))


def test_a_stereo_model_takes_pairs(tiny_separator_config: SeparatorConfig) -> None:
    config = replace(tiny_separator_config, channels=2, band_split="shape")
    torch.manual_seed(0)
    separator = Separator(config, stirred(build_separator(config)))
    one, two, three = (separator.separate(noise(3, 3000)[:n], 16000)["speech"] for n in (1, 2, 3))
    np.testing.assert_allclose(three[:2], two, atol=1e-5)
    assert one.shape == (1, 3000)
    with torch.no_grad():
        pair = torch.from_numpy(np.pad(noise(3, 3000)[:2, :2048], 0))[None]
        window = separator.model(pair)[0].numpy()
    np.testing.assert_allclose(separator.speech(noise(3, 3000)[None, :2, :2048])[0], window, atol=1e-5)


def test_silence_stays_digital_silence(separator: Separator) -> None:
    for rate_hz in (16000, 44100):
        assert not separator.separate(np.zeros((2, rate_hz // 4), np.float32), rate_hz)["speech"].any()


def test_many_threads_get_what_one_gets(separator: Separator) -> None:
    """Windows of several recordings, rates and channel counts are computed together without mixing them up."""
    jobs = [(noise(channels, samples), rate) for rate in (16000, 44100) for channels in (1, 2)
            for samples in (900, 7000, 12000)]  # fmt: skip
    expected = [separator.separate(*job)["speech"] for job in jobs]
    with SeparationService(separator) as service, ThreadPoolExecutor(5) as pool:

        def run(job: tuple[np.ndarray, int]) -> np.ndarray:
            grid = Grid.at_rate(separator.config, job[1])
            return np.concatenate([s for _, s in separate_stream([job[0]], grid, service.submit, 3)], axis=1)

        for made, wanted in zip(pool.map(run, jobs), expected, strict=True):
            np.testing.assert_allclose(made, wanted, atol=1e-5)


def test_a_failing_model_fails_its_recordings_only(separator: Separator, monkeypatch: pytest.MonkeyPatch) -> None:
    with SeparationService(separator) as service:
        with monkeypatch.context() as patch:
            patch.setattr(separator, "speech", lambda windows: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                service.submit(noise(1, 2048)).result()
        assert service.submit(noise(1, 2048)).result().shape == (1, 2048)


@pytest.fixture
def deep() -> SeparatorConfig:
    """The public model's depth, bands and heads, on a tenth of a second."""
    public = load_separator_preset("vocals")
    return replace(public, dim=64, dim_head=32, window=441 * 10, overlap=441 * 5, fade=441)


def test_in_float16_a_deep_separator_stays_far_more_than_fifty_db_under_float32(deep: SeparatorConfig) -> None:
    torch.manual_seed(0)
    model = build_separator(deep)
    wave = noise(2, deep.window).reshape(1, 2, -1)
    exact = Separator(deep, model).speech(wave)

    def deviation_db(precision: torch.dtype) -> float:
        made = Separator(deep, model, precision=precision).speech(wave)
        return float(20 * np.log10(np.linalg.norm(made - exact) / np.linalg.norm(exact)))

    half, brain = deviation_db(torch.float16), deviation_db(torch.bfloat16)
    assert half < -60
    assert half < brain - 15  # three more bits, 6 dB each


def test_what_float16_cannot_hold_is_computed_in_float32(tiny_separator_config: SeparatorConfig) -> None:
    torch.manual_seed(0)
    model = stirred(build_separator(tiny_separator_config))
    separator = Separator(tiny_separator_config, model, precision=torch.float16)
    rows = torch.from_numpy(noise(3, 2048)[:, None])
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, FeedForward):  # whose insides pass 65504
                module.net[1].weight.mul_(1e6)
        exact = model(rows).reshape(rows.shape)
        with torch.autocast("cpu", torch.float16):
            assert not model(rows).isfinite().all()
    made = torch.from_numpy(separator.speech(rows.numpy()))
    assert made.isfinite().all()
    torch.testing.assert_close(made, exact)


def test_precisions_by_name() -> None:
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    for dim in (80, 384):
        assert separator_precision("auto", gpu, dim, True) == torch.float16
        assert separator_precision("auto", cpu, dim, False) == torch.float32
        assert separator_precision("bf16", cpu, dim, False) == torch.bfloat16
    assert separator_precision("auto", cpu, 384, True) == torch.bfloat16
    assert separator_precision("auto", cpu, 80, True) == torch.float32
    with pytest.raises(UsageError, match="none of auto, bf16, fp16, fp32"):
        separator_precision("int8", cpu, 80, True)


@pytest.mark.gpu
def test_on_a_gpu_float16_and_compiled_stay_fifty_db_under_float32(deep: SeparatorConfig) -> None:
    torch.manual_seed(0)
    model = build_separator(deep)
    wave = noise(10, deep.window).reshape(5, 2, -1)
    exact = Separator(deep, model, "cuda").speech(wave)
    made = Separator(deep, model, "cuda", torch.float16, batch=4, compiled=True).speech(wave)
    assert np.linalg.norm(made - exact) < np.linalg.norm(exact) * 10**-2.5
