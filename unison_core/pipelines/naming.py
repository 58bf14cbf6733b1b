"""Names of output folders: a slug of the prompt, and ids that cannot lead out of the output folder."""

import re
import unicodedata
from datetime import datetime

from unison_core.errors import UsageError

MAX_ID_BYTES = 150


def slug(text: str, limit: int = 40) -> str:
    """`text` as lower-case ASCII words joined by hyphens, cut at a word within `limit` characters; `clip` if none."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    result = ""
    for word in words:
        if len(result) + len(word) + 1 > limit:
            break
        result = f"{result}-{word}" if result else word
    return result or (words[0][:limit] if words else "clip")


def timed_name(text: str) -> str:
    """`<time>-<slug>`, the default name of an output folder."""
    return f"{datetime.now():%Y%m%d-%H%M%S}-{slug(text)}"


def check_id(name: str) -> str:
    """`name` if it is a plain folder name; raises UsageError where it could lead out of the output folder."""
    if re.search(r"[/\\:*?\"<>|]", name) or any(unicodedata.category(char).startswith("C") for char in name):
        raise UsageError(f"id {name!r} is no plain folder name: no path separators, no control characters")
    if not name or name != name.strip() or name.startswith("."):
        raise UsageError(f"id {name!r} is empty, starts with a dot or has blanks at its ends")
    if len(name.encode()) > MAX_ID_BYTES:
        raise UsageError(f"id {name[:40]!r}... is longer than {MAX_ID_BYTES} bytes")
    return name
