// The page: settings to a job, a job to pictures.

import * as api from "./api.js";
import * as canvas from "./canvas.js";

const $ = (id) => document.getElementById(id);
const names = {
  txt2img: "Text", class2img: "Class", uncond: "Anything", img2img: "Change a picture", inpaint: "Repaint a part", upscale: "Enlarge",
};
const takes = { // what a task asks for
  txt2img: ["text", "size", "guidance"], class2img: ["class", "size", "guidance"], uncond: ["size"],
  img2img: ["text", "class", "picture", "strength", "size", "guidance"], inpaint: ["text", "class", "picture", "mask", "strength", "size", "guidance"],
  upscale: ["picture"],
};
let models = [];
let running = ""; // the job in work

const model = () => models.find((m) => m.id === $("model").value) ?? models[0];
const task = () => document.querySelector("#tasks input:checked")?.value ?? "txt2img";

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

function option(value, text = value) {
  const o = document.createElement("option");
  o.value = value;
  o.textContent = text;
  return o;
}

// start asks the server what there is.
async function start() {
  try {
    const c = await api.get("/v1/capabilities");
    models = c.models;
    $("model").replaceChildren(...models.map((m) => option(m.id)));
    $("sampler").replaceChildren(option("", "the model's"), ...c.samplers.map((s) => option(s)));
    $("scheduler").replaceChildren(option("", "automatic"), ...c.schedulers.map((s) => option(s)));
    $("server").textContent = c.version;
    choose();
    say("");
    await history();
  } catch (e) {
    say(e.message, true);
  }
}

// choose shows what the chosen model can do.
function choose() {
  const m = model();
  if (!m) return;
  const before = task();
  const legend = $("tasks").querySelector("legend");
  $("tasks").replaceChildren(legend, ...m.tasks.map((t) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "radio";
    input.name = "task";
    input.value = t;
    input.checked = t === before && m.tasks.includes(before);
    input.addEventListener("change", arrange);
    label.append(input, names[t] ?? t);
    return label;
  }));
  if (!document.querySelector("#tasks input:checked")) document.querySelector("#tasks input").checked = true;
  const d = m.defaults;
  for (const [id, v] of [["width", d.width], ["height", d.height], ["steps", d.steps], ["cfg", d.cfg_scale]]) $(id).placeholder = v;
  $("width").step = $("height").step = m.size_step;
  $("width").min = $("height").min = m.size_step;
  $("classes").replaceChildren(...(m.class_names ?? []).map((n) => option(n)));
  arrange();
}

// arrange shows the settings of the chosen task.
function arrange() {
  const m = model();
  const shown = new Set(takes[task()]);
  if (m && !m.tasks.includes("txt2img")) shown.delete("text");
  if (m && !m.classes) shown.delete("class");
  for (const e of document.querySelectorAll("[data-for]")) e.hidden = !shown.has(e.dataset.for);
  canvas.brush.on = shown.has("mask");
  canvas.show();
}

const number = (id) => ($(id).value === "" ? null : Number($(id).value));

// request makes the server's request of the settings.
function request() {
  const t = task();
  const r = {
    type: t, model: $("model").value, n: number("n"), seed: number("seed"), steps: number("steps"),
    sampler: $("sampler").value || null, scheduler: $("scheduler").value || null, output_format: $("format").value, preview_every: 2,
  };
  const shown = new Set(takes[t]);
  if (shown.has("text")) Object.assign(r, { prompt: $("prompt").value, negative_prompt: $("negative").value });
  if (shown.has("guidance")) r.cfg_scale = number("cfg");
  if (shown.has("size")) Object.assign(r, { width: number("width"), height: number("height") });
  const label = $("class").value.trim();
  if (shown.has("class") && model().classes && label) r.class = /^\d+$/.test(label) ? Number(label) : label;
  if (shown.has("picture")) {
    if (!canvas.has()) throw new Error("Choose a picture first.");
    r.init_image = canvas.picture();
  }
  if (shown.has("strength")) r.strength = Number($("strength").value);
  if (shown.has("mask")) {
    r.mask = canvas.maskPicture();
    if (!r.mask) throw new Error("Paint over the part that should be made anew.");
    r.mask_blur = number("blur") ?? 0;
  }
  return r;
}

