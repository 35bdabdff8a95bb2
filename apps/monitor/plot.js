// The point that a mouse or a finger is nearest to, or that has the focus, is named below the plot by a link to its day.
const pointsOfPlot = () => [...document.querySelectorAll("#measured .points a")];
const withinPlot = ({ target }) => target.closest?.("#measured .plane");

function choosePoint(point) {
  const chosen = document.querySelector("#measured .chosen");
  pointsOfPlot().forEach((other) => (other.tabIndex = other === point ? 0 : -1));
  [chosen.href, chosen.textContent] = [point.getAttribute("href"), point.getAttribute("aria-label")];
}

function pointAt(event) {
  if (!withinPlot(event)) return;
  const distance = (point) => {
    const { left, top, width, height } = point.getBoundingClientRect();
    return Math.hypot(left + width / 2 - event.clientX, top + height / 2 - event.clientY);
  };
  choosePoint(pointsOfPlot().map((point) => [distance(point), point]).sort(([a], [b]) => a - b)[0][1]);
}
document.addEventListener("pointermove", pointAt);
document.addEventListener("pointerdown", pointAt);

// A finger covers many points, so that it only chooses one; a mouse need not hit its point exactly.
document.addEventListener("click", (event) => {
  if (!withinPlot(event) || !event.detail) return; // no detail: the Enter key
  if (event.pointerType === "touch") event.preventDefault();
  else if (!event.target.closest("a")) document.querySelector("#measured .chosen").click();
});

document.addEventListener("focusin", (event) => {
  if (withinPlot(event)) choosePoint(event.target);
});

document.addEventListener("keydown", (event) => {
  if (!withinPlot(event)) return;
  const points = pointsOfPlot(), last = points.length - 1, place = points.indexOf(event.target);
  const next = { ArrowLeft: Math.max(place - 1, 0), ArrowRight: Math.min(place + 1, last), Home: 0, End: last }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  points[next].focus();
});
