"""Writes testdata/golden/networks: reference numbers of networks of diffusers, transformers and
open_clip on procedural weights, in the form that testdata/golden/README.md describes.

    pip install torch diffusers transformers open_clip_torch safetensors
    python testdata/generate/networks.py testdata/golden/networks [case ...]

A weight is a function of its key in the module's state dict. Everything is computed in float64 and
rounded once.
"""

import json
import math
import os
import sys

import numpy as np
import torch
from safetensors.numpy import save_file

M64 = (1 << 64) - 1
SALT = 0x6E657477


def fnv(name):
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = ((h ^ b) * 0x100000001B3) & M64
    return h


def bits(name, n):
    with np.errstate(over="ignore"):
        seed = np.uint64(fnv(name) ^ SALT)
        v = seed + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        v = (v ^ (v >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        v = (v ^ (v >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return v ^ (v >> np.uint64(31))


def uniform(name, n):
    return (bits(name, n) >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1


TABLES = ("embedding", "token_emb", "pos_emb.emb", "label_emb", "token_embedding", "position_embedding")


def weight(name, shape):
    n = int(np.prod(shape)) if len(shape) else 1
    u = uniform(name, n)
    if name.endswith("weight") and any(("." + name[: -len(".weight")]).endswith("." + t) for t in TABLES):
        v = u
    elif len(shape) >= 2:
        v = u * math.sqrt(3 / np.prod(shape[1:]))
    elif name.endswith("weight"):
        v = 1 + 0.1 * u
    else:
        v = 0.1 * u
    return v.astype(np.float32).reshape(shape)


def gauss4(name, shape):
    u = uniform(name, 4 * int(np.prod(shape))).reshape(-1, 4)
    v = (((u[:, 0] + u[:, 1]) + u[:, 2]) + u[:, 3]) * math.sqrt(0.75)
    return v.astype(np.float32).reshape(shape)


def tokens(name, shape, vocab):
    k = bits(name, int(np.prod(shape))) >> np.uint64(40)
    return ((k * np.uint64(vocab)) >> np.uint64(24)).astype(np.int64).reshape(shape)


def fill(module, prefix=""):
    """Procedural weights, in float64; returns the shapes by key."""
    state, shapes = module.state_dict(), {}
    for key, v in state.items():
        if key.endswith("position_ids"):
            continue
        shapes[prefix + key] = list(v.shape)
        v.copy_(torch.from_numpy(weight(prefix + key, list(v.shape))).to(v.dtype))
    module.load_state_dict(state)
    module.eval()
    return shapes


class Case:
    def __init__(self, name, module, arguments, shapes):
        self.inputs, self.stored = {}, {}
        self.manifest = {
            "case": "networks/" + name, "salt": hex(SALT), "module": module, "arguments": arguments,
            "state_dict": shapes, "inputs": self.inputs, "outputs": {},
        }
        self.name = name

    def gauss(self, name, shape, scale=None):
        v = gauss4("input/" + name, shape)
        self.inputs[name] = {"kind": "gauss4", "key": "input/" + name, "shape": list(shape)}
        return torch.from_numpy(v).double()

    def uniform(self, name, shape):
        v = uniform("input/" + name, int(np.prod(shape))).astype(np.float32).reshape(shape)
        self.inputs[name] = {"kind": "uniform", "key": "input/" + name, "shape": list(shape)}
        return torch.from_numpy(v).double()

    def tokens(self, name, shape, vocab):
        self.inputs[name] = {"kind": "tokens", "key": "input/" + name, "shape": list(shape), "vocab": vocab}
        return torch.from_numpy(tokens("input/" + name, shape, vocab))

    def given(self, name, values):
        self.inputs[name] = {"kind": "given", "key": "input/" + name, "shape": [len(values)], "values": values}
        return torch.tensor(values, dtype=torch.float64)

    def output(self, name, value):
        v = value.detach().double().numpy()
        self.stored[name] = v.astype(np.float32)
        self.manifest["outputs"][name] = {
            "shape": list(v.shape), "dtype": "F32", "mean": float(v.mean()), "std": float(v.std()), "max_abs": float(np.abs(v).max()),
        }

    def write(self, folder):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, self.name + ".json"), "w") as f:
            json.dump(self.manifest, f, separators=(",", ":"))
        save_file({k: np.ascontiguousarray(v) for k, v in self.stored.items()}, os.path.join(folder, self.name + ".safetensors"))
        print(self.name, {k: (o["shape"], round(o["std"], 4)) for k, o in self.manifest["outputs"].items()})


UNET = dict(
    sample_size=8, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=[32, 64], cross_attention_dim=16,
    down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"], up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
    norm_num_groups=32,
)


def unet(arguments):
    from diffusers import UNet2DConditionModel

    net = UNet2DConditionModel(**{k: tuple(v) if isinstance(v, list) else v for k, v in arguments.items()}).double()
    return net, fill(net)


def guidance_embedding(scale, dim):
    from diffusers import LatentConsistencyModelPipeline

    return LatentConsistencyModelPipeline.get_guidance_scale_embedding(None, torch.tensor([scale - 1.0], dtype=torch.float64), dim, torch.float64)


def run_unet(name, scale=None, **changes):
    arguments = {**UNET, **changes}
    net, shapes = unet(arguments)
    c = Case(name, "diffusers.UNet2DConditionModel", arguments, shapes)
    x, context, t = c.gauss("x", [2, 4, 8, 16]), c.gauss("context", [2, 5, 16]), c.given("t", [3.0, 801.0])
    cond = None
    if scale is not None:
        e = guidance_embedding(scale, arguments["time_cond_proj_dim"])
        c.manifest["guidance"] = scale
        c.output("guidance_embedding", e[0])
        cond = e.repeat(2, 1)
    with torch.no_grad():
        c.output("y", net(x, t, context, timestep_cond=cond).sample)
    return c


def unet_v2():
    return run_unet("unet-v2", use_linear_projection=True, attention_head_dim=[2, 4])


def unet_level_heads():
    return run_unet("unet-level-heads", attention_head_dim=[2, 8], down_block_types=["CrossAttnDownBlock2D"] * 2, up_block_types=["CrossAttnUpBlock2D"] * 2)


def unet_student():
    return run_unet("unet-student", scale=8.5, attention_head_dim=8, time_cond_proj_dim=64)


def text_gelu():
    from transformers import CLIPTextConfig, CLIPTextModel

    arguments = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, vocab_size=60, max_position_embeddings=12, hidden_act="gelu")
    net = CLIPTextModel(CLIPTextConfig(**arguments, attn_implementation="eager")).double()
    c = Case("text-gelu", "transformers.CLIPTextModel", arguments, fill(net, "" if hasattr(net, "text_model") else "text_model."))
    ids = c.tokens("tokens", [2, 9], 60)
    with torch.no_grad():
        c.output("z", net(ids).last_hidden_state)
    return c


def text_open():
    import open_clip

    width, layers = 64, 3
    net = open_clip.model.CLIP(
        embed_dim=24,
        vision_cfg=dict(image_size=32, patch_size=16, width=64, layers=1, head_width=64),
        text_cfg=dict(context_length=77, vocab_size=60, width=width, heads=1, layers=layers),
        quick_gelu=False,
    ).double()
    del net.visual  # as FrozenOpenCLIPEmbedder does
    arguments = dict(width=width, heads=1, layers=layers, vocab_size=60, layer="penultimate")
    c = Case("text-open", "open_clip.model.CLIP", arguments, fill(net))
    ids = c.tokens("tokens", [2, 77], 60)
    with torch.no_grad():  # FrozenOpenCLIPEmbedder.encode_with_transformer, one block less
        for name, last in (("z", layers), ("penultimate", layers - 1)):
            x = net.token_embedding(ids) + net.positional_embedding
            for block in list(net.transformer.resblocks)[:last]:
                x = block(x, attn_mask=net.attn_mask.double())
            c.output(name, net.ln_final(x))
    return c


def control():
    """A ControlNet beside a U-Net, whose outputs count 0.8 times."""
    from diffusers import ControlNetModel

    arguments = {**UNET, "attention_head_dim": 8}
    net, shapes = unet(arguments)
    own = {k: v for k, v in arguments.items() if k not in ("sample_size", "out_channels", "up_block_types")}
    own["conditioning_embedding_out_channels"] = [16, 24]
    control = ControlNetModel(**{k: tuple(v) if isinstance(v, list) else v for k, v in own.items()}).double()
    both = {"unet." + k: v for k, v in fill(net, "unet.").items() for k in [k[5:]]}
    both.update(fill(control, "control."))
    c = Case("control", "diffusers.ControlNetModel", {"unet": arguments, "control": own, "strength": 0.8}, both)
    x, context, t, hint = c.gauss("x", [2, 4, 8, 16]), c.gauss("context", [2, 5, 16]), c.given("t", [3.0, 801.0]), c.uniform("hint", [2, 3, 16, 32])
    hint = (hint + 1) / 2
    with torch.no_grad():
        down, mid = control(x, t, context, hint, conditioning_scale=0.8, return_dict=False)
        for i, d in enumerate(list(down) + [mid]):
            c.output("residual%d" % i, d)
        c.output("y", net(x, t, context, down_block_additional_residuals=down, mid_block_additional_residual=mid).sample)
    return c


def clip():
    """CLIP's encoders of pictures and of texts, projected."""
    from transformers import CLIPConfig, CLIPModel

    vision = dict(hidden_size=64, intermediate_size=256, num_hidden_layers=2, num_attention_heads=1, image_size=32, patch_size=8, hidden_act="quick_gelu")
    text = dict(hidden_size=64, intermediate_size=256, num_hidden_layers=2, num_attention_heads=1, vocab_size=49408, max_position_embeddings=9, hidden_act="quick_gelu", eos_token_id=49407)
    net = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)).double()
    c = Case("clip", "transformers.CLIPModel", {"vision": vision, "text": text, "projection_dim": 24}, fill(net))
    x = c.gauss("x", [2, 3, 32, 32])
    with torch.no_grad():
        pooled = net.vision_model(x).pooler_output
        c.output("image", net.visual_projection(pooled))
    return c


CASES = [control, clip, unet_v2, unet_level_heads, unet_student, text_gelu, text_open]

if __name__ == "__main__":
    torch.manual_seed(0)
    names = sys.argv[2:]
    for make in CASES:
        if not names or make.__name__ in names:
            make().write(sys.argv[1])
