"""How a step's batch is shared: micro-batches, dealt to the processes in turn.

    micro-batch i of batch / micro_batch  ->  process i mod W

With one size of micro-batch the same clips and the same noise are seen by any number W of processes.
"""

from dataclasses import dataclass

from unison_core.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """A step's batch over processes.

    Attributes:
        batch: clips per step, over all processes. micro: clips per forward pass.
        processes: W. process: which of them this one is.
    """

    batch: int
    micro: int
    processes: int
    process: int

    @property
    def rounds(self) -> int:
        """Forward passes per step and process: the steps of gradient accumulation."""
        return self.batch // (self.micro * self.processes)

    @property
    def parts(self) -> range:
        """Numbers of this process's micro-batches."""
        return range(self.process, self.batch // self.micro, self.processes)


def plan_batch(batch: int, micro: int, processes: int, process: int) -> BatchPlan:
    """Share `batch` clips; `micro` 0 takes each process's share at once.

    Raises:
        UsageError: the batch does not divide into whole micro-batches for every process.
    """
    if batch % processes:
        raise UsageError(f"batch={batch} clips do not divide among {processes} processes")
    micro = micro or batch // processes
    if batch % (micro * processes):
        raise UsageError(
            f"batch={batch} must be a multiple of micro_batch={micro} times {processes} processes, {micro * processes}"
        )
    return BatchPlan(batch=batch, micro=micro, processes=processes, process=process)
