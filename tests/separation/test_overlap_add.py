"""Windows of a recording, taken apart and put together."""

from concurrent.futures import Future

import numpy as np
import pytest

from unison_core.separation.config import load_separator_preset
from unison_core.separation.overlap_add import Grid, Submit, cut, separate_stream

GRID = Grid(size=100, step=70, fade=20)


def promise(function) -> Submit:  # type: ignore[no-untyped-def]
    def submit(window: np.ndarray) -> "Future[np.ndarray]":
        result: Future[np.ndarray] = Future()
        result.set_result(function(window))
        return result

    return submit


def run(wave: np.ndarray, block: int, submit: Submit, grid: Grid = GRID, ahead: int = 1) -> list[np.ndarray]:
    blocks = (wave[:, i : i + block] for i in range(0, wave.shape[1], block))
    pairs = list(separate_stream(blocks, grid, submit, ahead))
    return [np.concatenate(parts, axis=1) for parts in zip(*pairs, strict=True)]


@pytest.mark.parametrize("length", [1, 30, 99, 100, 101, 130, 131, 170, 171, 1000])
def test_a_model_that_changes_nothing_gives_the_recording(length: int) -> None:
    wave = np.random.default_rng(length).standard_normal((2, length)).astype(np.float32)
    mix, speech = run(wave, 37, promise(lambda window: window))
    assert np.array_equal(mix, wave)
    np.testing.assert_allclose(speech, wave, atol=1e-6)


def test_an_empty_recording_has_no_window() -> None:
    assert list(cut([], GRID)) == []
    assert list(cut([np.zeros((1, 0), np.float32)], GRID)) == []


@pytest.mark.parametrize("ahead", [1, 5])
@pytest.mark.parametrize("block", [1, 13, 100, 999])
def test_neither_blocks_nor_what_is_under_way_change_the_result(block: int, ahead: int) -> None:
    """The model here depends on the whole window, as a transformer does."""
    wave = np.random.default_rng(0).standard_normal((1, 999)).astype(np.float32)
    by_window = promise(lambda window: window * np.float32(window.mean() + np.square(window).sum()))
    reference = run(wave, 50, by_window)[1]
    assert np.array_equal(run(wave, block, by_window, ahead=ahead)[1], reference)


def test_windows_cross_fade() -> None:
    """Each window returns its own number; in the overlap the sum moves from one to the next without a jump."""
    count = iter(range(10))
    wave = np.ones((1, 240), np.float32)
    speech = run(wave, 240, promise(lambda window: np.full_like(window, next(count))))[1][0]
    assert np.abs(np.diff(speech)).max() < 1.5 / GRID.fade
    assert speech[0] == 0
    assert speech[-1] == 2


def test_the_last_window_is_longer_than_an_overlap() -> None:
    for length in range(1, 400):
        windows = list(cut([np.ones((1, length), np.float32)], GRID))
        assert [window.last for window in windows] == [False] * (len(windows) - 1) + [True]
        assert len(windows) == 1 or windows[-1].samples > GRID.size - GRID.step


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 22050, 37800, 44100, 48000, 96000])
def test_grids_last_as_long_at_every_rate(rate_hz: int) -> None:
    """To 4 parts in 10,000: lengths that are quick to transform come before the exact ones."""
    config = load_separator_preset("nano")
    grid = Grid.at_rate(config, rate_hz)
    assert grid.size / rate_hz == pytest.approx(config.window / config.rate_hz, rel=4e-4)
    assert 0 < grid.fade <= grid.size - grid.step


def test_windows_have_lengths_that_are_quick_to_transform() -> None:
    """At 44.1 kHz the nanos' 4.608 s are a prime number of samples; the model's own rate keeps its window."""
    config = load_separator_preset("nano")
    assert Grid.at_rate(config, 44100).size == 203280  # 2^4 3 5 7 11^2
    assert Grid.at_rate(config, 48000).size == 221184  # is quick as it is
    assert Grid.at_rate(config, 16000).size == config.window
