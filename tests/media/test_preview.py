"""The preview shows sound where it is: a tone at its time and pitch, a mark at its moment."""

import numpy as np
import pytest

from unison_core.media.preview import HEAD_HEIGHT, MARGIN, MARK, WIDTH, preview
from unison_core.media.spectrogram import LOWEST_HZ, colour, spectrogram_db

RATE = 16000


def test_a_tone_lights_its_own_row_and_time():
    t = np.arange(2 * RATE) / RATE
    wave = np.where(t >= 1, np.sin(2 * np.pi * 1000 * t), 0).astype(np.float32)
    levels = spectrogram_db(wave, RATE, width=200, height=100)
    row, column = np.unravel_index(np.argmax(levels), levels.shape)
    wanted = np.geomspace(RATE / 2, LOWEST_HZ, 100)
    assert wanted[row] == pytest.approx(1000, rel=0.06)
    assert column >= 100
    assert levels[:, :90].max() < -60


def test_colours_rise_in_lightness():
    ramp = colour(np.linspace(-70, 0, 64)[None], 0.0).astype(int).sum(axis=-1)[0]
    assert (np.diff(ramp) >= 0).all()


@pytest.mark.parametrize("shape", [(25, 32, 32, 3), (3, 64, 200, 3), (1, 40, 20, 3)])
def test_marks_and_sizes(shape):
    frames = np.zeros(shape, np.uint8)
    wave = np.zeros(round(shape[0] / 25 * RATE), np.float32)
    sheet = preview(frames, 25, {"speech": wave, "mix": wave}, RATE, [shape[0] / 50], "one\ntwo")
    assert sheet.width == WIDTH
    middle = MARGIN + (WIDTH - MARGIN - 12) // 2
    assert sheet.getpixel((middle, HEAD_HEIGHT + 3)) == MARK
