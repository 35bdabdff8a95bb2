// The server's interface: batches of pictures, by their id.

class Refused extends Error {}

const LONGEST_PAUSE = 32_000; // milliseconds, between two tries

async function asked(address, options) {
  const [status, text] = await fetch(address, options).then(async (response) => [response.status, await response.text()]).catch(() => {
    throw new Error("The server cannot be reached; check the connection and try again.");
  });
  return answered(status, text);
}

function answered(status, text) {
  if (status === 204) return null;
  let answer;
  try { answer = JSON.parse(text); } catch {}
  if (status < 300 && answer) return answer;
  if (answer?.detail) throw new Refused(sentence(answer.detail));
  // Something between answered, such as a proxy
  if (status === 413) throw new Refused("This file is too large for this server; save it smaller, or at a lower quality.");
  throw new Error("This did not work; try again in a minute.");
}

// Asks until the server answers, or so many times more, unless it is aborted; the pauses between grow.
async function persist(ask, signal, tries = Infinity) {
  for (let n = 0; ; n++) {
    signal.throwIfAborted();
    try {
      return await ask();
    } catch (error) {
      if (error instanceof Refused || signal.aborted || n === tries) throw error;
      await pause(Math.min(1000 * 2 ** n, LONGEST_PAUSE), signal);
    }
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", resolve, { once: true });
  });
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

function create({ again, ...request }) {
  const headers = { "Content-Type": "application/json" };
  return asked(again ? `work/${again}/again` : "work", { method: "POST", headers, body: JSON.stringify(request) });
}

const state = (id) => asked(`work/${id}`);
const cancel = (id) => asked(`work/${id}/cancel`, { method: "POST" });
const remove = (id) => asked(`work/${id}`, { method: "DELETE" });
const comparison = async (id, number) => (await asked(`work/${id}/${number}/comparison`, { method: "POST" })).markup;

// Uploads a file; `progress` gets the share done. By its key the server knows a file whose first answer was lost.
async function upload(id, file, progress, signal) {
  const address = `work/${id}?name=${encodeURIComponent(file.name)}&key=${randomKey()}`;
  try {
    return await persist(() => sent(address, file, progress, signal), signal, 6);
  } catch (error) {
    if (error instanceof Refused || signal.aborted) throw error;
    throw new Error(`${file.name} could not be uploaded; check the connection, and give it again.`);
  }
}

// 128 bits; crypto.randomUUID needs HTTPS.
const randomKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

function sent(address, file, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch reports no progress of uploads
    request.open("PUT", address);
    request.upload.onprogress = ({ loaded, total }) => progress(loaded / total);
    request.onload = () => {
      try { resolve(answered(request.status, request.responseText)); } catch (error) { reject(error); }
    };
    request.onerror = request.onabort = () => reject(new Error());
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
