// Files that a person gives: chosen, dropped anywhere on the page, pasted, or photographed.

function acceptFiles(desk, give) {
  const input = (name) => desk.querySelector(`#${name}`);
  for (const name of ["files", "camera", "folder"]) {
    input(name).addEventListener("change", ({ target }) => {
      give(name === "folder" ? visible([...target.files]) : [...target.files]);
      target.value = ""; // so that the same file can be chosen again
    });
  }
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) event.preventDefault(), give(files);
  });
  let inside = 0; // nested elements send pairs of enter and leave
  const over = (change) => desk.classList.toggle("over", (inside = Math.max(inside + change, 0)) > 0);
  document.addEventListener("dragenter", () => over(1));
  document.addEventListener("dragleave", () => over(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", async (event) => {
    event.preventDefault(); // otherwise the browser would open the photo
    over(-Infinity);
    const files = await dropped(event.dataTransfer);
    if (files) give(files);
  });
}

// Files of a folder that its owner does not see, such as .DS_Store, are not meant.
const visible = (files) => files.filter(({ name }) => !name.startsWith("."));

// Files of a drop; null for one without any, such as text.
async function dropped({ items, files }) {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean); // gone after the first await
  if (!entries.some((entry) => entry.isDirectory)) return files.length ? [...files] : null;
  return visible((await Promise.all(entries.map(filesOf))).flat());
}

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100 at a time
    if (!some.length) return found;
    found.push(...(await Promise.all(some.map(filesOf))).flat());
  }
}
