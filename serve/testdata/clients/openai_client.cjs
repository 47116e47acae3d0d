// OpenAI's package for Node against a server of this project: BASE_URL is its address.
const assert = require("node:assert");
const OpenAI = require("openai");
const { toFile } = OpenAI;

const client = new (OpenAI.default ?? OpenAI)({ baseURL: process.env.BASE_URL + "/v1", apiKey: "none", maxRetries: 0 });
const isPNG = (text) => Buffer.from(text, "base64").subarray(1, 4).toString() === "PNG";

(async () => {
  const names = [];
  for await (const m of client.models.list()) names.push(m.id);
  assert(names.includes("fake"), names);
  const answer = await client.images.generate({ prompt: "a cat", n: 2, size: "64x64", steps: 5, seed: 7 });
  assert.strictEqual(answer.data.length, 2);
  assert(isPNG(answer.data[0].b64_json) && answer.usage.total_tokens > 0);
  const kinds = [];
  for await (const e of await client.images.generate({ prompt: "a cat", stream: true, partial_images: 1, steps: 9 })) kinds.push(e.type);
  assert.deepStrictEqual(kinds, ["image_generation.partial_image", "image_generation.completed"]);
  const picture = Buffer.from(answer.data[0].b64_json, "base64");
  const edit = await client.images.edit({ image: [await toFile(picture, "in.png", { type: "image/png" })], prompt: "a dog", input_fidelity: "high" });
  assert(isPNG(edit.data[0].b64_json));
  await assert.rejects(client.images.generate({ prompt: "x", size: "63x64" }), (e) => e.status === 400 && e.param === "size");
  await assert.rejects(client.images.generate({ prompt: "x", model: "nothing" }), (e) => e.status === 404 && e.code === "model_not_found");
  console.log("ok");
})().catch((e) => { console.error(e); process.exit(1); });
