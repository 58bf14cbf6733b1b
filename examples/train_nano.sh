#!/usr/bin/env bash
# The commands that train unison-nano from an empty folder on one GPU (16 CPU cores draw and speak the corpus).
# Needs the Debian packages flite and fortunes, and the extra `corpus`.
set -euo pipefail
cd "$(dirname "$0")/.."
workers=${WORKERS:-14}

# Codecs: three trainings that share the GPU.
examples/train_nano_codecs.sh

# Latents: written by a process of its own, which training follows.
unison prepare --codecs runs/nano/codecs --out runs/nano/latents --count "${CLIPS:-60000}" --workers "$workers" &
trap 'kill $! 2>/dev/null || true' EXIT

# Stage 1, audio branch; stage 2, everything.
unison train examples/configs/nano-audio.yaml
unison train examples/configs/nano-joint.yaml

# The bundle: bf16 shards.
unison export runs/nano/joint/model --out unison_core/bundled/unison-nano
