// The package a1111-webui-api against a server of this project: BASE_URL is its address.
const assert = require("node:assert");
const sharp = require("sharp");
const { StableDiffusionApi } = require("a1111-webui-api");

const api = new StableDiffusionApi({ baseUrl: process.env.BASE_URL });

(async () => {
  assert((await api.getSamplers()).some((s) => s.name === "Euler a"));
  const models = await api.getSdModels();
  assert(models[0].title.startsWith("fake.safetensors ["));
  await api.setModel("fake", true);
  assert((await api.getCurrentModel()).startsWith("fake.safetensors ["));
  for (const list of [api.getUpscalers, api.getHypernetworks, api.getFaceRestorers, api.getRealesrganModels, api.getPromptStyles]) {
    assert(Array.isArray(await list.call(api)));
  }
  await api.getOptions();
  await api.getCmdFlags();
  const result = await api.txt2img({ prompt: "a cat", negative_prompt: "ugly", steps: 5, width: 64, height: 64, batch_size: 2, seed: 7 });
  assert.strictEqual(result.images.length, 2);
  assert.strictEqual((await result.image.metadata()).width, 64);
  const start = sharp({ create: { width: 64, height: 64, channels: 3, background: { r: 200, g: 100, b: 50 } } }).png();
  const again = await api.img2img({ init_images: [start], prompt: "a dog", steps: 5, width: 64, height: 64, denoising_strength: 0.5 });
  assert.strictEqual(again.images.length, 1);
  const large = await api.extraSingle({ image: start, upscaler_1: "Lanczos", upscaling_resize: 2 });
  assert.strictEqual((await large.image.metadata()).width, 128);
  const info = await api.pngInfo(start);
  assert.ok(info);
  const progress = await api.getProgress();
  assert(progress.progress === 0 && progress.state.job_count === 0);
  await api.refreshCheckpoints();
  console.log("ok");
})().catch((e) => { console.error(e.message, e.response?.data ?? e); process.exit(1); });
