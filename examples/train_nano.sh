#!/usr/bin/env bash
# The commands that train unison-nano from an empty folder, on one GPU or several (16 or more CPU cores draw and speak
# the corpus). Needs the Debian packages flite and fortunes, and the extra `corpus`. A second run goes on where the
# first stopped; a part that is finished leaves runs/nano/NAME.done. SEPARATOR_MINUTES=0 leaves the separator out.
#
#   examples/train_nano.sh                                     everything, with the times below
#   GPUS=1 JOINT_MINUTES=60 examples/train_nano.sh             on one GPU, stage 2 for an hour
#
# Stage 2 has two legs, so that it can go on elsewhere (JOINT_AGAIN_MINUTES=0 ends after the first): with runs/nano/*.done,
# codecs and joint/model of the first leg another machine makes the second.
set -euo pipefail
cd "$(dirname "$0")/.."
GPUS=${GPUS:-$(nvidia-smi -L | wc -l)}
SIDE_GPU=${SIDE_GPU:-0} # of the separator, and of what finishes the codecs beside stage 2
WORKERS=${WORKERS:-$(env -u OMP_NUM_THREADS nproc)} # nproc alone takes OMP_NUM_THREADS for the number of cores
CLIPS=${CLIPS:-48000}
AUDIO_CLIPS=${AUDIO_CLIPS:-40000} # of stage 1, which has no pictures
BATCH=${BATCH:-64}                # of stage 2, a GPU of 80 GB, which encodes beside it; 96 of 141 GB
SHARES=${SHARES:-$((WORKERS / 16 + 1))} # processes that encode, each with its own that draw and speak
JOINT_MINUTES=${JOINT_MINUTES:-15}
JOINT_AGAIN_MINUTES=${JOINT_AGAIN_MINUTES:-22}
SEPARATOR_MINUTES=${SEPARATOR_MINUTES:-19}
last=$((GPUS - 1))
configs=examples/configs
runs=runs/nano
mkdir -p $runs
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}

declare -A jobs
trap 'kill "${jobs[@]}" 2>/dev/null || true' EXIT

# part NAME GPU COMMAND...: in the background unless it was finished before; what it says is in runs/nano/NAME.stderr.
part() {
  [[ -e $runs/$1.done ]] && return
  CUDA_VISIBLE_DEVICES=$2 "${@:3}" 2>"$runs/$1.stderr" &
  jobs[$1]=$!
}

# await NAME...: until these parts are finished.
await() {
  for name in "$@"; do
    [[ -v jobs[$name] ]] || continue
    wait "${jobs[$name]}"
    unset "jobs[$name]"
    touch "$runs/$name.done"
  done
}

# latents FOLDER SEED: both streams' latents of CLIPS clips, in shares, several of them on one GPU. Trainings follow the
# folder while it is filled.
latents() {
  for ((share = 0; share < SHARES; share++)); do
    part "$1-$share" $((share % GPUS)) unison prepare --codecs $runs/codecs --out "$runs/$1" --count $((CLIPS / SHARES)) \
      --seed $(($2 + share * 500000)) --workers $((WORKERS * 3 / 4 / SHARES + 1)) --batch 16
  done
}

# await_latents FOLDER: until all shares are made.
await_latents() {
  for ((share = 0; share < SHARES; share++)); do await "$1-$share"; done
}

# joint NAME MINUTES SETTING...: a leg of stage 2, on every GPU.
joint() {
  local launch=(unison) settings=() setting
  ((GPUS > 1)) && launch=(accelerate launch --multi_gpu --num_processes "$GPUS" "$(command -v unison)")
  for setting in "batch=$((BATCH * GPUS))" "minutes=$2" "${@:3}"; do settings+=(--set "$setting"); done
  part "$1" "$(seq -s, 0 $last)" "${launch[@]}" train $configs/nano-joint.yaml "${settings[@]}"
}

