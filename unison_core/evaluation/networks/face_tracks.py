"""Faces followed through a clip, and cut out the way SyncNet was trained: 224 pixels, with room under the chin.

A track joins detections that overlap by half or more from picture to picture, over gaps of up to 25 pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import medfilt

SAME, GAP = 0.5, 25
SMOOTH = 13
ROOM = 0.4
"""Room around the face, as a share of half its size."""
GREY = 110
SIDE = 224


@dataclass(frozen=True, kw_only=True)
class Track:
    """A face in consecutive pictures: their numbers `(n,)`, and boxes `(n, 4)` in pixels (left, top, right, bottom)."""

    pictures: np.ndarray
    boxes: np.ndarray


def follow(faces: Sequence[np.ndarray], shortest: int, smallest: float) -> list[Track]:
    """Tracks of more than `shortest` pictures whose face is larger than `smallest` pixels.

    Args:
        faces: boxes `(k, 4)` of every picture; pictures without a face have `(0, 4)`.
    """
    left = [[box for box in boxes] for boxes in faces]
    tracks: list[Track] = []
    while True:
        numbers: list[int] = []
        boxes: list[np.ndarray] = []
        for number, found in enumerate(left):
            if boxes and number - numbers[-1] > GAP:
                break
            place = next((i for i, box in enumerate(found) if not boxes or _iou(box, boxes[-1]) > SAME), None)
            if place is not None:
                boxes.append(found.pop(place))
                numbers.append(number)
        if not boxes:
            return tracks
        if len(boxes) > shortest:
            every = np.arange(numbers[0], numbers[-1] + 1)
            filled = np.stack([np.interp(every, numbers, column) for column in np.stack(boxes).T], axis=1)
            if (filled[:, 2:] - filled[:, :2]).mean(axis=0).max() > smallest:
                tracks.append(Track(pictures=every, boxes=filled))


def cut(frames: np.ndarray, track: Track) -> np.ndarray:
    """The face of a track, uint8 RGB `(n, 224, 224, 3)`, its place and size smoothed over 13 pictures."""
    import cv2

    half = (track.boxes[:, 2:] - track.boxes[:, :2]).max(axis=1) / 2
    centre_x, centre_y = (track.boxes[:, :2] + track.boxes[:, 2:]).T / 2
    half, centre_x, centre_y = (medfilt(x, SMOOTH) for x in (half, centre_x, centre_y))
    cropped = []
    for number, s, x, y in zip(track.pictures, half, centre_x, centre_y, strict=True):
        border = int(s * (1 + 2 * ROOM))
        padded = np.pad(frames[number], ((border, border), (border, border), (0, 0)), constant_values=GREY)
        x, y = x + border, y + border
        rows = slice(int(y - s), int(y + s * (1 + 2 * ROOM)))
        columns = slice(int(x - s * (1 + ROOM)), int(x + s * (1 + ROOM)))
        cropped.append(cv2.resize(padded[rows, columns], (SIDE, SIDE)))
    return np.stack(cropped)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    width, height = np.maximum(0, np.minimum(a[2:4], b[2:4]) - np.maximum(a[:2], b[:2]))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return float(width * height / (areas - width * height))
