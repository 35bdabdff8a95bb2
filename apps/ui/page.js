// A picture pasted anywhere on the page is put where files are chosen.
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
  const input = document.querySelector("#photos input[type=file]");
  if (!files.length || !input) return;
  const chosen = new DataTransfer();
  files.forEach((file) => chosen.items.add(file));
  input.files = chosen.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  event.preventDefault();
});
// The page's language, for screen readers.
document.documentElement.lang = "en";
