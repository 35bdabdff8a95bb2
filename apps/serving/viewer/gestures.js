// Pointers and the wheel move and zoom a view. Of one finger, the browser takes vertical swipes, to scroll the page.

const TAP = 6; // CSS pixels that a pointer may move
const DOUBLE = { milliseconds: 350, pixels: 30 }; // at most between two taps
const FLICK = 120; // milliseconds that a picture moves on at the speed it was let go
const LET_GO = 50; // milliseconds between the last movement and lifting that make a flick
const PAUSE = 400; // milliseconds after which the wheel no longer belongs to scrolling of the page
const NOTCH = 0.0022; // logarithm of the zoom, for each pixel of the wheel
const TOUCHPAD_PINCH = 4; // times as much: its pixels are few
const LINE = 33; // pixels
const SMOOTH = 30; // pixels of the wheel from which a movement is not continuous already

class Gestures {
  // canvas: shows `view`. changed(): called after each change. tapped(share): called after a single tap, with its share
  // of the width. signal: ends all.
  constructor(canvas, view, { changed, tapped, signal }) {
    Object.assign(this, { canvas, view, changed, tapped });
    this.pointers = new Map(); // places by id
    this.travel = { x: 0, y: 0 }; // CSS pixels since the first pointer was put down
    this.isPinch = false;
    this.speed = { x: 0, y: 0, time: 0 };
    this.last = { time: -Infinity }; // tap
    this.scrolled = -Infinity; // time when the wheel scrolled the page
    canvas.addEventListener("pointerdown", (event) => this.down(event), { signal });
    canvas.addEventListener("pointermove", (event) => this.move(event), { signal });
    canvas.addEventListener("pointerup", (event) => this.up(event), { signal });
    canvas.addEventListener("pointercancel", (event) => this.pointers.delete(event.pointerId), { signal });
    document.addEventListener("wheel", (event) => this.turn(event), { passive: false, signal });
  }

  // Screen pixels per CSS pixel.
  get ratio() {
    return this.canvas.width / this.canvas.clientWidth;
  }

  // The place of an event in the view, in screen pixels.
  place({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    return { x: (clientX - box.left) * this.ratio, y: (clientY - box.top) * this.ratio };
  }

  // The middle of all pointers, and how far they are from it.
  middle() {
    const points = [...this.pointers.values()];
    const mean = (axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
    const [x, y] = [mean("x"), mean("y")];
    return { x, y, spread: Math.hypot(points[0].x - x, points[0].y - y) };
  }

  down(event) {
    if (event.button !== 0) return;
    if (!this.pointers.size) [this.travel, this.isPinch] = [{ x: 0, y: 0 }, false];
    this.pointers.set(event.pointerId, this.place(event));
    this.canvas.setPointerCapture(event.pointerId);
    this.isPinch ||= this.pointers.size > 1;
  }

  move(event) {
    if (!this.pointers.has(event.pointerId)) return;
    const before = this.middle();
    this.pointers.set(event.pointerId, this.place(event));
    const after = this.middle();
    const [right, below] = [after.x - before.x, after.y - before.y];
    this.travel.x += Math.abs(right) / this.ratio;
    this.travel.y += Math.abs(below) / this.ratio;
    if (!this.isDrag(event.pointerType)) return;
    this.view.go(this.view.moved(right, below), false);
    if (before.spread > 0) this.view.go(this.view.zoomed(after.spread / before.spread, after.x, after.y), false);
    const elapsed = Math.max(event.timeStamp - this.speed.time, 1);
    this.speed = { x: right / elapsed, y: below / elapsed, time: event.timeStamp };
    this.changed();
  }

  // Before the browser takes a vertical swipe, it lets some of it through.
  isDrag(pointerType) {
    const isScroll = pointerType === "touch" && !document.fullscreenElement;
    return this.isPinch || this.travel.x + (isScroll ? 0 : this.travel.y) >= TAP;
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId) || this.pointers.size) return;
    if (this.isPinch) this.view.settle();
    else if (this.travel.x + this.travel.y < TAP) this.tap(event);
    else if (event.timeStamp - this.speed.time < LET_GO) this.flick();
    this.changed();
  }

  flick() {
    const { x, y } = this.speed;
    if (!still.matches) this.view.go(this.view.moved(x * FLICK, y * FLICK));
  }

  tap(event) {
    const { x, y } = this.place(event);
    const { time, waiting } = this.last;
    const distance = Math.hypot(x - this.last.x, y - this.last.y) / this.ratio;
    clearTimeout(waiting);
    if (event.timeStamp - time < DOUBLE.milliseconds && distance < DOUBLE.pixels) {
      this.last = { time: -Infinity };
      this.view.go(this.view.closer(x, y));
    } else {
      const call = () => this.tapped(x / this.canvas.width);
      this.last = { x, y, time: event.timeStamp, waiting: setTimeout(call, DOUBLE.milliseconds) };
    }
  }

  // The wheel zooms about the pointer, unless it is scrolling the page past the view.
  turn(event) {
    const isInside = event.composedPath().includes(this.canvas.parentElement);
    if (!isInside || (!event.ctrlKey && event.timeStamp - this.scrolled < PAUSE)) {
      this.scrolled = event.timeStamp;
      return;
    }
    event.preventDefault();
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * LINE;
    const { x, y } = this.place(event);
    const times = Math.exp(-pixels * NOTCH * (event.ctrlKey ? TOUCHPAD_PINCH : 1));
    this.view.go(this.view.zoomed(times, x, y), Math.abs(pixels) > SMOOTH);
    this.changed();
  }
}
