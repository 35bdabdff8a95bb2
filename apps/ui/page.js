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

// The samples are pictures alone; a screen reader needs their names.
new MutationObserver(() => {
  document.querySelectorAll("#samples button:not([aria-label])").forEach((button) => {
    const file = button.querySelector("img")?.src.split("/").pop().split(".")[0];
    if (file) button.setAttribute("aria-label", `Double the sample: ${file}`);
  });
}).observe(document.documentElement, { childList: true, subtree: true });

// A place chosen in the comparison moves the loupe there.
document.addEventListener("placechosen", ({ detail }) => {
  window.clickedPlace = [Math.round(100 * detail.across), Math.round(100 * detail.down)];
  document.querySelector("#clicked").click();
});
