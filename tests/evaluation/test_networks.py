"""Networks of learned metrics: the public checkpoints' keys and shapes, and the public code's outputs.

The golden files are made by `golden/make.py` from the public code; weights and inputs by `filling.py`.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from filling import fill, filled, numbers

from unison_core.evaluation.networks.aesthetic_head import AestheticHead
from unison_core.evaluation.networks.audiobox import AudioboxAesthetics, AudioboxConfig, renamed, windows
from unison_core.evaluation.networks.face_tracks import cut, follow
from unison_core.evaluation.networks.mfcc import mfcc
from unison_core.evaluation.networks.s3fd import S3FD, faces_of, suppress
from unison_core.evaluation.networks.synchformer import Synchformer, SynchformerConfig, offsets_s
from unison_core.evaluation.networks.syncnet import SyncNet, embed, lip_sync

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> dict:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def some_of(x: torch.Tensor, count: int = 24) -> list[float]:
    flat = x.detach().flatten()
    return flat[torch.linspace(0, len(flat) - 1, count).long()].double().tolist()


def shapes(module: torch.nn.Module) -> dict[str, list[int]]:
    return {name: list(value.shape) for name, value in module.state_dict().items() if "num_batches" not in name}


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def test_aesthetic_head_is_the_public_one():
    public = golden("aesthetic")
    head = fill(AestheticHead())
    assert shapes(head) == public["keys"]
    assert head(numbers("embeddings", (3, 1152))).tolist() == pytest.approx(public["scores"], abs=1e-5)


def test_audiobox_has_the_public_keys_and_outputs():
    public = golden("audiobox")
    config = AudioboxConfig(proj_num_layer=5, proj_ln=True, proj_dropout=0.1)
    with torch.device("meta"):
        full = AudioboxAesthetics(config)
        state = {name: torch.empty(shape) for name, shape in public["keys"].items()}
    assert {name: list(x.shape) for name, x in renamed(state).items()} == shapes(full)

    from transformers import WavLMConfig

    small = AudioboxAesthetics(
        AudioboxConfig(proj_num_layer=5, proj_ln=True, proj_dropout=0.1, nth_layer=3), WavLMConfig(num_hidden_layers=2)
    ).eval()
    names = [n for n in public["keys"] if ".layers." not in n or int(n.split(".layers.")[1].split(".")[0]) < 2]
    sizes = {n: [3] if n.startswith("layer_weights") else public["keys"][n] for n in names}
    small.load_state_dict(renamed({n: filled(n, torch.zeros(size)) for n, size in sizes.items()}))
    waves = numbers("waves", (2, 1, 24000), 0.1)[:, 0]
    waves[1, 13000:] = 0
    scores = small(waves, torch.tensor([24000, 13000]))
    for axis, values in public["scores"].items():
        assert scores[axis].tolist() == pytest.approx(np.ravel(values).tolist(), abs=2e-4)


def test_audiobox_windows_are_the_public_ones():
    public = golden("audiobox")
    found = windows(200000)
    assert [end - start for start, end, _ in found] == public["lengths"]
    assert [weight for *_, weight in found] == pytest.approx(public["weights"])


def test_cepstra_are_those_of_python_speech_features():
    public = golden("syncnet")
    wave = np.round(3000 * numbers("wave", (16000,)).numpy()).astype(np.int16)
    found = mfcc(wave)
    assert list(found.shape) == public["mfcc_shape"]
    assert some_of(torch.from_numpy(found)) == pytest.approx(public["mfcc"], abs=1e-8)
    assert np.isfinite(mfcc(np.zeros(500))).all()


def test_syncnet_has_the_public_keys_and_outputs():
    public = golden("syncnet")
    net = fill(SyncNet())
    assert shapes(net) == public["keys"]
    assert some_of(net.sound(numbers("cepstra", (2, 1, 13, 20), 5.0))) == pytest.approx(public["sound"], abs=1e-4)
    faces = numbers("faces", (1, 3, 5, 224, 224), 40.0) + 110
    assert some_of(net.lips(faces)) == pytest.approx(public["lips"], rel=1e-3, abs=1e-3)


def test_lse_is_the_public_arithmetic():
    public = golden("syncnet")
    lips, sounds = numbers("lips", (40, 64)), numbers("sounds", (40, 64))
    sounds[3:] += 2 * lips[:-3]
    found = lip_sync(lips, sounds)
    assert found.distance == pytest.approx(public["lse_d"], abs=1e-5)
    assert found.confidence == pytest.approx(public["lse_c"], abs=1e-5)
    assert found.offset == public["offset"] == -3


def test_windows_of_lips_and_sound_start_together():
    class Echo(SyncNet):
        def lips(self, faces):
            return faces[:, 0, 0, 0, :1]

        def sound(self, cepstra):
            return cepstra[:, 0, 0, :1]

    faces = torch.arange(30.0)[:, None, None, None].expand(30, 3, 2, 2)
    cepstra = torch.arange(120.0)[:, None].expand(120, 13)
    lips, sounds = embed(Echo(), faces, cepstra)
    assert lips[:, 0].tolist() == list(range(25))  # the public code leaves out the last window too
    assert sounds[:, 0].tolist() == [4.0 * i for i in range(25)]


def test_face_detector_has_the_public_keys_and_outputs():
    public = golden("syncnet")
    net = fill(S3FD())
    assert shapes(net) == public["detector_keys"]
    boxes, faces = net(numbers("picture", (1, 3, 96, 128), 40.0))
    assert len(boxes[0]) == public["priors"]
    assert some_of(boxes[0]) == pytest.approx(public["boxes"], rel=1e-3, abs=1e-4)
    assert some_of(faces[0]) == pytest.approx(public["faces"], abs=1e-4)
    assert suppress(boxes[0, :300], faces[0, :300], 0.3).tolist() == public["kept"]


def test_overlapping_faces_are_one():
    boxes = torch.tensor([[0.1, 0.1, 0.3, 0.3], [0.11, 0.1, 0.31, 0.3], [0.6, 0.6, 0.8, 0.8], [0.0, 0.0, 0.1, 0.1]])
    found = faces_of(boxes, torch.tensor([0.95, 0.99, 0.92, 0.4]), 0.9)
    assert found[:, 4].tolist() == pytest.approx([0.99, 0.92])


def test_synchformer_has_the_public_keys():
    with torch.device("meta"):
        assert shapes(Synchformer()) == golden("synchformer")["keys"]


def test_synchformer_has_the_public_outputs():
    public = golden("synchformer")
    net = fill(Synchformer(SynchformerConfig(depth=1, judge_depth=1)))
    segments = numbers("segments", (1, 1, 16, 3, 224, 224), 0.5)[0].transpose(1, 2)
    assert some_of(net.vfeat_extractor(segments)) == pytest.approx(public["picture"], abs=2e-4)
    mels = numbers("mels", (1, 1, 1, 128, 66), 0.5)[0, 0]
    assert some_of(net.afeat_extractor(mels)) == pytest.approx(public["sound"], abs=2e-4)
    logits = net.compare(numbers("v", (1, 14, 8, 768)), numbers("a", (1, 14, 6, 768)))
    assert logits[0].tolist() == pytest.approx(public["logits"], abs=2e-4)
    assert offsets_s().tolist() == pytest.approx(public["grid"])


def test_a_face_is_followed_over_a_gap_and_another_is_another_track():
    boxes = [np.array([[10.0 + i, 10, 50 + i, 50], [80, 80, 100, 100]]) for i in range(60)]
    for i in range(20, 30):
        boxes[i] = boxes[i][1:]
    tracks = follow(boxes, shortest=40, smallest=10)
    assert sorted(len(track.pictures) for track in tracks) == [60, 60]
    moving = next(track for track in tracks if track.boxes[0, 0] == 10)
    assert moving.boxes[25].tolist() == pytest.approx([35, 10, 75, 50])  # filled in
    assert follow(boxes, shortest=40, smallest=30)[0].boxes[0, 0] == 10
    assert len(follow(boxes, shortest=40, smallest=30)) == 1
    assert follow(boxes[:30], shortest=40, smallest=10) == []


def test_a_cut_face_has_its_room():
    pytest.importorskip("cv2")
    frames = np.zeros((20, 120, 120, 3), dtype=np.uint8)
    frames[:, 40:60, 50:70] = 255
    boxes = [np.array([[50.0, 40, 70, 60]])] * 20
    faces = cut(frames, follow(boxes, shortest=10, smallest=5)[0])
    assert faces.shape == (20, 224, 224, 3)
    rows, columns = (np.flatnonzero(faces[10, ..., 0].max(axis=axis) > 127) for axis in (1, 0))
    assert rows[0] == pytest.approx(0, abs=2)  # half a face above the centre is the top
    assert len(rows) / 224 == pytest.approx(20 / 28, abs=0.03)  # 2.8 halves high and wide
    assert columns.mean() == pytest.approx(112, abs=2)
