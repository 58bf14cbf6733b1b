"""A stem over full scale is lowered around its peaks alone."""

import numpy as np

from unison_core.media.limiter import CEILING, WINDOW_S, limited

RATE_HZ = 16000


def test_peaks_are_lowered_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    wave = (0.1 * rng.standard_normal(RATE_HZ)).astype(np.float32)
    wave[5000:5004] = (1.7, -1.2, 1.4, -0.8)
    out = limited(wave, RATE_HZ)
    assert out.dtype == np.float32
    assert CEILING - 0.02 < np.abs(out).max() <= CEILING
    reach = round(2 * WINDOW_S * RATE_HZ)
    far = np.abs(np.arange(RATE_HZ) - 5002) > reach
    np.testing.assert_allclose(out[far], wave[far], rtol=1e-6)
    assert np.abs(np.diff(out / wave)).max() < 0.01  # no step in the gain


def test_what_fits_stays_to_the_bit() -> None:
    wave = np.linspace(-0.99, 0.99, 1000, dtype=np.float32)
    assert np.array_equal(limited(wave, RATE_HZ), wave)
    assert len(limited(wave[:0], RATE_HZ)) == 0
