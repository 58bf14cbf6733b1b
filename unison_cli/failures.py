"""The one place that turns exceptions into one line on stderr and an exit code."""

import signal
import sys
import traceback
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

from unison_cli.output import print_error
from unison_core.errors import PartialFailure, UnisonError, UsageError, is_out_of_memory, one_line

FAILED, WRONG_USAGE, SOME_FAILED, INTERRUPTED = 1, 2, 3, 130
DEBUG = "debug"


class Interrupts:
    """Remembers Ctrl-C: a library interrupted in the middle of an import may raise an error of its own instead."""

    def __init__(self) -> None:
        self.came = False

    def watch(self) -> None:
        """Listen to SIGINT, unless whoever started the program had it ignored."""
        if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._interrupt)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        raise KeyboardInterrupt

    def explain(self, error: BaseException) -> bool:
        """Whether a failure is Ctrl-C's doing; a batch that went on and reports its rows is not."""
        return self.came and not isinstance(error, PartialFailure)


interrupts = Interrupts()


def remember_debug(ctx: typer.Context, wanted: bool) -> bool:
    """Callback of `--debug`."""
    ctx.find_root().ensure_object(dict)[DEBUG] = wanted
    return wanted


class ReportingGroup(TyperGroup):
    """Runs commands and reports how they failed."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that `ctx` names."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, typer.Abort) as error:
            raise _interrupted() from error
        except Exception as error:
            if isinstance(error, BrokenPipeError) or hasattr(error, "exit_code"):
                raise  # Typer's own exceptions and a closed pipe are Typer's to handle
            if interrupts.explain(error):
                raise _interrupted() from error
            if ctx.find_root().ensure_object(dict).get(DEBUG):
                traceback.print_exc(file=sys.stderr)
            print_error(message(error))
            raise typer.Exit(exit_code(error)) from error


def _interrupted() -> typer.Exit:
    print_error("interrupted; nothing half-written was left under a final name")
    return typer.Exit(INTERRUPTED)


def exit_code(error: BaseException) -> int:
    """The exit code that an exception stands for."""
    if isinstance(error, UsageError):
        return WRONG_USAGE
    return SOME_FAILED if isinstance(error, PartialFailure) else FAILED


def message(error: BaseException) -> str:
    """One line about an exception: our own as they are, others with their kind and what to do."""
    text = one_line(error, None)
    if isinstance(error, UnisonError):
        return text
    if is_out_of_memory(error):
        return "out of memory: use a smaller --size or a shorter --duration, or another --device"
    if isinstance(error, ModuleNotFoundError):
        return f"{text}: run pip install -e '.[corpus,eval]', and unison doctor to see what is missing"
    return f"internal error: {type(error).__name__}: {text[:300]} (--debug shows where)"
