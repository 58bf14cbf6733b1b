"""Weights visit the device and leave it: the same numbers, few at a time."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from unison_core.weights.host_weights import BlockStream, HostWeights
from unison_core.weights.tensors import write_tensors

CPU = torch.device("cpu")


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def side(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * self.layer(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


def test_lent_weights_are_copies_that_are_dropped() -> None:
    module = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8)).eval()
    weights = HostWeights.of(module, CPU)
    expected, home = module(torch.ones(2, 8)), module[0].weight.data_ptr()
    with weights.on_device():
        assert weights.lent
        assert module[0].weight.data_ptr() != home
        assert torch.equal(module(torch.ones(2, 8)), expected)
    assert not weights.lent
    assert module[0].weight.data_ptr() == home


@torch.no_grad()
def test_a_stream_keeps_two_blocks_on_the_device_at_most() -> None:
    blocks = [Block() for _ in range(6)]
    x = torch.randn(2, 8)
    expected = x
    for block in blocks:
        expected = block(expected)
    side = blocks[3].side(x)
    stream = BlockStream(blocks, CPU, methods=("side",))
    seen = []
    for block in blocks:
        block.layer.register_forward_hook(lambda *_: seen.append(stream.resident))
    with torch.inference_mode():
        for _ in range(2):
            y = x
            for block in blocks:
                y = block(y)
            assert torch.equal(y, expected)
    assert max(seen) == 2
    assert torch.equal(blocks[3].side(x), side)
    stream.release()
    assert stream.resident == 0
    stream.close()
    assert torch.equal(blocks[3].side(x), side)
    assert "side" not in vars(blocks[3])


def test_a_failing_block_leaves_nothing_behind() -> None:
    blocks = [Block(), Block()]
    stream = BlockStream(blocks, CPU)
    with pytest.raises(RuntimeError):
        blocks[0](torch.zeros(2, 3))
    assert not stream.weights[0].lent


LOAD = """
import re, sys, torch
from pathlib import Path
from torch import nn
from unison_core.weights import state

def memory(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

with torch.device("meta"):
    model = nn.Sequential(*[nn.Linear(1024, 1024, bias=False) for _ in range(64)])
Path("/proc/self/clear_refs").write_text("5")  # forget the peak that the import left
base = memory("VmRSS")
state.load_onto(model, Path(sys.argv[1]), torch.device("cpu"), torch.bfloat16)
print(memory("VmHWM") - base)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is read from Linux's /proc")
def test_loading_holds_the_model_and_one_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """256 MB in float32 in shards of 34 MB, kept as 128 MB of bfloat16."""
    from unison_core.weights import tensors

    monkeypatch.setattr(tensors, "SHARD_BYTES", 34_000_000)
    write_tensors(tmp_path, {f"{i}.weight": torch.randn(1024, 1024) for i in range(64)})
    shard = max(file.stat().st_size for file in tmp_path.glob("*.safetensors"))
    done = subprocess.run([sys.executable, "-c", LOAD, str(tmp_path)], capture_output=True, text=True, check=True)
    kept = 64 * 1024 * 1024 * 2
    assert kept * 0.9 < int(done.stdout) < kept + 1.2 * shard + 10_000_000
