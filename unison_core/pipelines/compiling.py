"""Where compiled code is kept between runs, so that only the first run of a version and a GPU compiles."""

import os
from pathlib import Path

VARIABLE = "TORCHINDUCTOR_CACHE_DIR"


def keep_compiled() -> Path:
    """Let PyTorch keep compiled code in the user's cache, unless the user says where."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unison" / "compiled"
    return Path(os.environ.setdefault(VARIABLE, str(folder)))
