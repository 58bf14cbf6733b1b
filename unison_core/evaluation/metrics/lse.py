"""LSE-C and LSE-D (Sync-C, Sync-D): do the lips of the faces say what is heard, by SyncNet?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unison_core.evaluation.feature import Feature, Model, Weights
from unison_core.evaluation.item import SOUND, TRANSCRIPT, VIDEO, Item
from unison_core.evaluation.registry import DOWN, NEITHER, UP, Features, Figure, Metric, Score, Unscored
from unison_core.evaluation.weights import load_state, single_file

SYNCNET = Weights(id="syncnet_v2.model", licence="not stated (research, University of Oxford)", size="55 MB",
                  url="https://www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model")  # fmt: skip
FACES = Weights(id="sfd_face.pth", licence="not stated (research)", size="90 MB",
                url="https://www.robots.ox.ac.uk/~vgg/software/lipsync/data/sfd_face.pth")  # fmt: skip
FPS, RATE_HZ = 25.0, 16000
SURE = 0.9
SHORTEST = 40
"""Pictures of a track, above which it counts; the public pipeline asks for 100, which a 4 s clip never passes."""
SMALLEST = 100 / 720
"""Size of a face, as a share of the picture's shorter side."""
DETECTED_SIDE, LEAST_SCALE = 240, 0.25


def load(paths: Mapping[str, Path], device: torch.device) -> Any:
    """SyncNet and the face detector."""
    from unison_core.evaluation.networks.s3fd import S3FD
    from unison_core.evaluation.networks.syncnet import SyncNet

    networks = []
    for network, weights in ((SyncNet(), SYNCNET), (S3FD(), FACES)):
        load_state(network, single_file(paths, weights, weights.id))
        networks.append(network.to(device).eval())
    return tuple(networks)


def prepare(media: Any) -> tuple[np.ndarray, np.ndarray]:
    """Pictures at 25 a second, and cepstra `(M, 13)`."""
    from unison_core.evaluation.networks.mfcc import mfcc

    wave = media.wave(SOUND).at(RATE_HZ)
    return media.frames(fps=FPS), mfcc(np.clip(np.round(wave * 32768), -32768, 32767))


def infer(networks: Any, prepared: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    """Distance, confidence and offset of every track; raises Unscored where there is none."""
    from unison_core.evaluation.networks.face_tracks import cut, follow
    from unison_core.evaluation.networks.syncnet import PICTURES, SHIFT, embed, lip_sync

    syncnet, detector = networks
    frames, cepstra = prepared
    device = next(syncnet.parameters()).device
    if len(frames) <= SHORTEST:
        raise Unscored(f"shorter than a track of {SHORTEST} pictures")
    boxes = [find_faces(detector, frame, device) for frame in frames]
    if not any(len(found) for found in boxes):
        raise Unscored("no face")
    tracks = follow(boxes, SHORTEST, SMALLEST * min(frames.shape[1:3]))
    if not tracks:
        raise Unscored(f"no face that stays for {SHORTEST} pictures")
    found = []
    for track in tracks:
        faces = torch.from_numpy(cut(frames, track)[..., ::-1].copy()).permute(0, 3, 1, 2).float()  # blue first
        sound = torch.from_numpy(cepstra[4 * track.pictures[0] :]).float()
        if min(len(faces), len(sound) // 4) > PICTURES + SHIFT:
            found.append(lip_sync(*embed(syncnet, faces.to(device), sound.to(device))))
    if not found:
        raise Unscored("the sound ends before the lips can be compared")
    return {
        "distance": np.array([x.distance for x in found]),
        "confidence": np.array([x.confidence for x in found]),
        "offset": np.array([x.offset for x in found]),
    }


def find_faces(detector: Any, frame: np.ndarray, device: torch.device) -> np.ndarray:
    """Boxes `(n, 4)` in pixels of the faces in a picture."""
    import cv2

    from unison_core.evaluation.networks.s3fd import MEAN_RGB, faces_of

    height, width = frame.shape[:2]
    scale = min(1.0, max(LEAST_SCALE, DETECTED_SIDE / min(height, width)))
    small = cv2.resize(frame, None, fx=scale, fy=scale)
    x = torch.from_numpy(small.astype(np.float32) - np.array(MEAN_RGB, dtype=np.float32)).permute(2, 0, 1)[None]
    boxes, probability = detector(x.to(device))
    faces = faces_of(boxes[0].cpu(), probability[0].cpu(), SURE)
    return faces[:, :4].numpy() * np.array([width, height, width, height])


def score(item: Item, features: Features) -> Score:
    """Means over tracks."""
    found = features["lse"]
    values = {"lse_c": found["confidence"], "lse_d": found["distance"], "lse_offset": 1000 / FPS * found["offset"]}
    means = {name: float(x.mean()) for name, x in values.items()}
    return Score(values=means, notes={"tracks": str(len(found["offset"]))})


METRIC = Metric(
    name="lse",
    about="SyncNet over face tracks: 25 fps, shifts up to 15 pictures",
    source=f"Chung and Zisserman 2016, as Wav2Lip reports it; tracks of more than {SHORTEST} pictures (public: 100), "
    "faces found at 240 pixels",
    figures=(
        Figure(name="lse_c", about="LSE-C, Sync-C", better=UP),
        Figure(name="lse_d", about="LSE-D, Sync-D", better=DOWN),
        Figure(name="lse_offset", about="offset at the least distance, ms", better=NEITHER, digits=0),
    ),
    needs=(VIDEO, SOUND, TRANSCRIPT),
    features=(
        Feature(name="lse", reads=(VIDEO, SOUND), prepare=prepare, infer=infer,
                model=Model(name="syncnet_v2+s3fd", weights=(SYNCNET, FACES), load=load)),
    ),
    score=score,
    modules=("cv2",),
)  # fmt: skip
