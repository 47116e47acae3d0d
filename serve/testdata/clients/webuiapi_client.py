"""The package webuiapi, a client of A1111's web UI, against a server of this project: PORT is its port."""
import os

import webuiapi
from PIL import Image

api = webuiapi.WebUIApi(host="127.0.0.1", port=int(os.environ["PORT"]))
assert "Euler" in [s["name"] for s in api.get_samplers()]
assert api.get_sd_models()[0]["title"].startswith("fake.safetensors [")
assert api.util_get_model_names()
api.get_options()
api.set_options({"sd_model_checkpoint": api.get_sd_models()[0]["title"]})
assert api.util_get_current_model().startswith("fake.safetensors [")
for name in ["get_upscalers", "get_schedulers", "get_face_restorers", "get_prompt_styles", "get_loras", "get_embeddings", "get_scripts", "get_cmd_flags", "get_hypernetworks", "get_memory", "get_sd_vae"]:
    if hasattr(api, name):
        getattr(api, name)()
assert api.get_progress()["state"]["job_count"] == 0

result = api.txt2img(prompt="a cat", negative_prompt="ugly", seed=7, steps=5, width=64, height=64, batch_size=2, sampler_name="Euler")
assert len(result.images) == 2 and result.image.size == (64, 64)
assert result.info["all_seeds"] == [7, 8] and result.info["infotexts"][0].startswith("a cat"), result.info

start = Image.new("RGB", (64, 64), (200, 100, 50))
mask = Image.new("L", (64, 64), 0)
mask.paste(255, (0, 0, 32, 64))
result = api.img2img(images=[start], prompt="a dog", seed=3, steps=5, width=64, height=64, denoising_strength=0.5, mask_image=mask, mask_blur=0)
assert len(result.images) == 1 and result.info["denoising_strength"] == 0.5
larger = api.extra_single_image(image=start, upscaler_1="Lanczos", upscaling_resize=2)
assert larger.image.size == (128, 128)
api.interrupt()
api.skip()
api.refresh_checkpoints()
try:
    api.txt2img(prompt="x", sampler_name="nothing", width=64, height=64)
except RuntimeError as e:
    assert "404" in str(e), e
else:
    raise AssertionError("an unknown sampler was taken")
print("ok")
