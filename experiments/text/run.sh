#!/bin/sh
# Tunes a model of texts on emoji in their right colours and on compositions of them,
# and counts what it and the model it began with draw of captions that neither has seen.
# Run it at the top of the repository; what is done already is not done again.
set -e
ldm=${LDM:-./ldm}
first=41bc17a0643080278b84f68f3fcecb8ca9ae879f # the commit with the model that it begins with
init=${INIT:-runs/emoji-first.safetensors}
mkdir -p runs
[ -f "$init" ] || git show $first:weights/emoji/model.safetensors >"$init"
[ -d emoji-composed ] || $ldm data emoji emoji-composed --size 64 --no-flags --no-skin-tones --composed
[ -d emoji ] || $ldm data emoji emoji --size 64 --no-flags --no-skin-tones
$ldm train autoencoder -c configs/emoji-autoencoder.yaml -c experiments/text/decoder.yaml -o runs/emoji-decoder "init=$init"
$ldm train diffusion -c configs/emoji-diffusion.yaml -c experiments/text/tune.yaml -o runs/emoji-composed "init=$init" first_stage=runs/emoji-decoder/model.safetensors
for model in "$init" runs/emoji-composed/model.safetensors; do
	$ldm evaluate captions emoji-composed/test --count 60 --nearest 1 --steps 25 --precision bf16 -m "$model" | tail -1
	$ldm evaluate captions emoji/train --count 200 --nearest 5 --steps 25 --precision bf16 -m "$model" | tail -1
done
