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
  if (!answer?.detail) throw new Error("This did not work; try again in a minute."); // of something between, such as a proxy
  throw new Refused(sentence(answer.detail));
}

// Asks until the server answers, or so many times more; the pauses between grow.
async function persist(ask, signal, tries = Infinity) {
  for (let n = 0; ; n++) {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof Refused || signal.aborted || n === tries) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.min(1000 * 2 ** n, LONGEST_PAUSE)));
    }
  }
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

// Uploads a file; `progress` gets the share done.
async function upload(id, file, progress, signal) {
  const address = `work/${id}?name=${encodeURIComponent(file.name)}`;
  return persist(() => sent(address, file, progress, signal), signal, 6);
}

function sent(address, file, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch reports no progress of uploads
    request.open("PUT", address);
    request.upload.onprogress = ({ loaded, total }) => progress(loaded / total);
    request.onload = () => {
      if (request.status === 201) return resolve(JSON.parse(request.responseText));
      let detail = "";
      try { ({ detail } = JSON.parse(request.responseText)); } catch {}
      reject(new Refused(detail ? sentence(detail) : `${file.name} could not be uploaded; try again.`));
    };
    request.onerror = () => reject(new Error(`${file.name} could not be uploaded: the connection is gone.`));
    request.onabort = request.onerror;
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
