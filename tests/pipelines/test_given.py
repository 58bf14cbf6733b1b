"""What is given decides the direction, and only directions that are trained exist."""

from itertools import product

import numpy as np
import pytest

from unison_core.errors import UsageError
from unison_core.pipelines.given import Given
from unison_core.pipelines.given_media import GivenMedia
from unison_core.tasks import TASKS


@pytest.mark.parametrize(
    ("given", "task", "command"),
    [
        ({}, "t2av", "generate"),
        ({"image": "i"}, "ti2av", "generate"),
        ({"audio": "a"}, "a2v", "a2v"),
        ({"speech": "s", "sfx": "x"}, "a2v", "a2v"),
        ({"speech": "s"}, "speech_to_av", "a2v"),
        ({"speech": "s", "image": "i"}, "image_speech_to_av", "a2v"),
        ({"audio": "a", "image": "i"}, "image_a2v", "a2v"),
        ({"sfx": "s"}, "sfx_to_av", "a2v"),
        ({"video": "v"}, "v2a", "v2a"),
        ({"video": "v", "sfx": "x"}, "dub", "v2a"),
        ({"video": "v", "keep": "sfx"}, "dub", "v2a"),
        ({"video": "v", "speech": "s"}, "foley", "v2a"),
        ({"video": "v", "keep": "speech"}, "foley", "v2a"),
    ],
)
def test_files_decide_the_direction(given, task, command):
    assert Given(**given).task is TASKS[task]
    assert Given(**given).command == command


def test_whatever_is_given_is_a_trained_direction_or_one_clear_error():
    """Every combination of fields either maps to a row of the task table or is refused when it is written down."""
    good = 0
    for files in product((None, "f"), repeat=5):
        for keep in (None, "speech", "sfx"):
            fields = dict(zip(("audio", "speech", "sfx", "video", "image"), files, strict=True))
            try:
                assert Given(**fields, keep=keep).task.name in TASKS
                good += 1
            except UsageError:
                pass
    assert good == 15


def test_when_given_speech_is_heard():
    wave = np.zeros(32000, np.float32)
    wave[8000:20000] = 0.3 * np.sin(np.arange(12000))
    start, end = GivenMedia(stems={"speech": wave}, rate_hz=16000).spoken_s()
    assert start == pytest.approx(0.5, abs=0.02)
    assert end == pytest.approx(1.25, abs=0.02)
    assert GivenMedia(stems={"speech": 0 * wave}, rate_hz=16000).spoken_s() is None
    assert GivenMedia(stems={"sfx": wave}, rate_hz=16000).spoken_s() is None
