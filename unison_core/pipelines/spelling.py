"""How values are spelled on the command line and in prompts files: `128x128`, `video=3,speech=2`, `0.5-2.5`, `auto`."""

import math
import re

from unison_core.errors import UsageError
from unison_core.types import STREAMS


def parse_duration(text: str) -> float | None:
    """Seconds, or None for `auto`."""
    if text.strip().lower() == "auto":
        return None
    return _number("duration", text.strip().removesuffix("s"), "use auto or a number of seconds, such as 3.2")


def parse_seconds(name: str, text: str) -> float:
    """A number of seconds."""
    return _number(name, text.strip().removesuffix("s"), "use a number of seconds, such as 1.5")


def parse_size(text: str) -> tuple[int, int]:
    """Width and height of `WxH`."""
    match = re.fullmatch(r"\s*(\d{1,5})\s*[xX×]\s*(\d{1,5})\s*", text)
    if not match:
        raise UsageError(f"size {text!r} is not WIDTHxHEIGHT, such as 128x128")
    return int(match[1]), int(match[2])


def parse_scales(text: str) -> dict[str, float]:
    """`2.5` for every stream, or `video=3,speech=2` for some."""
    if "=" not in text:
        return dict.fromkeys(STREAMS, _number("scale", text, f"use a number, or {'=..,'.join(STREAMS)}=.."))
    scales: dict[str, float] = {}
    for part in text.split(","):
        stream, _, value = part.partition("=")
        stream = stream.strip()
        if stream not in STREAMS:
            raise UsageError(f"{part.strip()!r}: there is no stream {stream!r}, only {', '.join(STREAMS)}")
        if stream in scales:
            raise UsageError(f"{text!r} names {stream} twice")
        scales[stream] = _number(stream, value, "use a number")
    return scales


def parse_pair(name: str, text: str) -> tuple[str, str]:
    """Key and value of `KEY=VALUE`."""
    key, sep, value = text.partition("=")
    if not (sep and key and value):
        raise UsageError(f"{name} {text!r} is not NAME=VALUE")
    return key, value


def parse_span(text: str) -> tuple[float, float]:
    """Start and end in seconds of `START-END`."""
    start, sep, end = text.partition("-")
    if not sep:
        raise UsageError(f"span {text!r} is not START-END in seconds, such as 0.5-2.5")
    hint = "use START-END in seconds, such as 0.5-2.5"
    return _number("span", start, hint), _number("span", end, hint)


def parse_interval(text: str, name: str) -> tuple[float, float]:
    """Two noise levels of `LOW-HIGH`; errors call them `name`."""
    low, sep, high = text.partition("-")
    hint = "use LOW-HIGH between 0 and 1, such as 0.5-0.95"
    if not sep:
        raise UsageError(f"{name} {text!r} is not LOW-HIGH: {hint}")
    return _number(name, low, hint), _number(name, high, hint)


def _number(name: str, text: str, hint: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{name} {text!r} is not a number: {hint}")
    return value
