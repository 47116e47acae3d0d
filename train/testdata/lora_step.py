"""One step of training a LoRA in PyTorch, in float64: writes lora_step.safetensors.

    python lora_step.py

Made with torch 2.15.0, diffusers 0.42.1 and peft 0.21.2. The weights of the U-Net, the
inputs and the first factors are functions of names: see value().
"""
import math
import zlib

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

RANK, ALPHA, RATE = 2, 3, 1e-2


def value(name, shape, scale):
    """scale·sin(0.7·i + s) for element i, where s follows from the name's CRC-32."""
    n = math.prod(shape)
    s = zlib.crc32(name.encode()) % 1000
    return torch.tensor([scale * math.sin(0.7 * i + s) for i in range(n)], dtype=torch.float64).reshape(shape)


torch.set_default_dtype(torch.float64)
unet = UNet2DConditionModel(
    sample_size=8, in_channels=4, out_channels=4, block_out_channels=(32, 64), layers_per_block=1,
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    cross_attention_dim=16, attention_head_dim=2).double()
with torch.no_grad():
    for name, p in unet.named_parameters():
        fan_in = math.prod(p.shape[1:]) if p.dim() > 1 else 100
        p.copy_(value(name, p.shape, 1.5 / math.sqrt(fan_in)) + (1 if "norm" in name and name.endswith("weight") else 0))
targets = [n for n, m in unet.named_modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))
           and not n.startswith(("conv_in", "conv_out", "time_embedding"))]
model = get_peft_model(unet, LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=targets))
factors = {}
for name, p in model.named_parameters():
    if p.requires_grad:
        module, part = name.removeprefix("base_model.model.").split(".lora_")
        key = module + {"A": ".down", "B": ".up"}[part[0]]
        factors[key] = p
        with torch.no_grad():
            p.copy_(value(key, p.shape, 0.3 / math.sqrt(math.prod(p.shape[1:]))))
x, target = value("x", (2, 4, 8, 8), 1), value("target", (2, 4, 8, 8), 1)
context, t = value("context", (2, 3, 16), 1), torch.tensor([10, 700])
optimizer = torch.optim.AdamW(factors.values(), lr=RATE, betas=(0.9, 0.999), weight_decay=0.01, eps=1e-8)
loss = torch.nn.functional.mse_loss(model(x, t, context).sample, target)
loss.backward()
out = {"loss": loss.detach().reshape(1)}
for key, p in factors.items():
    out["grad." + key] = p.grad.clone()
optimizer.step()
for key, p in factors.items():
    if key.startswith("mid_block"):
        out["after." + key] = p.detach()
save_file({k: v.float().contiguous() for k, v in out.items()}, "lora_step.safetensors",
          metadata={"rank": str(RANK), "alpha": str(ALPHA), "rate": str(RATE)})
print(loss.item(), len(factors))
