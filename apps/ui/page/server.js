// The server's interface: batches of pictures, by their id.

// A refusal that lasts; after other errors it is worth trying again.
class Refused extends Error {}

// What passes by itself: a limit is reached for now, or, if it is lost, the connection.
class Passing extends Error {}
class Lost extends Passing {}

const SLOW = 408, LIMITS = [429, 503]; // statuses
const MOST_FAULTS = 6; // of the server, or of a connection on which uploads take too long
const LONGEST_PAUSE = 32_000; // milliseconds, between two tries
const PATIENCE = 20_000; // milliseconds, for the answer to a question that is asked again

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
  const kind = LIMITS.includes(status) ? Passing : answer && status !== SLOW ? Refused : Error;
  if (answer?.detail) throw new kind(sentence(answer.detail));
  // Something between answered, such as a proxy
  if (status === 413) throw new Refused("This file is too large for this server; save it smaller, or at a lower quality.");
  throw new (kind === Passing ? Passing : Error)("This did not work; try again in a minute.");
}

// Asks until the server answers or refuses for good, unless it is aborted; the pauses between grow. `waits` is called
// before each with the error, and may throw in its place.
async function persist(ask, signal, waits = () => {}) {
  for (let n = 0; ; n++) {
    signal.throwIfAborted();
    try {
      return await ask();
    } catch (error) {
      if (error instanceof Refused || signal.aborted) throw error;
      waits(error, n);
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

const state = (id) => asked(`work/${id}`, { signal: AbortSignal.timeout(PATIENCE) });
const isGone = (id) => state(id).then(() => false, (error) => error instanceof Refused);
const cancel = (id) => asked(`work/${id}/cancel`, { method: "POST" });
const remove = (id) => asked(`work/${id}`, { method: "DELETE" });
const comparison = async (id, number) => (await asked(`work/${id}/${number}/comparison`, { method: "POST" })).markup;

// Uploads a file; `progress` gets the share done, or before a pause none and the error. By its key the server knows a
// file whose first answer was lost.
function upload(id, file, progress, signal) {
  const address = `work/${id}?name=${encodeURIComponent(file.name)}&key=${randomKey()}`;
  return persist(() => sent(address, file, progress, signal), signal, (error, n) => {
    if (!(error instanceof Passing) && n >= MOST_FAULTS) throw new Refused(`${file.name} is left out: ${error.message}`);
    progress(undefined, error);
  });
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
    request.onabort = () => reject(new Error());
    request.onerror = async () => reject(await isReadable(file) ? new Lost("The connection is gone.") : new Refused(`${file.name} cannot be read any more; choose it again.`));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

const isReadable = (file) => file.slice(0, 1).arrayBuffer().then(() => true, () => false);
