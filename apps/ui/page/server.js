// The server's interface: batches of pictures, by their id.

class Refused extends Error {}

async function asked(address, options = {}) {
  const response = await fetch(address, options);
  if (response.ok) return response.status === 204 ? null : response.json();
  const { detail } = await response.json().catch(() => ({}));
  if (!detail) throw new Error("This did not work; try again in a minute."); // of something between, such as a proxy
  throw new Refused(sentence(detail));
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

// Uploads a file; `progress` gets the share done. Tries again while the connection is gone.
async function upload(id, file, progress, signal, tries = 6) {
  for (let n = 0; ; n++) {
    try {
      return await sent(`work/${id}?name=${encodeURIComponent(file.name)}`, file, progress, signal);
    } catch (error) {
      if (error instanceof Refused || signal.aborted || n === tries) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * 2 ** n));
    }
  }
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
