#!/usr/bin/env python3
"""Times one work of `ldm bench` in PyTorch or OpenVINO and prints the same line.

    peer.py WORK MODE THREADS [--runs N] [--pixels P] [--batch N]

MODE is f32 or bf16, followed by any of
    -cl        channels-last memory (PyTorch)
    -compile   torch.compile (PyTorch; needs a C++ compiler)
    -ov        OpenVINO instead of PyTorch (not for training)
    -cuda      on the first NVIDIA card (PyTorch)

Weights are random. The median is over N runs, by default at least 3 and as many
as fit in 8 seconds, but at most 30, after a first run and one to warm up.
"""
import argparse
import contextlib
import resource
import statistics
import time

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel


def make_unet(channels, side, widths, attends, context, heads):
    """A U-Net as the reference builds it; attends says which levels have cross-attention."""
    down = tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends)
    up = tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends))
    # diffusers takes attention_head_dim for the number of heads.
    return UNet2DConditionModel(
        sample_size=side, in_channels=channels, out_channels=channels, layers_per_block=2,
        block_out_channels=widths, down_block_types=down, up_block_types=up,
        cross_attention_dim=context, attention_head_dim=heads)


def make_first_stage(width, latent, mult):
    levels = len(mult)
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=latent, layers_per_block=2,
        block_out_channels=tuple(width * m for m in mult),
        down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels)