# Codecs, side by side.
part video-vae 0 unison train $configs/nano-video-vae.yaml --set minutes="${VIDEO_VAE_MINUTES:-9}"
part audio-vae $last unison train $configs/nano-audio-vae.yaml --set minutes="${AUDIO_VAE_MINUTES:-4}"
part vocoder $((GPUS > 2 ? 1 : last)) unison train $configs/nano-vocoder.yaml --set minutes="${VOCODER_MINUTES:-10}"

# The separator, which is judged by what a phone classifier misreads.
if [[ $SEPARATOR_MINUTES != 0 ]]; then
  part phones "$SIDE_GPU" unison train $configs/nano-phones.yaml --set minutes="${PHONES_MINUTES:-1.7}"
  await phones
  part separator "$SIDE_GPU" unison train $configs/nano-separator.yaml --set minutes="$SEPARATOR_MINUTES"
fi

if [[ ! -e $runs/joint.done ]]; then
  # Stage 1 beside the rest of the video VAE, for it hears alone: on latents without pictures.
  await audio-vae
  if [[ ! -e $runs/audio.done ]]; then
    part audio-latents $last unison prepare --no-video --codecs $runs/codecs --out $runs/audio-latents \
      --count "$AUDIO_CLIPS" --seed 40000000 --workers $((WORKERS / 4 + 1)) --batch 64
  fi
  part audio $last unison train $configs/nano-audio.yaml --set data.shards=$runs/audio-latents \
    --set minutes="${AUDIO_MINUTES:-4.2}"
  await video-vae audio
  # Stage 2 starts with the first clips. Its first leg has less noise on the picture than nano-joint.yaml, for everything
  # in it is new.
  latents latents 0
  joint joint "$JOINT_MINUTES" data.wait_for=4096 objective.forcing.video_sigma.mean=1.0
  await_latents latents
  await audio-latents
fi
await vocoder

# Second leg, as nano-joint.yaml is, on other clips. Beside it the video VAE's decoder and the vocoder, which no latent
# depends on, are finished: the vocoder through the finished mel VAE, without adversaries.
if [[ $JOINT_AGAIN_MINUTES != 0 ]]; then
  latents latents-again 20000000
  await joint
  [[ -d $runs/codecs-again ]] || cp -r $runs/codecs $runs/codecs-again
  part video-decoder "$SIDE_GPU" unison train $configs/nano-video-vae.yaml --set out=$runs/video-decoder \
    --set export=$runs/codecs-again --set init_from=$runs/codecs --set decoder_only=true --set variants=8 \
    --set lr=1e-3 --set minutes="${VIDEO_DECODER_MINUTES:-8}" --set seed=11
  part vocoder-again "$SIDE_GPU" unison train $configs/nano-vocoder.yaml --set out=$runs/vocoder-again \
    --set export=$runs/codecs-again --set init_from=$runs/codecs --set adversarial_from=1 --set vae_from=0 \
    --set vae_share=0.8 --set lr=4e-4 --set warmup=50 --set ema=0.998 --set seed=5 \
    --set minutes="${VOCODER_AGAIN_MINUTES:-6}"
  joint joint-again "$JOINT_AGAIN_MINUTES" out=$runs/joint-again init_from=$runs/joint/model \
    data.shards=$runs/latents-again seed=6
  await_latents latents-again

  # The bundle: bf16 shards under 16 MB. It does not need the separator, which is awaited last.
  await joint-again video-decoder vocoder-again
  unison export $runs/joint-again/model --out $runs/unison-nano
  cp $runs/codecs-again/*.safetensors $runs/unison-nano
  echo "copy runs/nano/unison-nano to unison_core/bundled/ once benchmarks/quality.py says that it is better"
fi
await joint # where it is the only leg
if [[ $SEPARATOR_MINUTES != 0 ]]; then
  await separator
  mkdir -p $runs/separator-nano
  cp $runs/separator/model/separator.* $runs/separator-nano
  echo "copy runs/nano/separator-nano to unison_core/bundled/ once benchmarks/separate_quality.py says that it is better"
fi
trap - EXIT
