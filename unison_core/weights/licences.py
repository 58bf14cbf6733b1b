"""Whose weights a model folder holds, and under which licence: shown when it is made, recorded in it."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from unison_core.errors import UnisonError

SOURCES_FILE = "sources.json"
KNOWN = {
    "Wan-AI/": "Apache-2.0",
    "hkchengrex/MMAudio": "CC-BY-NC-4.0",
    "nvidia/bigvgan_v2": "MIT",
    "k2-fsa/ZipVoice": "Apache-2.0",
    "apple/DFN5B-CLIP": "Apple's sample code licence (see LICENSE in its repository)",
}
"""Licences of the public weights, by the beginning of their Hub id."""
UNKNOWN = "not stated"
OWN = "none: random weights"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Where one part of a model folder came from, and what became of every tensor.

    Attributes:
        part: which part.
        source: Hub id or folder; `scratch` for random weights.
        revision: commit, for Hub ids.
        licence: of the source's weights.
        loaded: number of tensors taken over.
        new: names of tensors that the source does not have, freshly initialised.
        unused: names of the source's tensors that have no place here.
    """

    part: str
    source: str
    revision: str | None
    licence: str
    loaded: int
    new: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def non_commercial(self) -> bool:
        """Whether the licence forbids commercial use."""
        return forbids_commerce(self.licence)


def licence_of(source: str, folder: Path, published: str = "") -> str:
    """The licence that is known of a source's Hub id, or that its model card states.

    Args:
        source: Hub id or folder.
        folder: where its files are.
        published: Hub id of the public weights of this kind, whose licence is told where a folder states none.
    """
    known = known_licence(source)
    if known and forbids_commerce(known):  # a card may state the code's licence instead
        return known
    card = folder / "README.md"
    if card.is_file():
        head = card.read_text(encoding="utf-8", errors="replace")[:4000]
        match = re.search(r"\A---\n.*?^licen[sc]e:\s*([^\n]+)", head, re.DOTALL | re.MULTILINE)
        stated = match[1].strip().strip("'\"") if match else ""
        if stated and stated != "other":
            return stated
    if known:
        return known
    usual = known_licence(published)
    return f"{UNKNOWN}; {published} has {usual}" if usual else UNKNOWN


def forbids_commerce(licence: str) -> bool:
    """Whether a licence, by its name, is for no commercial use."""
    return any(mark in licence.lower() for mark in ("-nc", "apple-amlr"))


def known_licence(source: str) -> str | None:
    """The licence of public weights, by their Hub id."""
    return next((licence for prefix, licence in KNOWN.items() if source.startswith(prefix)), None)


def write_sources(folder: Path, parts: Sequence[Part]) -> None:
    """Record the parts in the model folder."""
    data = {"parts": [asdict(part) for part in parts]}
    (folder / SOURCES_FILE).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def read_sources(folder: Path) -> list[Part]:
    """The recorded parts; none where the folder has no record."""
    path = folder / SOURCES_FILE
    if not path.is_file():
        return []
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))["parts"]
        return [Part(**{**part, "new": tuple(part["new"]), "unused": tuple(part["unused"])}) for part in parts]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnisonError(f"{path} cannot be read ({error}): it was changed by hand") from error
