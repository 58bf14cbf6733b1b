"""What goes wrong for a reason that the user can act on."""


class UnisonError(Exception):
    """A failure with a one-line cause and remedy; the command line prints it without a traceback (exit code 1)."""


class UsageError(UnisonError):
    """The request itself is wrong: a value out of range, a missing file, a contradiction (exit code 2)."""


class PartialFailure(UnisonError):
    """Some items of a batch failed while the others were written (exit code 3)."""
