// What a screen reader needs: names for what has none.
const NAMES = { "#day button": "Open the calendar", "#plot summary": "Save the chart" };
new MutationObserver(() => {
  for (const [place, name] of Object.entries(NAMES)) {
    document.querySelectorAll(`${place}:not([aria-label])`).forEach((it) => it.setAttribute("aria-label", name));
  }
  if (document.querySelector("#loupe .pane:empty")) lookThere();
}).observe(document.documentElement, { childList: true, subtree: true });

// The loupe shows one place at full resolution, laid out of squares of the doubled picture, <row>_<column>.jpg.
function lookThere() {
  const loupe = document.querySelector("#loupe .loupe");
  if (!loupe) return;
  const share = (name) => loupe.querySelector(`[name=${name}]`).value / 100;
  for (const pane of loupe.querySelectorAll(".pane")) {
    const left = start(Number(loupe.dataset.wide), pane.clientWidth, share("across"));
    const top = start(Number(loupe.dataset.high), pane.clientHeight, share("down"));
    layOut(pane, `${loupe.dataset.squares}/${pane.dataset.name}`, left, top, loupe.dataset);
  }
}

// Where a view of a picture's side starts: around a share of it, and within it; in the middle if it is all seen.
function start(length, seen, share) {
  if (length <= seen) return Math.round((length - seen) / 2);
  return Math.round(Math.min(Math.max(length * share - seen / 2, 0), length - seen));
}

function layOut(pane, folder, left, top, { side, wide, high }) {
  const there = new Map([...pane.children].map((picture) => [picture.getAttribute("src"), picture]));
  const squares = [];
  for (const row of numbers(top, pane.clientHeight, high, side)) {
    for (const column of numbers(left, pane.clientWidth, wide, side)) {
      const address = `${folder}/${row}_${column}.jpg`;
      const picture = there.get(address) ?? Object.assign(new Image(), { alt: "" });
      if (!there.has(address)) picture.setAttribute("src", address);
      picture.style.transform = `translate(${column * side - left}px, ${row * side - top}px)`;
      squares.push(picture);
    }
  }
  pane.replaceChildren(...squares);
}

// The numbers of the squares that a view touches along one side of the picture.
function numbers(from, seen, length, side) {
  const first = Math.max(Math.floor(from / side), 0);
  const last = Math.floor((Math.min(from + seen, length) - 1) / side);
  return Array.from({ length: last - first + 1 }, (_, n) => first + n);
}

window.addEventListener("resize", lookThere);
document.addEventListener("input", (event) => {
  if (event.target.closest?.("#loupe")) lookThere();
});

// A place chosen in the comparison moves the loupe there.
document.addEventListener("placechosen", ({ detail }) => {
  document.querySelector("#loupe [name=across]").value = 100 * detail.across;
  document.querySelector("#loupe [name=down]").value = 100 * detail.down;
  lookThere();
  document.querySelector("#loupe").scrollIntoView({ block: "nearest", behavior: "smooth" });
});
