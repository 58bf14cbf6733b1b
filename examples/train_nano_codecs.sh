#!/usr/bin/env bash
# The commands that train the codecs of unison-nano, side by side on one GPU, in about eight minutes.
# Arguments are passed to each of them, for example: examples/train_nano_codecs.sh --set minutes=2
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}
mkdir -p runs/nano

jobs=()
trap 'kill "${jobs[@]}" 2>/dev/null || true' EXIT
for codec in video-vae audio-vae vocoder; do
  unison train "examples/configs/nano-$codec.yaml" "$@" 2> "runs/nano/$codec.stderr" &
  jobs+=($!)
done

failed=0
for i in "${!jobs[@]}"; do
  wait "${jobs[$i]}" || failed=1
done
trap - EXIT
if ((failed)); then
  tail -n 20 runs/nano/*.stderr >&2
  exit 1
fi
