"""What goes wrong for a reason that the user can act on."""

from pickle import UnpicklingError


class UnisonError(Exception):
    """A failure with a one-line cause and remedy; the command line prints it without a traceback (exit code 1)."""


class UsageError(UnisonError):
    """The request itself is wrong: a value out of range, a missing file, a contradiction (exit code 2)."""


class PartialFailure(UnisonError):
    """Some items of a batch failed while the others were written (exit code 3)."""


def one_line(error: BaseException, limit: int | None = 200) -> str:
    """What another library says went wrong, on one line of at most `limit` characters, for a message of ours.

    PyTorch's words for a file that holds more than tensors tell how to let it run its code; ours do not.
    """
    if isinstance(error, UnpicklingError):
        return "it is damaged or holds more than tensors: nothing else is read from it"
    return " ".join(str(error).split())[:limit]
