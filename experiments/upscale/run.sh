#!/bin/sh
# Trains a model of super-resolution, and measures it beside bicubic enlargement on
# photographs that it has not seen, at their full size.
# Run it at the top of the repository; what is done already is not done again.
set -e
ldm=${LDM:-./ldm}
stage=${STAGE:-weights/upscale/model.safetensors} # its first stage is taken
[ -d photos ] || $ldm data clothing photos --size 256
[ -d originals ] || $ldm data clothing originals --size 4096 --quality 95
$ldm train diffusion -c experiments/upscale/model.yaml -o runs/upscale "first_stage=$stage"
for settings in "--steps 2" "--steps 2 --consistency 1" "--steps 8 --consistency 1"; do
	echo "$settings"
	$ldm evaluate upscale "${TEST:-originals/test}" -m runs/upscale/model.safetensors --count 20 --precision bf16 $settings
done
