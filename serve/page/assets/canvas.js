// The picture to begin with, and the mask that is painted over it.

const canvas = document.getElementById("canvas");
const box = document.getElementById("canvas-box");
const draw = canvas.getContext("2d");
let image = null; // ImageBitmap
let data = ""; // the file, in base64
let mask = null; // a canvas: opaque where the picture is made anew
let painting = false;
let last = null;

export const brush = { size: 24, erase: false, on: false };

export function has() { return image !== null; }

export function size() { return image ? [image.width, image.height] : [0, 0]; }

export async function load(blob) {
  const bitmap = await createImageBitmap(blob);
  const reader = new FileReader();
  data = await new Promise((resolve, reject) => {
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
  image = bitmap;
  canvas.width = image.width;
  canvas.height = image.height;
  mask = document.createElement("canvas");
  mask.width = image.width;
  mask.height = image.height;
  box.hidden = false;
  show();
}

export function clear() {
  image = mask = null;
  data = "";
  box.hidden = true;
}

export function picture() { return data; }

// maskPicture is the mask as the server wants it: white is made anew. None if
// nothing is painted.
export function maskPicture() {
  if (!mask) return "";
  const out = document.createElement("canvas");
  out.width = mask.width;
  out.height = mask.height;
  const to = out.getContext("2d");
  to.fillStyle = "black";
  to.fillRect(0, 0, out.width, out.height);
  to.drawImage(mask, 0, 0);
  const pixels = mask.getContext("2d").getImageData(0, 0, mask.width, mask.height).data;
  for (let i = 3; i < pixels.length; i += 4) if (pixels[i] > 127) return out.toDataURL("image/png");
  return "";
}

export function clearMask() {
  if (!mask) return;
  mask.getContext("2d").clearRect(0, 0, mask.width, mask.height);
  show();
}

export function invertMask() {
  if (!mask) return;
  const c = mask.getContext("2d");
  c.globalCompositeOperation = "xor";
  c.fillStyle = "white";
  c.fillRect(0, 0, mask.width, mask.height);
  c.globalCompositeOperation = "source-over";
  show();
}

export function show() {
  if (!image) return;
  draw.globalAlpha = 1;
  draw.clearRect(0, 0, canvas.width, canvas.height);
  draw.drawImage(image, 0, 0);
  if (brush.on && mask) {
    draw.globalAlpha = 0.6;
    draw.drawImage(mask, 0, 0);
  }
  canvas.classList.toggle("painting", brush.on);
}

function place(e) {
  const r = canvas.getBoundingClientRect();
  return [(e.clientX - r.left) * canvas.width / r.width, (e.clientY - r.top) * canvas.height / r.height];
}

function stroke(from, to) {
  const c = mask.getContext("2d");
  c.globalCompositeOperation = brush.erase ? "destination-out" : "source-over";
  c.strokeStyle = "white";
  c.lineWidth = brush.size * canvas.width / 512;
  c.lineCap = "round";
  c.beginPath();
  c.moveTo(...from);
  c.lineTo(to[0] + 0.01, to[1]);
  c.stroke();
  c.globalCompositeOperation = "source-over";
  show();
}

canvas.addEventListener("pointerdown", (e) => {
  if (!brush.on || !mask) return;
  painting = true;
  canvas.setPointerCapture(e.pointerId);
  last = place(e);
  stroke(last, last);
});
canvas.addEventListener("pointermove", (e) => {
  if (!painting) return;
  const at = place(e);
  stroke(last, at);
  last = at;
});
canvas.addEventListener("pointerup", () => { painting = false; });
canvas.addEventListener("pointercancel", () => { painting = false; });

// By keyboard: the arrows move a place, the space bar paints there.
let cursor = null;
canvas.addEventListener("keydown", (e) => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
  if (!brush.on || !mask || (!step && e.key !== " ")) return;
  e.preventDefault();
  cursor ??= [canvas.width / 2, canvas.height / 2];
  if (step) {
    const by = brush.size * canvas.width / 1024;
    cursor = [Math.min(Math.max(cursor[0] + step[0] * by, 0), canvas.width), Math.min(Math.max(cursor[1] + step[1] * by, 0), canvas.height)];
    show();
    draw.globalAlpha = 1;
    draw.strokeStyle = "red";
    draw.strokeRect(cursor[0] - by, cursor[1] - by, 2 * by, 2 * by);
  } else {
    stroke(cursor, cursor);
  }
});
