#!/usr/bin/env bash
# A folder of recordings, with captions and subtitles beside them (NAME.txt, NAME.srt), to the shards that training reads:
# stems first, many recordings at a time, then clips, latents and text. A second run goes on where the first stopped.
#
#   examples/prepare.sh videos latents                                     on one device
#   PROCESSES=8 CODECS=models/5b examples/prepare.sh videos latents        on eight GPUs, for the full size
set -euo pipefail # but for exit code 3: some recordings were bad, and are named
media=$1 out=$2
SEPARATOR=${SEPARATOR:-KimberleyJSN/melbandroformer}
CODECS=${CODECS:-unison-nano}
PROCESSES=${PROCESSES:-1}

run=(unison)
((PROCESSES > 1)) && run=(accelerate launch --num_processes "$PROCESSES" -m unison_cli.app)
"${run[@]}" separate "$media" --model "$SEPARATOR" --out "$out-stems" || (($? == 3))
"${run[@]}" prepare "$out-stems/manifest.jsonl" --codecs "$CODECS" --out "$out" --workers "$(($(nproc) / PROCESSES))" \
  --transcriber "${TRANSCRIBER:-openai/whisper-large-v3}" || (($? == 3))
echo "train on them with --set data.shards=$out; $out/README.md says what they hold"
