"""What goes wrong for a reason that the user can act on."""

from pickle import UnpicklingError


class UnisonError(Exception):
    """A failure with a one-line cause and remedy; the command line prints it without a traceback (exit code 1)."""


class UsageError(UnisonError):
    """The request itself is wrong: a value out of range, a missing file, a contradiction (exit code 2)."""


class OutOfMemory(UnisonError):
    """A device or this machine has no room for what was asked; `advice` says what takes less."""

    def __init__(self, advice: str) -> None:
        super().__init__(f"out of memory: {advice}")


class PartialFailure(UnisonError):
    """Some items of a batch failed while the others were written (exit code 3)."""


def one_line(error: BaseException, limit: int | None = 200) -> str:
    """What another library says went wrong, on one line of at most `limit` characters, for a message of ours.

    PyTorch's words for a file that holds more than tensors tell how to let it run its code; ours do not.
    """
    if isinstance(error, UnpicklingError):
        return "it is damaged or holds more than tensors: nothing else is read from it"
    return " ".join(str(error).split())[:limit]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, a device's or this machine's."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
