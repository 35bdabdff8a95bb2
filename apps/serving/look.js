// What a screen reader needs: the page's language, and names for the pictures that are compared.
document.documentElement.lang = "en";
new MutationObserver(() => {
  document.querySelectorAll(".slider-wrap img[alt='']").forEach((picture) => {
    picture.alt = picture.classList.contains("fixed") ? "After: doubled" : "Before: bicubic";
  });
}).observe(document.documentElement, { childList: true, subtree: true });

// A click in the comparison, not a drag of its slider, tells the page the place: shares of width and height, 0 to 1.
let pressedAt = 0;
document.addEventListener("pointerdown", (event) => (pressedAt = event.clientX), true);
document.addEventListener("click", (event) => {
  const picture = document.querySelector("#slider .slider-wrap img");
  if (!picture || !event.target.closest("#slider .slider-wrap") || Math.abs(event.clientX - pressedAt) > 4) return;
  const shown = picture.getBoundingClientRect();
  const share = (offset, length) => Math.min(Math.max(offset / length, 0), 1);
  const across = share(event.clientX - shown.left, shown.width);
  const down = share(event.clientY - shown.top, shown.height);
  document.dispatchEvent(new CustomEvent("placechosen", { detail: { across, down } }));
});