async function generate(e) {
  e?.preventDefault();
  if (running) return;
  let job;
  try {
    api.setKey($("key").value);
    if (!models.length) await start();
    busy(true);
    job = await api.post("/v1/jobs", request());
    running = job.id;
    $("results").replaceChildren();
    say(job.queue_position > 1 ? `Waiting behind ${job.queue_position - 1} others` : "Waiting");
    await api.follow(job.id, (name, data) => told(name, data));
  } catch (e) {
    say(e.message, true);
  } finally {
    running = "";
    busy(false);
  }
}

function busy(yes) {
  $("generate").disabled = yes;
  $("cancel").disabled = !yes;
  $("progress").hidden = !yes;
  if (yes) $("progress").value = 0;
  if (!yes) $("preview").hidden = true;
}

// told is called for every event of the job in work.
function told(name, data) {
  switch (name) {
    case "status":
      if (data.status === "running") say("Working");
      break;
    case "progress": {
      $("progress").value = data.fraction;
      const left = data.eta_seconds === null ? "" : `, about ${Math.ceil(data.eta_seconds)} s left`;
      say(`Step ${data.step} of ${data.steps}${data.images > 1 ? `, picture ${data.image + 1} of ${data.images}` : ""}${left}`);
      break;
    }
    case "preview":
      $("preview").src = `data:${data.media_type};base64,${data.b64_json}`;
      $("preview").hidden = false;
      break;
    case "done":
      finish(data);
  }
}

async function finish(job) {
  $("preview").hidden = true;
  if (job.status === "succeeded") {
    say(`Done: seed ${job.request.seed}` + (job.warnings.length ? ". " + job.warnings.join(". ") : ""));
  } else {
    say(job.error?.message ?? `The job is ${job.status}.`, job.status !== "cancelled");
  }
  $("results").replaceChildren(...await Promise.all(job.images.map((img) => figure(job, img))));
  await history(job.id);
}

// figure shows a picture with what can be done with it.
async function figure(job, img) {
  const f = document.createElement("figure");
  const e = document.createElement("img");
  const address = await api.picture(img.url);
  e.src = address;
  e.alt = job.request.prompt || `a picture of seed ${img.seed}`;
  e.width = img.width;
  e.height = img.height;
  const caption = document.createElement("figcaption");
  const save = document.createElement("a");
  save.href = address;
  save.download = `${job.id}-${img.index}.${job.request.output_format}`;
  save.textContent = "Save";
  caption.append(`seed ${img.seed}`, save, button("Repeat", () => repeat(job.request, img.seed)), button("Use as start", () => useAsStart(address)));
  f.append(e, caption);
  return f;
}

function button(text, act) {
  const b = document.createElement("button");
  b.type = "button";
  b.textContent = text;
  b.addEventListener("click", act);
  return b;
}

// repeat takes the settings of a picture over.
function repeat(r, seed) {
  if (models.some((m) => m.id === r.model)) $("model").value = r.model;
  choose();
  const radio = document.querySelector(`#tasks input[value="${r.type}"]`);
  if (radio) radio.checked = true;
  arrange();
  const set = (id, v) => { if (v !== undefined && v !== null) $(id).value = v; };
  set("prompt", r.prompt);
  set("negative", r.negative_prompt);
  set("width", r.width);
  set("height", r.height);
  set("steps", r.steps);
  set("cfg", r.cfg_scale);
  set("seed", seed);
  set("class", r.class);
  set("strength", r.strength);
  if (r.sampler) $("sampler").value = r.sampler;
  $("scheduler").value = [...$("scheduler").options].find((o) => o.value && o.value === (r.scheduler ?? "").toLowerCase().replaceAll(" ", "_"))?.value ?? "";
  $("n").value = 1;
  strengthText();
  $("prompt").focus();
}

