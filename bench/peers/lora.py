"""Time a step of training a LoRA of Stable Diffusion v1's U-Net in PyTorch: rank 8 on the
products of its transformers, one latent of 64x64, as diffusers' train_text_to_image_lora.py
does it (PEFT's layers, AdamW on the factors, the base in the precision of training).

    lora.py f32|bf16 THREADS [STEPS] [--checkpointing]

Prints the seconds of each step and the peak of resident memory. Needs torch, diffusers, peft.
"""
import resource
import sys
import time

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig

mode, threads = sys.argv[1], int(sys.argv[2])
steps = int(sys.argv[3]) if len(sys.argv) > 3 and sys.argv[3].isdigit() else 3
dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[mode]
torch.set_num_threads(threads)
torch.manual_seed(0)
torch.set_default_dtype(dtype)  # the base is never there in float32
unet = UNet2DConditionModel(
    sample_size=64, in_channels=4, out_channels=4, block_out_channels=(320, 640, 1280, 1280),
    down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",), up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    cross_attention_dim=768, attention_head_dim=8)
torch.set_default_dtype(torch.float32)
unet.requires_grad_(False)
unet.add_adapter(LoraConfig(r=8, lora_alpha=8, init_lora_weights="gaussian", target_modules=[
    "to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"]))
factors = [p for p in unet.parameters() if p.requires_grad]
for p in factors:
    p.data = p.data.float()
if "--checkpointing" in sys.argv:
    unet.enable_gradient_checkpointing()
unet.train()
optimizer = torch.optim.AdamW(factors, lr=1e-4)
x, noise, context = torch.randn(1, 4, 64, 64), torch.randn(1, 4, 64, 64), torch.randn(1, 77, 768)
for step in range(steps):
    begin = time.time()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mode == "bf16"):
        y = unet(x.to(dtype), torch.tensor([500]), context.to(dtype)).sample
    torch.nn.functional.mse_loss(y.float(), noise).backward()
    torch.nn.utils.clip_grad_norm_(factors, 1.0)
    optimizer.step()
    optimizer.zero_grad()
    print(f"step {step + 1}: {time.time() - begin:.2f} s", flush=True)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{sum(p.numel() for p in factors) / 1e6:.1f} M factors, peak {peak:.0f} MiB")
