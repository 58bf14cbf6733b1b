#!/usr/bin/env bash
# The commands that train unison-nano from an empty folder on one GPU (16 CPU cores draw and speak the corpus).
# Needs the Debian packages flite and fortunes, and the extra `corpus`. A second run goes on where the first stopped.
#   WORKERS=14 CLIPS=60000 examples/train_nano.sh            everything
#   AUDIO_MINUTES=4 JOINT_MINUTES=11 examples/train_nano.sh  the time of stages 1 and 2
set -euo pipefail
cd "$(dirname "$0")/.."
audio_minutes=${AUDIO_MINUTES:-4}
joint_minutes=${JOINT_MINUTES:-11}

# Codecs: three trainings that share the GPU; nothing to do where they are there already.
[ -e runs/nano/codecs/.complete ] || { examples/train_nano_codecs.sh && touch runs/nano/codecs/.complete; }

# Latents: a process of its own writes them, and both stages follow its folder.
unison prepare --codecs runs/nano/codecs --out runs/nano/latents --count "${CLIPS:-60000}" --workers "${WORKERS:-14}" \
  --batch 32 2> runs/nano/prepare.stderr &
preparing=$!
trap 'kill "$preparing" 2>/dev/null || true' EXIT

unison train examples/configs/nano-audio.yaml --set minutes="$audio_minutes"
unison train examples/configs/nano-joint.yaml --set minutes="$joint_minutes"

# The bundle: bf16 shards under 16 MB.
unison export runs/nano/joint/model --out runs/nano/unison-nano
echo "copy runs/nano/unison-nano to unison_core/bundled/ once benchmarks/quality.py says that it is better"
