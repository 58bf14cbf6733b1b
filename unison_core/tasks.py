"""Every direction of generation as a row of one table, read by training and sampling alike.

A row says which streams are given (sigma = 0 exactly, no loss) and whether video frame 0 is (image to audio-video);
Harmony's cross-task synergy (sec. 3.2) weights the rows' losses with lambda_v and lambda_a.
"""

from dataclasses import dataclass

from unison_core.types import SFX, SPEECH, VIDEO

ANCHORS = ("a2v", "v2a")
"""Rows that (static picture, silence) pairs train: what the picture does when nothing sounds, and what sounds when
nothing moves. SyncCFG's anchors (Harmony eq. 9, 10) ask the model just that; no other row may learn stillness."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One direction of generation.

    Attributes:
        name: how configurations and the command line call it.
        given: streams that are input.
        first_frame: video latent frame 0 is input.
        weight: factor on the losses of the streams that are generated.
    """

    name: str
    given: frozenset[str] = frozenset()
    first_frame: bool = False
    weight: float = 1.0


LAMBDA_V, LAMBDA_A = 0.1, 0.3
"""Harmony's weights of the A2V and V2A losses."""

TASKS = {
    task.name: task
    for task in (
        Task(name="t2av"),
        Task(name="ti2av", first_frame=True),
        Task(name="a2v", given=frozenset({SPEECH, SFX}), weight=LAMBDA_V),
        Task(name="v2a", given=frozenset({VIDEO}), weight=LAMBDA_A),
        Task(name="speech_to_av", given=frozenset({SPEECH})),
        Task(name="sfx_to_av", given=frozenset({SFX})),
        Task(name="dub", given=frozenset({VIDEO, SFX}), weight=LAMBDA_A),
        Task(name="foley", given=frozenset({VIDEO, SPEECH}), weight=LAMBDA_A),
        Task(name="image_a2v", given=frozenset({SPEECH, SFX}), first_frame=True, weight=LAMBDA_V),
        Task(name="image_speech_to_av", given=frozenset({SPEECH}), first_frame=True),
        Task(name="image_sfx_to_av", given=frozenset({SFX}), first_frame=True),
    )
}
