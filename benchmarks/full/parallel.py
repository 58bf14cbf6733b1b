"""Several GPUs for one clip, under torchrun: seconds per forward and equality with one GPU."""

import torch
import torch.distributed as dist

from full.bench import Bench, inputs, random_model
from unison_core.model.sequence_parallel import SequenceParallel
from unison_core.pipelines.attention_backend import fastest_attention
from unison_core.pipelines.parallel import SplitRows
from unison_core.pipelines.workload import blank_text
from unison_core.types import VIDEO

AT_TWO = 1.7
EQUAL = 1e-2


@torch.inference_mode()
def run(bench: Bench) -> None:
    """One forward alone, with its tokens shared, and a guided step with its rows shared."""
    size, first = dist.get_world_size(), dist.get_rank() == 0
    video = bench.preset.model.video
    model = random_model(bench)
    torch.manual_seed(0)
    shape = (1, video.heads, bench.video_tokens, video.dim // video.heads)
    with fastest_attention(bench.device, shape, bench.dtype):
        for rows in (1, 2):
            arguments = inputs(bench, model, rows)
            for x in arguments[0].values():
                dist.broadcast(x, src=0)
            alone = model(*arguments)
            spent = bench.seconds(lambda a=arguments: model(*a))
            dist.barrier()
            model.split(SequenceParallel())
            shared = model(*arguments)
            spent_shared = bench.seconds(lambda a=arguments: model(*a))
            model.split(None)
            if first:
                gain = spent / spent_shared
                asked = f"at least {AT_TWO:g} times at two GPUs" if size == 2 and rows == 1 else ""
                bench.add("parallel", f"{rows} rows alone", spent, "s")
                bench.add("parallel", f"{rows} rows over {size} GPUs, tokens shared ({gain:.2f} times)", spent_shared,
                          "s", asked, gain >= AT_TWO if asked else None)  # fmt: skip
                error = max(float((shared[s] - alone[s]).norm() / alone[s].norm()) for s in alone)
                bench.add(
                    "parallel", f"{rows} rows, relative deviation", error, "", f"at most {EQUAL:g}", error <= EQUAL
                )
        if size == 2:
            rows_shared(bench, model, arguments, spent, first)


def rows_shared(bench: Bench, model, arguments, spent: float, first: bool) -> None:  # type: ignore[no-untyped-def]
    """The two rows of a guided step, one a GPU."""
    split = SplitRows(model)
    with bench.device:
        conditions = split.encode(blank_text(bench.preset, 2, bench.dtype), bench.frames)
    latents, sigmas, _ = arguments
    seconds = bench.seconds(lambda: split(latents, sigmas, conditions))
    if first:
        bench.add("parallel", f"2 rows over 2 GPUs, one each ({spent / seconds:.2f} times)", seconds, "s")
    assert VIDEO in latents
