// Files that a person gives: chosen, dropped anywhere on the page, pasted, or photographed.

function acceptFiles(desk, give) {
  const input = (name) => desk.querySelector(`#${name}`);
  const giveFolder = (files, unreadable) => give(...picturesOf(files, input("files").accept.split(","), unreadable));
  for (const name of ["files", "camera", "folder"]) {
    input(name).addEventListener("change", ({ target }) => {
      (name === "folder" ? giveFolder : give)([...target.files]);
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
    const { items, files } = event.dataTransfer;
    const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean); // gone after the first await
    const unreadable = [];
    if (entries.some((entry) => entry.isDirectory)) giveFolder((await Promise.all(entries.map((entry) => filesOf(entry, unreadable)))).flat(), unreadable);
    else if (files.length) give([...files]); // nothing is, for example, text
  });
}

// A folder's files that have one of the suffixes, and what is said of the others: sidecars are usual, each of which would
// be refused. Those that its owner does not see, such as .DS_Store, are not mentioned.
function picturesOf(files, suffixes, unreadable = []) {
  const seen = files.filter(({ name }) => !name.startsWith("."));
  const pictures = seen.filter(({ name }) => suffixes.some((suffix) => name.toLowerCase().endsWith(suffix)));
  const others = seen.length - pictures.length, sentences = [];
  if (others) sentences.push(others === 1 ? "1 file of another kind was passed over." : `${others} files of other kinds were passed over.`);
  if (!pictures.length && !unreadable.length) sentences.unshift("There is no picture in this folder; choose another one.");
  return [pictures, ...unreadable.map((name) => `${name} cannot be read; choose it again.`), ...sentences];
}

// The files of an entry of a drop; the names of those files and folders that cannot be read are added to `unreadable`.
async function filesOf(entry, unreadable) {
  const found = [];
  try {
    if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100 at a time
      if (!some.length) return found;
      found.push(...(await Promise.all(some.map((one) => filesOf(one, unreadable)))).flat());
    }
  } catch {
    if (!entry.name.startsWith(".")) unreadable.push(entry.name);
    return found;
  }
}