async function useAsStart(address) {
  await open(await (await fetch(address)).blob());
}

// open takes a picture, and the settings that are in it.
async function open(blob) {
  try {
    await canvas.load(blob);
  } catch {
    say("This is not a picture that the browser can read.", true);
    return;
  }
  const [w, h] = canvas.size();
  $("picture-hint").textContent = `${w} x ${h} pixels`;
  if (!takes[task()].includes("picture")) {
    const other = ["img2img", "inpaint", "upscale"].find((t) => model()?.tasks.includes(t));
    const radio = document.querySelector(`#tasks input[value="${other}"]`);
    if (radio) radio.checked = true;
  }
  arrange();
  try {
    const info = await api.post("/sdapi/v1/png-info", { image: canvas.picture() });
    if (info.info) offer(info.parameters);
  } catch { /* a picture without settings */ }
}

// offer lets the settings of a dropped picture be taken over.
function offer(p) {
  say("The picture says how it was made. ");
  $("status").append(button("Take its settings", () => {
    const r = {
      type: "txt2img", model: p.Model, prompt: p.Prompt, negative_prompt: p["Negative prompt"], width: p["Size-1"], height: p["Size-2"],
      steps: p.Steps, cfg_scale: p["CFG scale"], sampler: p.Sampler, scheduler: p["Schedule type"],
    };
    repeat(r, p.Seed);
    say("");
  }));
}

// history shows the jobs that have ended.
async function history(without = "") {
  let jobs;
  try {
    jobs = (await api.get("/v1/jobs?status=succeeded&limit=20")).data.filter((j) => j.id !== without);
  } catch { return; }
  $("history-title").hidden = jobs.length === 0;
  $("history").replaceChildren(...await Promise.all(jobs.map(async (job) => {
    const box = document.createElement("article");
    box.className = "job";
    const text = document.createElement("p");
    text.textContent = job.request.prompt || `${names[job.type] ?? job.type}, ${job.model}`;
    const pictures = document.createElement("div");
    pictures.className = "pictures";
    pictures.append(...await Promise.all(job.images.map((img) => figure(job, img).catch(() => document.createTextNode("gone")))));
    box.append(text, pictures);
    return box;
  })));
}

async function cancel() {
  if (running) await api.remove(`/v1/jobs/${running}`).catch((e) => say(e.message, true));
}

function strengthText() { $("strength-value").textContent = Number($("strength").value).toFixed(2); }

$("form").addEventListener("submit", generate);
$("cancel").addEventListener("click", cancel);
$("model").addEventListener("change", choose);
$("strength").addEventListener("input", strengthText);
$("brush").addEventListener("input", () => { canvas.brush.size = Number($("brush").value); });
$("erase").addEventListener("change", () => { canvas.brush.erase = $("erase").checked; });
$("clear-mask").addEventListener("click", canvas.clearMask);
$("invert-mask").addEventListener("click", canvas.invertMask);
$("clear-picture").addEventListener("click", () => { canvas.clear(); $("picture-hint").textContent = "Or drop one anywhere on the page, or paste it."; });
$("file").addEventListener("change", () => { if ($("file").files[0]) open($("file").files[0]); });
$("key").addEventListener("change", () => { api.setKey($("key").value); start(); });
document.addEventListener("keydown", (e) => {
  if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) generate();
  if (e.key === "Escape") cancel();
});
document.addEventListener("dragover", (e) => { e.preventDefault(); $("drop").hidden = false; });
document.addEventListener("dragleave", (e) => { if (!e.relatedTarget) $("drop").hidden = true; });
document.addEventListener("drop", (e) => {
  e.preventDefault();
  $("drop").hidden = true;
  if (e.dataTransfer.files[0]) open(e.dataTransfer.files[0]);
});
document.addEventListener("paste", (e) => { if (e.clipboardData.files[0]) open(e.clipboardData.files[0]); });
strengthText();
start();
