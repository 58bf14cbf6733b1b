"""`unison train CONFIG`: a stage is a name in a YAML file and a function here."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from unison_core.config import from_mapping, override, read_yaml, to_mapping
from unison_core.errors import OutOfMemory, UsageError, is_out_of_memory

FLOW = ("audio", "joint")
"""Stages that have micro-batches."""
LESS = ", or a micro_batch that divides it, or checkpoint_activations=true, or train on more devices"


def run(config_path: Path, overrides: Sequence[str] = ()) -> Path:
    """Train what the configuration says; returns the folder or file of the result.

    Args:
        config_path: YAML file with a `stage` and that stage's settings.
        overrides: `a.b=value` assignments, values in YAML.

    Raises:
        UsageError: unknown stage, unknown or ill-typed keys (the nearest valid name is given).
        OutOfMemory: a step does not fit.
    """
    data = read_yaml(config_path)
    for assignment in overrides:
        override(data, assignment)
    stage = data.get("stage")
    if stage not in STAGES:
        raise UsageError(f"{config_path}: stage={stage!r} is none of {', '.join(STAGES)}")
    try:
        return STAGES[stage](data, str(config_path))
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemory(f"set a smaller batch{LESS if stage in FLOW else ''}") from error
        raise


def _resolved(config: Any) -> Any:
    """Save the resolved configuration with the run: one process does, and it appears whole."""
    import yaml

    from unison_core.pipelines.processes import world

    if world().first:
        out = Path(config.out)
        partial = out / ".config.yaml.partial"
        try:
            out.mkdir(parents=True, exist_ok=True)
            partial.write_text(yaml.safe_dump(to_mapping(config), sort_keys=False), encoding="utf-8")
            os.replace(partial, out / "config.yaml")
        except OSError as error:
            raise UsageError(f"out={config.out!r} cannot be written: {error.strerror}") from error
    return config


def _flow(data: dict[str, Any], where: str) -> Path:
    from unison_core.training.flow_training import FlowTrainingConfig, train_flow

    return train_flow(_resolved(from_mapping(FlowTrainingConfig, data, where)))


def _video_vae(data: dict[str, Any], where: str) -> Path:
    from unison_core.training.codec_video import VideoVAETrainingConfig, train_video_vae

    return train_video_vae(_resolved(from_mapping(VideoVAETrainingConfig, data, where)))


def _audio_vae(data: dict[str, Any], where: str) -> Path:
    from unison_core.training.codec_audio import AudioVAETrainingConfig, train_audio_vae

    return train_audio_vae(_resolved(from_mapping(AudioVAETrainingConfig, data, where)))


def _vocoder(data: dict[str, Any], where: str) -> Path:
    from unison_core.training.vocoder_gan import VocoderTrainingConfig, train_vocoder

    return train_vocoder(_resolved(from_mapping(VocoderTrainingConfig, data, where)))


def _separator(data: dict[str, Any], where: str) -> Path:
    from unison_core.training.separator import SeparatorTrainingConfig, train_separator

    return train_separator(_resolved(from_mapping(SeparatorTrainingConfig, data, where)))


def _phones(data: dict[str, Any], where: str) -> Path:
    from unison_core.training.phones import PhoneTrainingConfig, train_phones

    return train_phones(_resolved(from_mapping(PhoneTrainingConfig, data, where)))


STAGES: dict[str, Callable[[dict[str, Any], str], Path]] = {
    "video_vae": _video_vae,
    "audio_vae": _audio_vae,
    "vocoder": _vocoder,
    "separator": _separator,
    "phones": _phones,
    "audio": _flow,
    "joint": _flow,
}
"""Stage names of the configurations."""
