"""The training benchmark counts what it divides by, and runs."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from unison_core.config import to_mapping
from unison_core.pipelines.workload import forward_flops

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import train_step

    return train_step


def test_a_backward_pass_costs_twice_a_forward_pass_and_less_where_weights_are_frozen(benchmark, tiny_preset):
    forward = benchmark.step_flops(tiny_preset, (32, 32), 25, (), backward=False)
    assert forward > forward_flops(tiny_preset, (32, 32), 25)  # which leaves out what is computed once per clip
    whole = benchmark.step_flops(tiny_preset, (32, 32), 25, ())
    frozen = benchmark.step_flops(tiny_preset, (32, 32), 25, ("video",))
    assert 2.6 * forward < whole < 3.2 * forward
    assert 1.9 * forward < frozen < whole


def test_zero_2_shards_gradients_and_moments_alone(benchmark):
    memory = list(benchmark.zero2_memory(100, 10, 5).values())
    assert memory == [200.0, 8.0, 24.0, 40.0]


def test_tokens_of_a_5b_clip(benchmark):
    from unison_core.config import load_preset

    assert benchmark.tokens(load_preset("5b"), (1280, 704), 125) == 28_160 + 2 * 216


def test_it_prints_its_table(tiny_preset, tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(to_mapping(tiny_preset)))
    command = [sys.executable, str(BENCHMARKS / "train_step.py"), "--preset", str(file), "--size", "32x32", "--frames",
               "25", "--precision", "fp32", "--steps", "1"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "| 1 | one |" in done.stdout
    assert "ZeRO-2 on 16 GPUs" in done.stdout
