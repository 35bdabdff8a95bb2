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

// The samples and the comparisons are pictures alone; a screen reader needs their names.
new MutationObserver(() => {
  document.querySelectorAll(".slider-wrap img[alt='']").forEach((picture) => {
    picture.alt = picture.classList.contains("fixed") ? "After: doubled" : "Before: bicubic";
  });
  document.querySelectorAll("#samples button:not([aria-label])").forEach((button) => {
    const file = button.querySelector("img")?.src.split("/").pop().split(".")[0];
    if (file) button.setAttribute("aria-label", `Double the sample: ${file}`);
  });
}).observe(document.documentElement, { childList: true, subtree: true });

// The page's language, for screen readers.
document.documentElement.lang = "en";

// A click in the comparison, not a drag of its slider, moves the loupe there.
let pressedAt = 0;
document.addEventListener("pointerdown", (event) => (pressedAt = event.clientX), true);
document.addEventListener("click", (event) => {
  const picture = document.querySelector("#slider .slider-wrap img");
  if (!picture || !event.target.closest("#slider .slider-wrap") || Math.abs(event.clientX - pressedAt) > 4) return;
  const shown = picture.getBoundingClientRect();
  const percent = (share) => Math.round(100 * Math.min(Math.max(share, 0), 1));
  window.clickedPlace = [
    percent((event.clientX - shown.left) / shown.width),
    percent((event.clientY - shown.top) / shown.height),
  ];
  document.querySelector("#clicked").click();
});
