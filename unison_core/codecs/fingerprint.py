"""Which codecs made a set of latents: one short name of a model folder's codec weights."""

import hashlib
from pathlib import Path

from unison_core.weights.checksums import remembered_sha256

CODECS = ("video_vae", "audio_vae")
"""What latents depend on; a vocoder may be exchanged without encoding anything anew."""


def codec_fingerprint(folder: Path, codecs: tuple[str, ...] = CODECS) -> str:
    """16 hexadecimal digits that change where any weight file of these `codecs` in `folder` does; raises OSError."""
    digest = hashlib.sha256()
    for codec in codecs:
        for file in sorted(folder.glob(f"{codec}*.safetensors")):
            digest.update(f"{file.name}:{remembered_sha256(file)};".encode())
    return digest.hexdigest()[:16]
