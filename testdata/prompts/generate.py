#!/usr/bin/env python3
"""Computes weights.json: what Stable Diffusion is told by prompts in AUTOMATIC1111's language.

    python3 generate.py ../../token/clip-bpe.txt.gz > weights.json        (wants numpy)

It is written from what that program does (attention in prompts, chunks of 75 tokens, the
mean kept, clip skip), in float64, and shares no code with this repository. The text tower
is CLIP's with 32 channels, 4 heads and 2 layers; its weights are functions of their names
(testdata/golden/README.md, salt 1), so that none need to be stored.
"""
import gzip
import json
import re
import sys

import numpy as np

WIDTH, HEADS, LAYERS, VOCAB, LENGTH = 32, 4, 2, 49408, 77
START, END, COMMA_BACK = 49406, 49407, 20
PREFIX = "cond_stage_model.transformer.text_model."

PROMPTS = [
    ("a red cat", 0), ("a (red) cat", 0), ("a ((red)) [cat]", 0), ("a (red:1.4) cat", 0), ("a (red cat:0.5) on a house", 0),
    ("(a [red:1.3] cat", 0), (r"a \(red\) cat", 0), ("a red cat BREAK a (blue:1.2) dog", 0), ("(a red (cat:0) and:1.1) [[dog]]", 2),
    ("red, " + "cat " * 60 + ", blue dog (house:1.3) " + "tree " * 20, 0), ("(red:-0.5) cat", 0), ("", 2),
    ("a (red BREAK cat) dog]", 1), ("dog " * 74 + "(cat:1.5) house", 0),
]


# Weights.

