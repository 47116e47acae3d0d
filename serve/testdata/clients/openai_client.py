"""OpenAI's package for Python against a server of this project: BASE_URL is its address."""
import base64
import io
import os
import struct
import zlib

import openai


def png(width, height, pixel):
    """A PNG of RGBA pixels, without any other package."""
    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(width)) for y in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def is_png(text):
    return base64.b64decode(text, validate=True).startswith(b"\x89PNG")


client = openai.OpenAI(base_url=os.environ["BASE_URL"] + "/v1", api_key="none", max_retries=0, timeout=60)

names = [m.id for m in client.models.list()]
assert "fake" in names, names
assert client.models.retrieve("fake").owned_by == "ldm"

answer = client.images.generate(prompt="a cat", n=2, size="64x64", extra_body={"seed": 7, "steps": 5})
assert len(answer.data) == 2 and all(is_png(d.b64_json) for d in answer.data), answer
assert answer.usage.total_tokens > 0 and answer.size == "64x64" and answer.output_format == "png"
assert [d.seed for d in answer.data] == [7, 8]
again = client.images.generate(model="dall-e-2", prompt="a cat", size="auto", quality="standard", response_format="b64_json", extra_body={"seed": 8, "steps": 5})
assert again.data[0].b64_json == answer.data[1].b64_json

url = client.images.generate(prompt="a cat", response_format="url", output_format="jpeg").data[0].url
assert "/v1/jobs/job_" in url, url

events = list(client.images.generate(prompt="a cat", stream=True, partial_images=2, extra_body={"steps": 12}))
kinds = [e.type for e in events]
assert kinds == ["image_generation.partial_image"] * 2 + ["image_generation.completed"], kinds
assert [e.partial_image_index for e in events[:2]] == [0, 1] and events[2].usage.output_tokens > 0 and is_png(events[2].b64_json)

picture = png(64, 64, lambda x, y: (x, y, 0, 255))
hole = png(64, 64, lambda x, y: (0, 0, 0, 0 if x < 32 else 255))
edit = client.images.edit(image=("in.png", io.BytesIO(picture), "image/png"), mask=("mask.png", io.BytesIO(hole), "image/png"), prompt="a dog")
assert is_png(edit.data[0].b64_json) and edit.size == "64x64"
edit = client.images.edit(image=[("in.png", io.BytesIO(picture), "image/png")], prompt="a dog", n=1)
assert is_png(edit.data[0].b64_json)
streamed = [e.type for e in client.images.edit(image=("in.png", io.BytesIO(picture), "image/png"), prompt="a dog", stream=True)]
assert streamed == ["image_edit.completed"], streamed

for call, kind, param in [
    (lambda: client.images.generate(prompt="x", model="nothing"), openai.NotFoundError, "model"),
    (lambda: client.images.generate(prompt="x", size="65x64"), openai.BadRequestError, "size"),
    (lambda: client.images.generate(prompt="x", n=11), openai.BadRequestError, "n"),
    (lambda: client.images.generate(prompt="x", background="transparent"), openai.BadRequestError, "background"),
    (lambda: client.images.edit(image=("a.png", b"nothing", "image/png"), prompt="x"), openai.BadRequestError, "image"),
    (lambda: client.images.edit(image=("a.png", picture, "image/png"), mask=("m.png", picture, "image/png"), prompt="x"), openai.BadRequestError, "mask"),
]:
    try:
        call()
    except kind as e:
        assert e.param == param and e.code, (e.param, e.code)
        assert e.request_id, e
    else:
        raise AssertionError(f"no {kind.__name__} about {param}")
print("ok")
