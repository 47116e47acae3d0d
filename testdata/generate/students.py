"""Writes the cases of testdata/golden/kdiffusion that distilled models of few steps are sampled by:
SD Turbo's EulerAncestralDiscreteScheduler and SDXL Lightning's EulerDiscreteScheduler, both with
trailing timesteps, and LCM-LoRA's LCMScheduler, of diffusers, on a network that is a formula. The form is
described in testdata/golden/README.md; the network is the `eps-model` of the other cases there.

    pip install torch diffusers safetensors
    python testdata/generate/students.py testdata/golden/kdiffusion

Every float32 in the schedulers' own code is a float64 here, and so are their tables, so that what
is written are the true values of their formulas.
"""

import importlib
import inspect
import json
import math
import sys
import types

import numpy as np
import torch
from safetensors.numpy import save_file

import diffusers
from networks import uniform

SHAPE = [1, 4, 3, 4]
MIXTURE = {
    "weights": [1.637, 1.909, 2.46],
    "stds": [0.245, 0.314, 0.376],
    "means": [[0.256, 1.008, -0.73, 0.732], [0.289, 0.603, -1.502, 1.668], [1.675, -1.669, 1.043, 1.784]],
}
START, END = 0.00085, 0.012
BETAS = np.linspace(START**0.5, END**0.5, 1000) ** 2
BARS = np.cumprod(1 - BETAS).astype(np.float32)  # as a checkpoint has them

CASES = {
    "diffusers-euler-ancestral-trailing-1": ("scheduling_euler_ancestral_discrete", "EulerAncestralDiscreteScheduler", 1, {"timestep_spacing": "trailing"}),
    "diffusers-euler-ancestral-trailing-4": ("scheduling_euler_ancestral_discrete", "EulerAncestralDiscreteScheduler", 4, {"timestep_spacing": "trailing"}),
    "diffusers-euler-trailing-2": ("scheduling_euler_discrete", "EulerDiscreteScheduler", 2, {"timestep_spacing": "trailing"}),
    "diffusers-euler-trailing-4": ("scheduling_euler_discrete", "EulerDiscreteScheduler", 4, {"timestep_spacing": "trailing"}),
    "diffusers-euler-trailing-8": ("scheduling_euler_discrete", "EulerDiscreteScheduler", 8, {"timestep_spacing": "trailing"}),
    "diffusers-lcm-lora-6": ("scheduling_lcm", "LCMScheduler", 6, {}),
}


def gauss4(name, shape):
    u = uniform(name, 4 * int(np.prod(shape)))
    v = ((u[0::4] + u[1::4]) + u[2::4] + u[3::4]) * math.sqrt(0.75)
    return v.astype(np.float32).reshape(shape)


def in_float64(module, name):
    """A scheduler's class, of its module's text with float64 for float32."""
    path = "diffusers.schedulers." + module
    text = inspect.getsource(importlib.import_module(path))
    text = text.replace("torch.float32", "torch.float64").replace("np.float32", "np.float64").replace(".float()", ".double()")
    made = types.ModuleType(path)
    made.__package__ = "diffusers.schedulers"
    exec(compile(text, path, "exec"), made.__dict__)
    return made, getattr(made, name)


def clean(x, sigma):
    """The expected clean latent: every pixel is a vector of the mixture."""
    m = MIXTURE
    c = x.shape[1]
    logs, means = [], []
    for w, s, mu in zip(m["weights"], m["stds"], m["means"]):
        mu = torch.tensor(mu, dtype=torch.float64).reshape(1, c, 1, 1)
        var = s * s + sigma * sigma
        logs.append(math.log(w) - c / 2 * math.log(var) - ((x - mu) ** 2).sum(1, keepdim=True) / (2 * var))
        means.append((s * s * x + sigma * sigma * mu) / var)
    share = torch.softmax(torch.stack(logs), 0)
    return (share * torch.stack(means)).sum(0)


def sigma_of(t):
    bars = BARS.astype(np.float64)
    logs = np.log(np.sqrt((1 - bars) / bars))
    return float(np.exp(np.interp(float(t), np.arange(len(bars)), logs)))


