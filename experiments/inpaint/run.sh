#!/bin/sh
# Trains a model that fills holes, and measures it beside simpler ways on photographs that
# it has not seen. Run it at the top of the repository; what is done already is not done again.
set -e
ldm=${LDM:-./ldm}
# It begins with the model of super-resolution, whose first stage it has: what latents look
# like need not be learnt twice.
first=${FIRST:-weights/upscale/model.safetensors}
[ -d photos ] || $ldm data clothing photos --size 256
$ldm train diffusion -c experiments/inpaint/model.yaml -o runs/inpaint "init=$first" "first_stage=$first"
for steps in 2 4 12; do
	echo "$steps steps"
	$ldm evaluate inpaint photos/test -m runs/inpaint/model.safetensors --count 9 --steps $steps --precision bf16
done
