#!/usr/bin/env bash
# One clip, and every other direction made from its parts.
set -euo pipefail
cd "$(dirname "$0")/.."
out=outputs/directions

unison generate -c "A woman in a red sweater rings a bell" -t "Dinner is on the table" --seed 3 --out $out/generate

# The voice alone: another person, new effects. Then the effects alone: new words to the same bell.
unison a2v --speech $out/generate/speech.wav -c "A man with grey hair knocks on a table" --seed 4 --out $out/voice
unison a2v --sfx $out/generate/sfx.wav -c "A man rings a bell" -t "Come in please" --seed 5 --out $out/bell

# The picture alone: new sound. Then dubbing, which keeps the effects to the sample.
unison v2a --video $out/generate/video.mp4 -c "A person" -t "Dinner is on the table" --seed 6 --out $out/sound
unison v2a --video $out/generate/video.mp4 --sfx $out/generate/sfx.wav -t "Supper is on the table" --seed 7 --out $out/dubbed
cmp $out/generate/sfx.wav $out/dubbed/sfx.wav && echo "the effects are the same"

# The first frame alone.
ffmpeg=$(python3 -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
"$ffmpeg" -loglevel error -y -i $out/generate/video.mp4 -frames:v 1 $out/first.png
unison generate --image $out/first.png -t "Nobody is at home" --seed 8 --out $out/image
