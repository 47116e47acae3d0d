// What the page says to the server.

let key = "";

export function setKey(text) { key = text.trim(); }

function headers(more) {
  return key ? { ...more, Authorization: "Bearer " + key } : { ...more };
}

async function answer(response) {
  const text = await response.text();
  let body = null;
  try { body = text ? JSON.parse(text) : null; } catch { /* not ours */ }
  if (response.ok) return body;
  const message = body?.error?.message ?? body?.detail ?? response.statusText;
  throw new Error(response.status === 401 ? "This server wants an API key: it goes under More." : message);
}

export async function get(path) { return answer(await fetch(path, { headers: headers() })); }

export async function post(path, body) {
  return answer(await fetch(path, { method: "POST", headers: headers({ "Content-Type": "application/json" }), body: JSON.stringify(body) }));
}

export async function remove(path) { return answer(await fetch(path, { method: "DELETE", headers: headers() })); }

// picture returns an address of a picture that an <img> can show, also where the
// server wants a key.
export async function picture(path) {
  if (!key) return path;
  const response = await fetch(path, { headers: headers() });
  if (!response.ok) throw new Error("the picture is gone");
  return URL.createObjectURL(await response.blob());
}

// follow reads the events of a job until it has ended, and goes on where it was
// if the connection breaks.
export async function follow(id, tell) {
  let last = 0;
  for (let failures = 0; failures < 20;) {
    try {
      const response = await fetch(`/v1/jobs/${id}/events`, { headers: headers(last ? { "Last-Event-ID": String(last) } : {}) });
      if (!response.ok) return void await answer(response);
      failures = 0;
      for await (const event of read(response.body)) {
        if (event.id) last = event.id;
        tell(event.name, event.data);
        if (event.name === "done") return;
      }
    } catch (e) {
      if (++failures === 20) throw e;
    }
    await new Promise((r) => setTimeout(r, 500));
  }
}

// read takes server-sent events apart.
async function* read(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const event = { id: 0, name: "", data: null };
      for (const line of text.slice(0, end).split("\n")) {
        if (line.startsWith("id: ")) event.id = Number(line.slice(4));
        if (line.startsWith("event: ")) event.name = line.slice(7);
        if (line.startsWith("data: ")) event.data = JSON.parse(line.slice(6));
      }
      if (event.name) yield event;
    }
  }
}
