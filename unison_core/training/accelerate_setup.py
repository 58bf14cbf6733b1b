"""Device, precision and processes of a codec's training, by Accelerate."""

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from unison_core.training.codec_run import CodecTrainingConfig


def make_accelerator(config: CodecTrainingConfig, *, autocast: bool = True) -> Accelerator:
    """Device, precision and processes; fixes the seed of weights."""
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    accelerator = Accelerator(mixed_precision="bf16" if on_gpu and autocast and config.precision == "bf16" else "no")
    set_seed(config.seed)
    return accelerator
