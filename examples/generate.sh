#!/usr/bin/env bash
# Clips from a prompts file, from a pipe, and from a record.
set -euo pipefail
cd "$(dirname "$0")/.."

# A batch. Run it again: what is finished is skipped.
unison generate --prompts examples/prompts.jsonl --out outputs/examples --preview

# One prompt, three seeds, by a pipe.
for seed in 1 2 3; do
  printf '{"id": "clap-%d", "caption": "A man claps", "transcript": "Well done everyone", "seed": %d}\n' "$seed" "$seed"
done | unison generate --prompts - --out outputs/claps --json --quiet >outputs/claps.jsonl

# What the output checks found, clip by clip.
python3 - outputs/claps.jsonl <<'PY'
import json, sys

for line in open(sys.argv[1], encoding="utf-8"):
    item = json.loads(line)
    print(item["files"]["video.mp4"], "; ".join(item["warnings"]) or "no warnings")
PY

# The same clip again, to the bit.
unison replay outputs/examples/drum/video.mp4 --out outputs/drum-again --overwrite
