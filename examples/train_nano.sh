#!/usr/bin/env bash
# The commands that train unison-nano from an empty folder, on one GPU or several (16 or more CPU cores draw and speak
# the corpus). Needs the Debian packages flite and fortunes, and the extra `corpus`. A second run goes on where the
# first stopped.
#
#   examples/train_nano.sh                                     everything, with the times below
#   GPUS=1 JOINT_MINUTES=60 examples/train_nano.sh             on one GPU, stage 2 for an hour
set -euo pipefail
cd "$(dirname "$0")/.."
GPUS=${GPUS:-$(nvidia-smi -L | wc -l)}
WORKERS=${WORKERS:-$(nproc)}
CLIPS=${CLIPS:-48000}
last=$((GPUS - 1))
configs=examples/configs
runs=runs/nano
mkdir -p $runs
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}

jobs=()
trap 'kill "${jobs[@]}" 2>/dev/null || true' EXIT

# on GPU NAME COMMAND...: in the background on one GPU, what it says in runs/nano/NAME.stderr; its process is $job.
on() {
  CUDA_VISIBLE_DEVICES=$1 "${@:3}" 2>"$runs/$2.stderr" &
  job=$!
  jobs+=("$job")
}

# Codecs and the separator, side by side.
on 0 video-vae unison train $configs/nano-video-vae.yaml --set minutes="${VIDEO_VAE_MINUTES:-5.5}"
video_vae=$job
on $last audio-vae unison train $configs/nano-audio-vae.yaml --set minutes="${AUDIO_VAE_MINUTES:-2.5}"
audio_vae=$job
on $last vocoder unison train $configs/nano-vocoder.yaml --set minutes="${VOCODER_MINUTES:-7}"
on 0 phones unison train $configs/nano-phones.yaml --set minutes="${PHONES_MINUTES:-1.7}"
wait "$job" # the separator is judged by what it misreads
on 0 separator unison train $configs/nano-separator.yaml --set minutes="${SEPARATOR_MINUTES:-19}"
separator=$job

# Stage 1 starts as soon as sound can be encoded: clips without pictures, whose folder it follows.
wait "$audio_vae"
on $last latents-audio unison prepare --codecs $runs/codecs --out $runs/latents-audio --no-video --count "$CLIPS" \
  --seed 1000000 --workers $((WORKERS / 4)) --batch 32
on $last audio unison train $configs/nano-audio.yaml --set minutes="${AUDIO_MINUTES:-5.5}"
audio=$job

# Latents of both, for stage 2; every GPU encodes a share, and stage 2 follows the folder.
wait "$video_vae"
for ((gpu = 0; gpu < GPUS; gpu++)); do
  on "$gpu" "latents-$gpu" unison prepare --codecs $runs/codecs --out $runs/latents --count $((CLIPS / GPUS)) \
    --seed $((gpu * 500000)) --workers $((WORKERS * 7 / 10 / GPUS)) --batch 32
done
wait "$audio"
launch=(unison)
((GPUS > 1)) && launch=(accelerate launch --multi_gpu --num_processes "$GPUS" "$(command -v unison)")
"${launch[@]}" train $configs/nano-joint.yaml --set batch=$((96 * GPUS)) --set minutes="${JOINT_MINUTES:-20}" 2>$runs/joint.stderr

# The bundle: bf16 shards under 16 MB. It does not need the separator, which is waited for last.
for job in "${jobs[@]}"; do
  [[ $job == "$separator" ]] || wait "$job"
done
unison export $runs/joint/model --out $runs/unison-nano
echo "copy runs/nano/unison-nano to unison_core/bundled/ once benchmarks/quality.py says that it is better"
wait "$separator"
trap - EXIT
mkdir -p $runs/separator-nano
cp $runs/separator/model/separator.* $runs/separator-nano
echo "copy runs/nano/separator-nano to unison_core/bundled/ once benchmarks/separate_quality.py says that it is better"