def denoiser_inputs(n, channels, side, tokens, context):
    return [torch.randn(n, channels, side, side), torch.arange(n) * 1000 // n, torch.randn(n, tokens, context)]


def sd_unet(pixels=512, n=2):
    model = make_unet(4, 64, (320, 640, 1280, 1280), (True, True, True, False), 768, 8)
    return model, denoiser_inputs(n, 4, pixels // 8, 77, 768)


def cin_unet(pixels=256, n=4):
    model = make_unet(3, 64, (192, 384, 576, 960), (False, True, True, True), 512, (6, 12, 18, 30))
    return model, denoiser_inputs(n, 3, pixels // 4, 1, 512)


def dec(pixels=512, n=1):
    return make_first_stage(128, 4, (1, 2, 4, 4)).decoder, [torch.randn(n, 4, pixels // 8, pixels // 8)]


def enc(pixels=512, n=1):
    return make_first_stage(128, 4, (1, 2, 4, 4)).encoder, [torch.randn(n, 3, pixels, pixels)]


def unet_train(pixels=64, n=32):
    model = make_unet(4, 16, (96, 192, 384), (True, True, True), 256, (3, 6, 12))
    return model, denoiser_inputs(n, 4, pixels // 4, 32, 256)


def ae_train(pixels=64, n=16):
    return make_first_stage(64, 3, (1, 2, 4)), [torch.randn(n, 3, pixels, pixels)]


WORKS = {f.__name__: f for f in (sd_unet, cin_unet, dec, enc, unet_train, ae_train)}


def channels_last(model, inputs):
    last = torch.channels_last
    return model.to(memory_format=last), [x.contiguous(memory_format=last) if x.dim() == 4 else x for x in inputs]


def torch_step(model, inputs, bf16, compiled):
    """Returns a forward pass; bf16 converts the weights."""
    model.eval()
    if bf16:
        model = model.bfloat16()
        inputs = [x.bfloat16() if x.is_floating_point() else x for x in inputs]
    forward = torch.compile(model) if compiled else model
    return lambda: forward(*inputs)


def training_step(work, model, inputs, bf16, compiled):
    """Returns a step with loss, gradients, AdamW and EMA; bf16 is autocast's."""
    weights = list(model.parameters())
    average = [w.detach().clone() for w in weights]
    adam = torch.optim.AdamW(weights, lr=1e-4, fused=True)
    goal = torch.randn_like(inputs[0])

    def denoising():
        return F.mse_loss(model(*inputs).sample, goal)

    def reconstruction():
        posterior = model.encode(inputs[0]).latent_dist
        picture = model.decode(posterior.sample()).sample
        return F.l1_loss(picture, inputs[0]) + 1e-6 * posterior.kl().mean()

    loss = denoising if work == "unet_train" else reconstruction
    if compiled:
        loss = torch.compile(loss)

    def step():
        with torch.autocast(inputs[0].device.type, torch.bfloat16) if bf16 else contextlib.nullcontext():
            value = loss()
        value.backward()
        adam.step()
        adam.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(average, weights, 1e-4)

    return step


class Outputs(torch.nn.Module):
    """The model with its plain tensor as output, for conversion."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, *inputs):
        if isinstance(self.model, UNet2DConditionModel):
            return self.model(*inputs, return_dict=False)[0]
        return self.model(*inputs)


def openvino_step(model, inputs, bf16, threads):
    import openvino

    net = openvino.convert_model(Outputs(model.eval()), example_input=tuple(inputs))
    for port, x in zip(net.inputs, inputs):
        port.get_node().set_partial_shape(openvino.PartialShape(list(x.shape)))
    net.validate_nodes_and_infer_types()
    request = openvino.Core().compile_model(net, "CPU", {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32"}).create_infer_request()
    arrays = [x.numpy() for x in inputs]
    return lambda: request.infer(arrays)


def finished(step):
    """A step that ends when the card has done it."""
    def run():
        step()
        torch.cuda.synchronize()

    return run


def clock(f):
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def seconds(t):
    return f"{t:.5f}s" if t < .1 else f"{t:.3f}s"


def full_float32():
    """No TF32, in the words of old and of new releases."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    if hasattr(cuda, "fp32_precision"):
        cuda.fp32_precision = cudnn.conv.fp32_precision = "ieee"
    else:
        cuda.allow_tf32 = cudnn.allow_tf32 = False


def measure(step, runs):
    """Returns the first run's time and the times of those that count."""
    first = clock(step)
    step()
    times, start = [], time.perf_counter()
    while len(times) < (runs or 3) or not runs and len(times) < 30 and time.perf_counter() - start < 8:
        times.append(clock(step))
    return first, times


def main():
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("work", choices=WORKS)
    usage.add_argument("mode")
    usage.add_argument("threads", type=int)
    usage.add_argument("--runs", type=int, default=0)
    usage.add_argument("--pixels", type=int, help="of a side; the work's own otherwise")
    usage.add_argument("--batch", type=int, help="how many at once; the work's own otherwise")
    args = usage.parse_args()
    precision, *options = args.mode.split("-")
    training = args.work.endswith("_train")
    if precision not in ("f32", "bf16") or not set(options) <= {"cl", "compile", "ov", "cuda"} or training and "ov" in options:
        usage.error(f"mode {args.mode} does not fit {args.work}")

    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    torch.set_grad_enabled(training)
    shape = {name: value for name, value in (("pixels", args.pixels), ("n", args.batch)) if value}
    model, inputs = WORKS[args.work](**shape)
    count = sum(p.numel() for p in model.parameters())
    bf16, compiled = precision == "bf16", "compile" in options
    if "cuda" in options:
        full_float32()
        model, inputs = model.cuda(), [x.cuda() for x in inputs]
    if "cl" in options:
        model, inputs = channels_last(model, inputs)
    if "ov" in options:
        step = openvino_step(model, inputs, bf16, args.threads)
    elif training:
        step = training_step(args.work, model, inputs, bf16, compiled)
    else:
        step = torch_step(model, inputs, bf16, compiled)
    if "cuda" in options:
        step = finished(step)
    first, times = measure(step, args.runs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{args.work} {args.mode} threads={args.threads} median={seconds(statistics.median(times))} min={seconds(min(times))} "
          f"first={first:.1f}s peak={peak:.0f}MiB params={count / 1e6:.1f}M")


if __name__ == "__main__":
    main()
