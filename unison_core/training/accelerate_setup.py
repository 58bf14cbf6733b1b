"""Device, precision and processes of a codec's training, by Accelerate."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from unison_core.training.codec_run import CodecTrainingConfig


def make_accelerator(config: CodecTrainingConfig, *, autocast: bool = True) -> Accelerator:
    """Device, precision and processes; fixes the seed of weights."""
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.set_float32_matmul_precision("high" if config.tf32 else "highest")
        torch.backends.cudnn.benchmark = True
    accelerator = Accelerator(mixed_precision="bf16" if on_gpu and autocast and config.precision == "bf16" else "no")
    set_seed(config.seed)
    return accelerator


@contextmanager
def restored_backends() -> Iterator[None]:
    """Torch's process-wide choices for a GPU's kernels are after this context what they were before it."""
    precision, benchmark = torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark
    cudnn_attention = torch.backends.cuda.cudnn_sdp_enabled()
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.benchmark = benchmark
        torch.backends.cuda.enable_cudnn_sdp(cudnn_attention)
