// Pointers and the wheel move and zoom a view. Of one finger, the browser takes vertical swipes, to scroll the page.

const TAP = 6; // CSS pixels that a pointer may move
const DOUBLE = { milliseconds: 350, pixels: 30 };
const FLICK = 120; // milliseconds that a picture moves on at the speed it was let go
const PAUSE = 400; // milliseconds after which the wheel no longer belongs to scrolling of the page
const NOTCH = 0.0022; // logarithm of the zoom, for each pixel of the wheel
const LINE = 33; // pixels, as browsers that scroll by pages or lines count them

// canvas: shows `view`. ratio(): screen pixels per CSS pixel. changed(): called after each change.
// tapped(x): called with a tap's share of the width. signal: ends it.
function listenToPointers(canvas, view, { ratio, changed, tapped, signal }) {
  const pointers = new Map();
  let travel = 0; // CSS pixels of all pointers since the first was put down
  let pinched = false;
  let last = { time: -Infinity };
  let speed = { x: 0, y: 0, time: 0 };

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const middle = () => {
    const points = [...pointers.values()];
    const mean = (axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
    const [x, y] = [mean("x"), mean("y")];
    return { x, y, spread: Math.hypot(points[0].x - x, points[0].y - y) };
  };

  const down = (event) => {
    if (event.button !== 0) return;
    if (!pointers.size) [travel, pinched] = [0, false];
    pointers.set(event.pointerId, place(event));
    canvas.setPointerCapture(event.pointerId);
    if (pointers.size > 1) pinched = true;
  };

  const move = (event) => {
    if (!pointers.has(event.pointerId)) return;
    const before = middle();
    pointers.set(event.pointerId, place(event));
    const after = middle();
    const [right, below] = [after.x - before.x, after.y - before.y];
    travel += Math.hypot(right, below);
    if (travel < TAP && !pinched) return;
    view.go(view.moved(right * ratio(), below * ratio()), false);
    if (pinched && pointers.size > 1 && before.spread > 0) {
      view.go(view.zoomed(after.spread / before.spread, after.x * ratio(), after.y * ratio()), false);
    }
    const elapsed = Math.max(event.timeStamp - speed.time, 1);
    speed = { x: right / elapsed, y: below / elapsed, time: event.timeStamp };
    changed();
  };

  const up = (event) => {
    if (!pointers.delete(event.pointerId) || pointers.size) return;
    if (pinched) view.settle();
    else if (travel < TAP) tap(event);
    else if (event.timeStamp - speed.time < 50) {
      view.go(view.moved(speed.x * FLICK * ratio(), speed.y * FLICK * ratio()));
    }
    changed();
  };

  const tap = (event) => {
    const { x, y } = place(event);
    const isSecond =
      event.timeStamp - last.time < DOUBLE.milliseconds && Math.hypot(x - last.x, y - last.y) < DOUBLE.pixels;
    last = isSecond ? { time: -Infinity } : { x, y, time: event.timeStamp };
    if (isSecond) view.go(view.closer(x * ratio(), y * ratio()));
    else tapped(x / canvas.clientWidth);
  };

  canvas.addEventListener("pointerdown", down, { signal });
  canvas.addEventListener("pointermove", move, { signal });
  canvas.addEventListener("pointerup", up, { signal });
  canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId), { signal });
}

// The wheel zooms about the pointer, unless it is scrolling the page past the view.
function listenToWheel(canvas, view, { ratio, changed, signal }) {
  let scrolled = -Infinity;
  const turn = (event) => {
    const isInside = event.composedPath().includes(canvas);
    if (!isInside || (!event.ctrlKey && event.timeStamp - scrolled < PAUSE)) {
      scrolled = event.timeStamp;
      return;
    }
    event.preventDefault();
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * LINE;
    const box = canvas.getBoundingClientRect();
    const times = Math.exp(-pixels * NOTCH * (event.ctrlKey ? 4 : 1)); // a pinch on a touchpad has small numbers
    const [x, y] = [(event.clientX - box.left) * ratio(), (event.clientY - box.top) * ratio()];
    view.go(view.zoomed(times, x, y), Math.abs(pixels) > 30);
    changed();
  };
  document.addEventListener("wheel", turn, { passive: false, signal });
}
