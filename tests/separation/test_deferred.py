"""What BS-RoFormer imports and we never call is loaded at its first use, and works then."""

import subprocess
import sys

import pytest

from unison_core.separation.deferred import Deferred, defer


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_separator_works_without_them():
    code = """
import sys
from pathlib import Path
import numpy as np
import unison_core
from unison_core.separation.separator import Separator
separator = Separator.from_folder(Path(unison_core.__file__).parent / "bundled" / "separator-nano")
separator.separate(np.ones((1, 8000), np.float32), 16000)
print([name for name in ("einx._src", "scipy.signal._signaltools", "torch._dynamo") if name in sys.modules])
"""
    assert run(code) == "[]"


@pytest.mark.parametrize(
    "use",
    [
        "from scipy.signal import lfilter",
        "from scipy import signal; signal.lfilter",
        "import scipy.signal; scipy.signal.lfilter",
        "import scipy.signal.windows; scipy.signal.lfilter",
        "from importlib.util import find_spec; assert find_spec('scipy.signal'); from scipy.signal import lfilter",
    ],
)
def test_however_they_are_used_they_are_there(use):
    code = f"""
import sys
import unison_core.separation
assert "scipy.signal._signaltools" not in sys.modules
{use}
print("scipy.signal._signaltools" in sys.modules, type(sys.modules["scipy.signal"]).__name__)
"""
    assert run(code) == "True module"


def test_what_looks_at_every_module_loads_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "einx", Deferred("einx"))
    assert not hasattr(sys.modules["einx"], "__file__")
    assert isinstance(sys.modules["einx"], Deferred)


def test_what_is_loaded_or_missing_stays_so(monkeypatch):
    before = sys.modules["json"]
    defer("json")
    defer("no_such_module_anywhere")
    assert sys.modules["json"] is before
    assert "no_such_module_anywhere" not in sys.modules