def network(xs, t):
    sigma = sigma_of(t)
    x = xs * math.sqrt(1 + sigma * sigma)
    return (x - clean(x, sigma)) / sigma * (1 + 0.1 * math.sin(float(t) / 50))


def run(case, folder):
    module, name, steps, options = CASES[case]
    made, scheduler = in_float64(module, name)
    noises = []

    def draw(shape, **_):
        noises.append(gauss4(f"noise/{len(noises):03d}", list(shape)))
        return torch.from_numpy(noises[-1].astype(np.float64))

    made.randn_tensor = draw
    s = scheduler(num_train_timesteps=1000, beta_start=START, beta_end=END, beta_schedule="scaled_linear", prediction_type="epsilon", **options)
    s.betas = torch.from_numpy(BETAS)
    s.alphas_cumprod = torch.from_numpy(BARS.astype(np.float64))
    if hasattr(s, "final_alpha_cumprod"):
        s.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    s.set_timesteps(steps)
    x_T = gauss4("input/x_T", SHAPE)
    first = float(s.init_noise_sigma)
    x = torch.from_numpy(x_T.astype(np.float64)) * first
    states, preds = [], []
    for t in s.timesteps:
        out = s.step(network(s.scale_model_input(x, t), t), t, x)
        x = out.prev_sample
        assert x.dtype == torch.float64
        states.append(x.numpy().copy())
        pred = out.denoised if name == "LCMScheduler" else out.pred_original_sample
        preds.append(pred.numpy().astype(np.float32))
    tensors = {
        "input/x_T": x_T, "input/alphas_cumprod": BARS,
        "x_steps": np.stack(states), "pred_x0_steps": np.stack(preds), "timesteps": s.timesteps.numpy().astype(np.float64),
    }
    outputs = {
        "x_steps": {"shape": list(tensors["x_steps"].shape), "dtype": "F64", "meaning": "prev_sample of each step, in the scheduler's own scale"},
        "pred_x0_steps": {"shape": list(tensors["pred_x0_steps"].shape), "dtype": "F32", "meaning": "pred_original_sample (LCM: denoised) of each step"},
        "timesteps": {"shape": [len(s.timesteps)], "dtype": "F64", "meaning": "s.timesteps"},
    }
    if hasattr(s, "sigmas"):
        tensors["scheduler_sigmas"] = s.sigmas.numpy().astype(np.float64)
        outputs["scheduler_sigmas"] = {"shape": [len(s.sigmas)], "dtype": "F64", "meaning": "s.sigmas (alpha = 1/sqrt(1 + sigma^2))"}
    for i, noise in enumerate(noises):
        tensors[f"noise/{i:03d}"] = noise
        outputs[f"noise/{i:03d}"] = {"shape": list(noise.shape), "dtype": "F32"}
    call = "".join(f", {k}={v!r}" for k, v in options.items())
    manifest = {
        "case": "kdiffusion/" + case, "group": "A", "salt": "0x6E657477", "sampler": name,
        "origin": f"diffusers {diffusers.__version__} {name}, every float32 in it replaced by a float64", "S": steps, "options": options,
        "denoiser": "eps-model", "mixture": MIXTURE, "schedule": {"linear_start": START, "linear_end": END, "steps": 1000},
        "call": f"s = {name}(num_train_timesteps=1000, beta_start={START}, beta_end={END}, beta_schedule='scaled_linear', prediction_type='epsilon'{call}); s.set_timesteps({steps})",
        "init_noise_sigma": first,
        "inputs": {
            "x_T": {"key": "input/x_T", "kind": "gauss4", "dtype": "F32", "shape": SHAPE, "stored": True},
            "alphas_cumprod": {"kind": "given", "dtype": "F32", "shape": [1000], "stored": True},
        },
        "outputs": outputs, "data": case + ".safetensors",
    }
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, f"{folder}/{case}.safetensors")
    with open(f"{folder}/{case}.json", "w") as f:
        json.dump(manifest, f, indent=1)
        f.write("\n")
    print(case, [float(t) for t in s.timesteps], first)


if __name__ == "__main__":
    for case in CASES:
        run(case, sys.argv[1])
