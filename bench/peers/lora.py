"""Time a step of training a LoRA of Stable Diffusion v1's U-Net here and in PyTorch: rank 8 on the
products of its transformers, one picture of 512x512, as diffusers' train_text_to_image_lora.py does
it (PEFT's layers, AdamW on the factors, the base in the precision of training).

    lora.py [--precision bf16|f32] [--threads N] [--steps 3] [--checkpointing] [--ldm PROGRAM --base CHECKPOINT]

With --ldm and --base `ldm train lora` runs first, on two pictures made here; then PyTorch, with weights
of its own that nobody trained. Each side prints the seconds of its steps, of which the first has what
is compiled and warmed up, and the peak of its resident memory. Needs torch, diffusers, peft.
"""
import argparse
import os
import re
import resource
import struct
import subprocess
import tempfile
import time
import zlib


def picture(path, seed):
    """A PNG of 512x512 with some structure."""
    rows = b"".join(
        b"\0" + bytes(v & 255 for x in range(512) for v in (x * seed ^ y, x + y * seed, (x * y >> 5) * seed)) for y in range(512))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 512, 512, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def ours(args):
    with tempfile.TemporaryDirectory() as folder:
        for i in (1, 2):
            picture(f"{folder}/{i}.png", 2 * i + 1)
            with open(f"{folder}/{i}.txt", "w") as f:
                f.write("a pattern")
        command = [
            args.ldm, "train", "lora", folder, "-m", args.base, "-o", folder + "/run", "lora.rank=8", f"train.precision={args.precision}",
            f"train.threads={args.threads}", f"train.steps={args.steps}", "train.log_every=1", "train.sample_every=1000000", "samples.steps=1"]
        begin = time.time()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as p:
            for line in p.stdout:
                if step := re.search(r"step (\d+)/.* ([0-9.]+) s/step", line):
                    print(f"ldm: step {step[1]}: {step[2]} s", flush=True)
                elif "ldm:" in line:
                    print(line, end="", flush=True)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"ldm: {time.time() - begin:.0f} s in all, peak {peak:.0f} MiB", flush=True)


def theirs(args):
    import torch
    from diffusers import UNet2DConditionModel
    from peft import LoraConfig

    begin = time.time()
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[args.precision]
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)  # the base is never there in float32
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=64, in_channels=4, out_channels=4, block_out_channels=(320, 640, 1280, 1280),
            down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",), up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
            cross_attention_dim=768, attention_head_dim=8)
    unet = unet.to_empty(device="cpu")
    with torch.no_grad():
        for p in unet.parameters():
            p.fill_(1) if p.dim() == 1 else p.uniform_(-1, 1).mul_((3 / p[0].numel()) ** 0.5)
    torch.set_default_dtype(torch.float32)
    unet.requires_grad_(False)
    unet.add_adapter(LoraConfig(r=8, lora_alpha=8, init_lora_weights="gaussian", target_modules=[
        "to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"]))
    factors = [p for p in unet.parameters() if p.requires_grad]
    for p in factors:
        p.data = p.data.float()
    if args.checkpointing:
        unet.enable_gradient_checkpointing()
    unet.train()
    optimizer = torch.optim.AdamW(factors, lr=1e-4)
    x, noise, context = torch.randn(1, 4, 64, 64), torch.randn(1, 4, 64, 64), torch.randn(1, 77, 768)
    for step in range(args.steps):
        start = time.time()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16"):
            y = unet(x.to(dtype), torch.tensor([500]), context.to(dtype)).sample
        torch.nn.functional.mse_loss(y.float(), noise).backward()
        torch.nn.utils.clip_grad_norm_(factors, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        print(f"PyTorch: step {step + 1}: {time.time() - start:.2f} s", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"PyTorch: {sum(p.numel() for p in factors) / 1e6:.1f} M factors, {time.time() - begin:.0f} s in all, peak {peak:.0f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=("bf16", "f32"), default="bf16")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--checkpointing", action="store_true", help="of PyTorch's activations")
    parser.add_argument("--ldm", help="the program; with --base")
    parser.add_argument("--base", help="a checkpoint of Stable Diffusion v1 for it")
    args = parser.parse_args()
    if bool(args.ldm) != bool(args.base):
        parser.error("--ldm and --base go together")
    if args.ldm:
        ours(args)
    theirs(args)
