#!/bin/sh
# Tunes a model of texts on emoji in their right colours and on compositions of them,
# and counts what it and the model it began with draw of captions that neither has seen.
# Run it at the top of the repository; what is done already is not done again.
set -e
ldm=${LDM:-./ldm}
init=${INIT:-weights/emoji/model.safetensors} # the model in the program
[ -d emoji-composed ] || $ldm data emoji emoji-composed --size 64 --no-flags --no-skin-tones --composed
$ldm train diffusion -c configs/emoji-diffusion.yaml -c experiments/text/tune.yaml -o runs/emoji-composed "init=$init" "first_stage=$init"
for model in "$init" runs/emoji-composed/model.safetensors; do
	$ldm evaluate captions emoji-composed/test --count 60 --nearest 1 --steps 25 --precision bf16 -m "$model" | tail -1
done
