"""Recording gates changes nothing that is generated, and keeps what the model gave."""

import json

import pytest
import torch

from unison_core.pipelines.gate_record import GateRecorder
from unison_core.pipelines.unison_pipeline import UnisonPipeline
from unison_core.types import AUDIO_STREAMS


@pytest.fixture(scope="module")
def pipeline(tiny_folder):
    return UnisonPipeline.from_pretrained(str(tiny_folder), device="cpu", precision="fp32")


def test_recorded_clips_are_the_same_and_have_a_gate_per_step_block_and_stream(pipeline, tmp_path):
    from unison_core.pipelines.request import GenerateRequest, complete

    spec = complete(GenerateRequest(caption="A man", transcript="", duration_s=1.64, seed=3), pipeline.preset)
    plain, recorded = (pipeline.generate_spec(spec, gates=gates) for gates in (False, True))
    assert plain.metadata["sha256"] == recorded.metadata["sha256"]
    assert plain.gates is None
    saved = recorded.save(tmp_path / "clip")
    assert {*saved.metadata["files"], "unison.json"} == {file.name for file in (tmp_path / "clip").iterdir()}
    data = json.loads((tmp_path / "clip" / "gates.json").read_text())
    blocks = pipeline.preset.model.audio.blocks
    for stream in AUDIO_STREAMS:
        assert len(data["sigma"][stream]) == spec.steps
        assert [len(step) for step in data["gates"][stream]] == [blocks] * spec.steps
        assert all(0 < gate < 1 for step in data["gates"][stream] for gate in step)
    assert data["sigma"]["speech"][0] == 1.0
    assert len({gate for step in data["gates"]["speech"] for gate in step}) > 1


def test_the_first_row_is_kept_of_a_doubled_batch():
    class Model:
        def __call__(self, latents, sigmas, conditions, *, gates):
            gates += [torch.tensor([[0.1, 0.2], [0.9, 0.9]]), torch.tensor([[0.3, 0.4], [0.9, 0.9]])]
            return latents

    recorder = GateRecorder(Model())
    assert recorder.to_mapping() is None
    recorder({}, {stream: torch.full((2,), 0.7) for stream in ("video", *AUDIO_STREAMS)}, None)
    data = recorder.to_mapping()
    assert data["gates"] == {"speech": [[0.1, 0.3]], "sfx": [[0.2, 0.4]]}
    assert data["sigma"]["video"] == [0.7]
