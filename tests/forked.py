"""Processes as torchrun starts them, forked from a server that has imported the libraries once.

torchrun and each of its processes would import PyTorch and diffusers anew, which takes longer than what tests have them
do. These are told of each other by the same variables and meet at a store of the process that started them, as theirs
do; Unison itself is imported by each.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch.distributed as dist

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([
    "torch.distributed.fsdp", "torch.distributed.tensor", "accelerate", "transformers", "scipy.signal", "soundfile",
    "diffusers.models.autoencoders.autoencoder_kl_wan", "typer", "webdataset", "yaml", "einops",
])  # fmt: skip


@dataclass(frozen=True)
class Done:
    """What a process came to."""

    returncode: int
    stdout: str
    stderr: str


def unison(*arguments: object) -> None:
    """The program `unison` in a process of its own."""
    from unison_cli.app import main

    sys.argv = ["unison", *map(str, arguments)]
    main()


def start(
    function: Callable[..., None], *arguments: object, said: Path, environment: dict[str, str] | None = None
) -> BaseProcess:
    """A process that calls `function` on one thread; what it says is written to `said`.stdout and `said`.stderr."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
    process = CONTEXT.Process(target=_work, args=(function, arguments, environment, str(said)))
    process.start()
    return process


def launch(
    function: Callable[..., None], *arguments: object, folder: Path, processes: int = 2, timeout_s: float = 240
) -> list[Done]:
    """`processes` processes of one host by rank; if one fails, the others are ended, as torchrun ends them.

    Raises:
        TimeoutError: they did not end in time.
    """
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    world = {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1",
             "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True",
             "TORCHELASTIC_RESTART_COUNT": "0"}  # fmt: skip
    said = [folder / f"rank-{rank}" for rank in range(processes)]
    started = [
        start(function, *arguments, said=file, environment={**world, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank, file in enumerate(said)
    ]
    deadline = time.monotonic() + timeout_s
    try:
        while running := [process.sentinel for process in started if process.is_alive()]:
            if not wait(running, deadline - time.monotonic()):
                raise TimeoutError(f"{processes} processes did not end in {timeout_s:g} s")
            if any(process.exitcode for process in started):
                break
    finally:
        for process in started:
            process.kill()
            process.join()
    return [
        Done(process.exitcode or 0, *(file.with_suffix(kind).read_text() for kind in (".stdout", ".stderr")))
        for process, file in zip(started, said, strict=True)
    ]


def _work(function: Callable[..., None], arguments: tuple, environment: dict[str, str], said: str) -> None:
    import torch

    os.environ.clear()
    os.environ.update(environment)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(f"{said}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
    torch.set_num_threads(1)
    function(*arguments)
