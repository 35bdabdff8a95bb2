// The day that the page shows is in its address: "#2026-11-27", "#after-2026-11-27" for the next one, nothing for the
// newest. All ways to another day change the address, and only this script tells the server.
const POLL_INTERVAL = 60_000, SPEAK_INTERVAL = 10_000, TYPING = 700; // milliseconds

window.startNavigation = (element, trigger) => {
  const asked = () => location.hash.slice(1);
  const show = () => trigger("submit", { day: asked(), shown: shownDay() });
  const poll = () => document.hidden || trigger("tick", { day: asked(), shown: shownDay() });
  window.addEventListener("hashchange", show);
  document.addEventListener("click", (event) => event.defaultPrevented || dayOf(event.target) !== asked() || show());
  document.addEventListener("click", ({ target }) => target.closest("#status a[href^='#']") && followStatus());
  document.addEventListener("visibilitychange", poll);
  setInterval(poll, POLL_INTERVAL);
  element.querySelector(".refresh").addEventListener("click", () => {
    if (location.hash) history.pushState(null, "", location.pathname + location.search);
    trigger("click");
  });
  listenToPicker(element.querySelector("[name=day]"), asked, show);
  show();
};

// The day that a link leads to. If the address has it already, because it failed, the browser does not go there again.
const dayOf = (target) => target.closest("a[href^='#']")?.getAttribute("href").slice(1);

// The picked day is shown at once: on Enter, or when the picker has rested, because its arrow keys pass other days.
function listenToPicker(picker, asked, show) {
  let timer;
  const go = () => {
    clearTimeout(timer);
    const { value, validity } = picker, isThere = value === shownDay() && (!asked() || value === asked());
    if (!value || !validity.valid || isThere) return;
    if (value === asked()) show();
    else location.hash = value;
  };
  picker.addEventListener("change", () => {
    clearTimeout(timer);
    timer = setTimeout(go, TYPING);
  });
  picker.addEventListener("keydown", ({ key }) => {
    if (key === "Enter") go();
    if (key !== "Escape") return;
    clearTimeout(timer);
    picker.value = shownDay();
  });
}

// A day that is chosen in the status line takes its link away with the line: the heading that names it has the focus.
function followStatus() {
  const heading = document.querySelector("#heading");
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

const shownDay = () => document.querySelector("#strip .days")?.dataset.shown ?? "";

// The server writes into the strip which days the navigation leads to.
function updateNavigation() {
  const days = document.querySelector("#strip .days"), picker = document.querySelector("#navigation [name=day]");
  if (!days || !picker) return;
  const { shown, previous, next, today } = days.dataset;
  picker.max = today;
  if (document.activeElement !== picker || !picker.value) picker.value = shown;
  lead("prev", previous);
  lead("next", next);
  if (location.hash.startsWith("#after-") && shown > location.hash.slice(7)) history.replaceState(null, "", `#${shown}`);
}

// Without an address it has its tabindex, so that a press that leads to the last day does not lose the focus.
function lead(rel, day) {
  const step = document.querySelector(`#navigation [rel=${rel}]`);
  step.toggleAttribute("href", Boolean(day));
  if (day) step.href = `#${day}`;
  step.setAttribute("aria-disabled", String(!day));
}

// The status line, in which seconds tick, is not a live region; this repeats it for screen readers, seldom.
let spokenAt = 0, askedAt = 0;
function speak() {
  const status = document.querySelector("#status .prose"), spoken = document.querySelector("#navigation .spoken");
  if (!status || !spoken) return;
  const ticks = status.querySelector("progress, .asking"), text = status.innerText.trim();
  if (text === spoken.textContent || (ticks && Date.now() - spokenAt < SPEAK_INTERVAL)) return;
  [spoken.textContent, spokenAt] = [text, Date.now()];
}

function tick() {
  const asking = document.querySelector("#status .asking");
  askedAt = asking ? askedAt || Date.now() : 0;
  const seconds = Math.floor((Date.now() - askedAt) / 1000);
  if (asking && seconds >= 3) asking.textContent = `Asking NASA… ${seconds} s`;
  speak();
}
setInterval(tick, 1000);

new MutationObserver((changes) => {
  const within = (place) => changes.some(({ target }) => target.parentElement?.closest(place) || target.id === place.slice(1));
  if (within("#strip")) updateNavigation();
  if (within("#status")) speak();
}).observe(document.documentElement, {
  childList: true,
  subtree: true,
  characterData: true,
  attributeFilter: ["data-shown", "data-previous", "data-next", "data-today"], // Gradio changes what differs only
});
