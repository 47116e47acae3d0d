#!/usr/bin/env python3
"""Times a whole task of `ldm bench` in diffusers or OpenVINO and prints the same line.

    task.py make TASK FOLDER         writes a diffusers folder of random weights (16 bits)
    task.py make-ov TASK FOLDER OUT  exports it for OpenVINO (pip install optimum-intel)
    task.py TASK MODE THREADS FOLDER [--steps 20] [--runs N]

TASK is txt2img, upscale or inpaint. MODE is f32 or bf16, followed by any of
    -cl   channels-last memory (diffusers)
    -ov   OpenVINO GenAI instead of diffusers (not upscale); of its samplers Euler, which asks
          the network as often as DPM++ 2M does

"first" is the time from the start of the process, with what is imported and loaded, to the
first picture; the median is over the pictures after it.
"""
import argparse
import json
import os
import resource
import statistics
import time

PROMPT = "a photograph of an astronaut riding a horse"
SIDE = 512


def since_start():
    """Seconds since this process began."""
    with open("/proc/self/stat") as stat, open("/proc/uptime") as uptime:
        ticks = int(stat.read().rsplit(")", 1)[1].split()[19])
        return float(uptime.read().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")


def write_tokenizer(folder):
    """A tokenizer of single characters: what a text says does not matter to the time."""
    os.makedirs(folder, exist_ok=True)
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    letters = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    words = letters + [c + "</w>" for c in letters]
    words += [f"unused{i}" for i in range(49406 - len(words))] + ["<|startoftext|>", "<|endoftext|>"]
    with open(os.path.join(folder, "vocab.json"), "w") as f:
        json.dump({w: i for i, w in enumerate(words)}, f)
    with open(os.path.join(folder, "merges.txt"), "w") as f:
        f.write("#version: 0.2\n")


def make(task, folder):
    import torch
    import diffusers
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    if task == "upscale":
        unet = diffusers.UNet2DModel(
            sample_size=64, in_channels=6, out_channels=3, layers_per_block=2, block_out_channels=(160, 320, 320, 640),
            down_block_types=("DownBlock2D",) * 3 + ("AttnDownBlock2D",),
            up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * 3, attention_head_dim=32)
        vq = diffusers.VQModel(
            in_channels=3, out_channels=3, latent_channels=3, num_vq_embeddings=8192, vq_embed_dim=3, layers_per_block=2,
            block_out_channels=(128, 256, 512), down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3)
        scheduler = diffusers.DDIMScheduler(beta_start=0.0015, beta_end=0.0155, beta_schedule="scaled_linear", clip_sample=False)
        pipe = diffusers.LDMSuperResolutionPipeline(vqvae=vq, unet=unet, scheduler=scheduler)
    else:
        unet = diffusers.UNet2DConditionModel(
            sample_size=64, in_channels=9 if task == "inpaint" else 4, out_channels=4, layers_per_block=2,
            block_out_channels=(320, 640, 1280, 1280), cross_attention_dim=768, attention_head_dim=8)
        vae = diffusers.AutoencoderKL(
            in_channels=3, out_channels=3, latent_channels=4, layers_per_block=2, block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, sample_size=512)
        text = CLIPTextModel(CLIPTextConfig(
            vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
            max_position_embeddings=77, hidden_act="quick_gelu", projection_dim=768, bos_token_id=49406, eos_token_id=49407))
        write_tokenizer(os.path.join(folder, "tokenizer"))
        words = CLIPTokenizer.from_pretrained(os.path.join(folder, "tokenizer"), model_max_length=77)
        scheduler = diffusers.DPMSolverMultistepScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
        kind = diffusers.StableDiffusionInpaintPipeline if task == "inpaint" else diffusers.StableDiffusionPipeline
        pipe = kind(vae=vae, text_encoder=text, tokenizer=words, unet=unet, scheduler=scheduler,
                    safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    pipe.to(torch.float16).save_pretrained(folder)


def make_ov(task, folder, out):
    import openvino
    from openvino_tokenizers import convert_tokenizer
    from optimum.exporters.openvino import main_export
    from transformers import CLIPTokenizerFast

    main_export(folder, out, task="inpainting" if task == "inpaint" else "text-to-image", library_name="diffusers")
    words = CLIPTokenizerFast.from_pretrained(os.path.join(out, "tokenizer"))  # which main_export leaves as it is
    openvino.save_model(convert_tokenizer(words), os.path.join(out, "tokenizer", "openvino_tokenizer.xml"))
    for name in ("model_index.json", "scheduler/scheduler_config.json"):
        file = os.path.join(out, name)
        with open(file) as f:
            text = json.load(f)
        # GenAI reads neither diffusers' -Infinity nor this sampler's name.
        text = {k: v for k, v in text.items() if v not in (float("inf"), float("-inf"))}
        text = json.dumps(text).replace("DPMSolverMultistepScheduler", "EulerDiscreteScheduler")
        with open(file, "w") as f:
            f.write(text)


def pictures():
    """The picture that is mended, and the mask of its right half."""
    import numpy
    from PIL import Image

    y, x = numpy.mgrid[:SIDE, :SIDE]
    img = numpy.stack([255 * x // SIDE, 255 * y // SIDE, (x ^ y) & 255], -1).astype(numpy.uint8)
    return Image.fromarray(img), Image.fromarray(numpy.where(x >= SIDE // 2, 255, 0).astype(numpy.uint8))


def diffusers_run(args, bf16, last):
    import torch
    import diffusers

    torch.set_num_threads(args.threads)
    pipe = diffusers.DiffusionPipeline.from_pretrained(args.folder, torch_dtype=torch.bfloat16 if bf16 else torch.float32)
    pipe.set_progress_bar_config(disable=True)
    nets = [v for v in pipe.components.values() if isinstance(v, torch.nn.Module)]
    if last:
        for net in nets:
            net.to(memory_format=torch.channels_last)
    count = sum(p.numel() for net in nets for p in net.parameters())
    img, mask = pictures()
    if args.task == "upscale":
        decode = pipe.vqvae.decode

        def float_decode(z):  # the pipeline hands the picture to NumPy, which has no bfloat16
            out = decode(z)
            out.sample = out.sample.float()
            return out

        pipe.vqvae.decode = float_decode
        return count, lambda: pipe(img.resize((SIDE // 4, SIDE // 4)), num_inference_steps=args.steps, eta=0)
    more = {"image": img, "mask_image": mask, "strength": 1.0} if args.task == "inpaint" else {}
    return count, lambda: pipe(PROMPT, width=SIDE, height=SIDE, num_inference_steps=args.steps, guidance_scale=7.5, **more)


def openvino_run(args, bf16):
    import numpy
    import openvino
    import openvino_genai

    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": args.threads,
               "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32"}
    kind = openvino_genai.InpaintingPipeline if args.task == "inpaint" else openvino_genai.Text2ImagePipeline
    pipe = kind(args.folder, "CPU", **options)
    pipe.set_scheduler(openvino_genai.Scheduler.from_config(
        os.path.join(args.folder, "scheduler", "scheduler_config.json"), openvino_genai.Scheduler.Type.EULER_DISCRETE))
    settings = {"width": SIDE, "height": SIDE, "num_inference_steps": args.steps, "guidance_scale": 7.5}
    if args.task == "inpaint":
        img, mask = pictures()
        tensors = [openvino.Tensor(numpy.array(p.convert("RGB"))[None]) for p in (img, mask)]
        return 0, lambda: pipe.generate(PROMPT, *tensors, strength=1.0, **settings)
    return 0, lambda: pipe.generate(PROMPT, **settings)


def main():
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("task")
    usage.add_argument("mode")
    usage.add_argument("threads")
    usage.add_argument("folder", nargs="?")
    usage.add_argument("--steps", type=int, default=20)
    usage.add_argument("--runs", type=int, default=0)
    args = usage.parse_args()
    if args.task == "make":
        return make(args.mode, args.threads)
    if args.task == "make-ov":
        return make_ov(args.mode, args.threads, args.folder)
    precision, *options = args.mode.split("-")
    if args.task not in ("txt2img", "upscale", "inpaint") or precision not in ("f32", "bf16") or not set(options) <= {"cl", "ov"} or \
            "ov" in options and args.task == "upscale" or not args.folder:
        usage.error(f"mode {args.mode} does not fit {args.task}, or there is no folder")
    args.threads = int(args.threads)
    if "ov" in options:
        count, run = openvino_run(args, precision == "bf16")
    else:
        count, run = diffusers_run(args, precision == "bf16", "cl" in options)
    run()
    first = since_start()
    times, start = [], time.perf_counter()
    while len(times) < (args.runs or 3) or not args.runs and len(times) < 30 and time.perf_counter() - start < 8:
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{args.task} {args.mode} threads={args.threads} median={statistics.median(times):.3f}s min={min(times):.3f}s "
          f"first={first:.1f}s peak={peak:.0f}MiB params={count / 1e6:.1f}M")


if __name__ == "__main__":
    main()