def mix(v):
    v = (v ^ (v >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    v = (v ^ (v >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return v ^ (v >> np.uint64(31))


def weight(name, *shape, salt=1):
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    n = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = mix(np.uint64(h ^ salt) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    u = (z >> np.uint64(40)).astype(np.float64) * 2.0 ** -23 - 1
    if "_embedding." in name:
        out = u
    elif len(shape) > 1:
        out = u * np.sqrt(3 / np.prod(shape[1:]))
    elif name.endswith("weight"):
        out = 1 + 0.1 * u
    else:
        out = 0.1 * u
    return out.astype(np.float32).astype(np.float64).reshape(shape)


# The text tower.

def norm(x, name):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(var + 1e-5) * weight(name + ".weight", WIDTH) + weight(name + ".bias", WIDTH)


def linear(x, name, n_out):
    return x @ weight(name + ".weight", n_out, x.shape[-1]).T + weight(name + ".bias", n_out)


TABLE = weight(PREFIX + "embeddings.token_embedding.weight", VOCAB, WIDTH)
PLACES = weight(PREFIX + "embeddings.position_embedding.weight", LENGTH, WIDTH)


def encode(tokens, skip):
    """The hidden state after all but the last skip - 1 layers, through the final norm."""
    x = TABLE[tokens] + PLACES
    for i in range(LAYERS - max(skip - 1, 0)):
        at = f"{PREFIX}encoder.layers.{i}."
        h = norm(x, at + "layer_norm1")
        q, k, v = (linear(h, f"{at}self_attn.{p}_proj", WIDTH).reshape(LENGTH, HEADS, -1).transpose(1, 0, 2) for p in "qkv")
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(WIDTH // HEADS)
        scores = np.where(np.tril(np.ones((LENGTH, LENGTH), bool)), scores, -np.inf)
        p = np.exp(scores - scores.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        x = x + linear((p @ v).transpose(1, 0, 2).reshape(LENGTH, WIDTH), at + "self_attn.out_proj", WIDTH)
        h = linear(norm(x, at + "layer_norm2"), at + "mlp.fc1", 4 * WIDTH)
        x = x + linear(h / (1 + np.exp(-1.702 * h)), at + "mlp.fc2", WIDTH)
    return norm(x, PREFIX + "final_layer_norm")


# Tokens.

def tokenizer(path):
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    others = [b for b in range(256) if b not in printable]
    letters = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}
    order = [letters[b] for b in printable + others]
    merges = [tuple(line.split()) for line in gzip.open(path, "rt", encoding="utf-8").read().split("\n")[1:49152 - 256 - 2 + 1]]
    ids = {w: i for i, w in enumerate(order + [c + "</w>" for c in order] + ["".join(m) for m in merges])}
    rank = {m: i for i, m in enumerate(merges)}

    def pieces(text):
        out = []
        for word in re.findall(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+", re.sub(r"\s+", " ", text).strip().lower()):
            parts = [letters[b] for b in word.encode()]
            parts[-1] += "</w>"
            while len(parts) > 1:
                pairs = [(rank.get(p, 1 << 30), i) for i, p in enumerate(zip(parts, parts[1:]))]
                best, i = min(pairs)
                if best == 1 << 30:
                    break
                parts[i:i + 2] = ["".join(parts[i:i + 2])]
            out += [ids[p] for p in parts]
        return out

    return pieces


# Prompts.

MARKS = re.compile(r"\\\(|\\\)|\\\[|\\\]|\\\\|\\|\(|\[|:\s*([+-]?[.\d]+)\s*\)|\)|\]|[^\\()\[\]:]+|:", re.X)


def weigh(text):
    """Pieces of a text with their weights; BREAK has none."""
    parts, rounds, squares = [], [], []

    def multiply(start, by):
        for p in parts[start:]:
            if p != ["BREAK", -1]:  # that program loses breaks inside of brackets, which no one means
                p[1] *= by

    for m in MARKS.finditer(text):
        mark, number = m.group(0), m.group(1)
        if mark.startswith("\\"):
            parts.append([mark[1:], 1.0])
        elif mark == "(":
            rounds.append(len(parts))
        elif mark == "[":
            squares.append(len(parts))
        elif number is not None and rounds:
            multiply(rounds.pop(), float(number))
        elif mark == ")" and rounds:
            multiply(rounds.pop(), 1.1)
        elif mark == "]" and squares:
            multiply(squares.pop(), 1 / 1.1)
        else:
            for i, part in enumerate(re.split(r"\s*\bBREAK\b\s*", mark)):
                if i > 0:
                    parts.append(["BREAK", -1])
                parts.append([part, 1.0])
    for start in rounds:
        multiply(start, 1.1)
    for start in squares:
        multiply(start, 1 / 1.1)
    parts = parts or [["", 1.0]]
    joined = [parts[0]]
    for p in parts[1:]:
        if p[1] == joined[-1][1]:
            joined[-1] = [joined[-1][0] + p[0], p[1]]
        else:
            joined.append(p)
    return joined


def chunks(text, pieces):
    comma, = pieces(",")
    done, ids, weights, last = [], [], [], -1

    def close():
        nonlocal ids, weights, last
        fill = LENGTH - 2 - len(ids)
        done.append(([START] + ids + [END] * fill + [END], [1.0] + weights + [1.0] * fill + [1.0]))
        ids, weights, last = [], [], -1

    for part, w in weigh(text):
        if part == "BREAK" and w == -1:
            close()
            continue
        for token in pieces(part):
            if token == comma:
                last = len(ids)
            elif len(ids) == LENGTH - 2 and last != -1 and len(ids) - last <= COMMA_BACK:
                rest = ids[last + 1:], weights[last + 1:]
                ids, weights = ids[:last + 1], weights[:last + 1]
                close()
                ids, weights = rest
            if len(ids) == LENGTH - 2:
                close()
            ids.append(token)
            weights.append(w)
    if ids or not done:
        close()
    return done


def main():
    pieces = tokenizer(sys.argv[1])
    cases = []
    for text, skip in PROMPTS:
        case = {"prompt": text, "clip_skip": skip, "chunks": []}
        for tokens, weights in chunks(text, pieces):
            z = encode(np.array(tokens), skip)
            mean = z.mean()
            z = z * np.array(weights)[:, None]
            z = z * (mean / z.mean())
            shown = list(range(0, 12)) + [40, 75, 76]
            case["chunks"].append({
                "tokens": tokens, "weights": [float(f"{w:.9g}") for w in weights], "rows": shown,
                "values": [[float(f"{v:.7g}") for v in z[r][::4]] for r in shown], "mean_square": float(f"{(z * z).mean():.9g}")})
        cases.append(case)
    json.dump(cases, sys.stdout, separators=(",", ":"))
    print()


main()
