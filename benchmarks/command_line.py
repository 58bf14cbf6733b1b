"""Arguments that benchmarks share. Imports nothing heavy: some of them run without the extras corpus and eval."""

import argparse
import os
from collections.abc import Callable, Iterable


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """What makes clips, how, and in how many processes they are scored."""
    parser.add_argument("--model", default="unison-nano", help="bundled name, folder or Hub id")
    parser.add_argument("--preset", default="nano", help="preset whose limits the scenes must keep")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--steps", type=int, help="sampling steps, where not the preset's")
    parser.add_argument("--jobs", type=int, default=1, help="processes that score")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads that generate")


def names_of(what: str, known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """Type of an argument: comma-separated names, each a `what` of those known; they come in the order of those."""

    def names(text: str) -> tuple[str, ...]:
        asked = text.split(",")
        if unknown := [name for name in asked if name not in all_known]:
            raise argparse.ArgumentTypeError(f"no {what} {unknown[0]!r}; there are: {', '.join(all_known)}")
        return tuple(name for name in all_known if name in asked)

    all_known = tuple(known)
    return names
