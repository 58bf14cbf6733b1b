"""The program keeps freed memory, where its user has not chosen otherwise."""

import os
import subprocess
import sys

import pytest

from unison_cli.allocator import OWN_SETTINGS

FAULTS = """
import resource
import torch
from unison_cli.allocator import keep_freed_memory
kept = keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.zeros(5_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(int(kept), faults())
"""


def faults(**environment: str) -> tuple[bool, int]:
    """Whether the settings were taken, and page faults of 20 blocks of 20 MB, one after the other."""
    own = {name: value for name, value in os.environ.items() if name not in OWN_SETTINGS}
    run = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True,
                         env={**own, **environment})  # fmt: skip
    kept, count = run.stdout.split()
    return bool(int(kept)), int(count)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's settings")
def test_freed_blocks_are_used_again():
    kept, count = faults()
    if not kept:
        pytest.skip("this system's allocator has no such settings")
    assert count < 1000


def test_a_user_s_own_settings_stay():
    kept, _ = faults(MALLOC_TRIM_THRESHOLD_="100000")
    assert not kept
