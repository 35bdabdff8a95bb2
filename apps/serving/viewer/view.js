// The part of a picture that is in view, within bounds, and its movement to another one.

const DURATION = 180; // milliseconds
const MOST_SCALE = 8; // screen pixels per pixel
const ROUNDING = 1e-3; // of scales
const NEARLY_EXACT = 0.05; // of the scale at which fingers are lifted
const still = matchMedia("(prefers-reduced-motion: reduce)");

// Places are { x, y, scale }: the picture's point in the middle of the view, and its pixels' size in screen pixels.
class View {
  constructor(size) {
    this.size = size;
    this.width = this.height = 0;
    this.from = this.now = this.target = { x: size.width / 2, y: size.height / 2, scale: 1 };
    this.began = null;
  }

  get fit() {
    return Math.min(this.width / this.size.width, this.height / this.size.height);
  }

  get isMoving() {
    return this.began !== null;
  }

  get isWhole() {
    return this.target.scale <= this.fit * (1 + ROUNDING);
  }

  // The place of the picture's corner, on whole pixels where its pixels are whole, and its pixels' size.
  get frame() {
    const { x, y, scale } = this.now;
    const [left, top] = [this.width / 2 - x * scale, this.height / 2 - y * scale];
    return scale % 1 ? { left, top, scale } : { left: Math.round(left), top: Math.round(top), scale };
  }

  resize(width, height) {
    Object.assign(this, { width, height });
    this.go(this.target, false);
  }

  whole() {
    return { x: this.size.width / 2, y: this.size.height / 2, scale: this.fit };
  }

  moved(right, down) {
    const { x, y, scale } = this.target;
    return { x: x - right / scale, y: y - down / scale, scale };
  }

  // The place after zooming about a point of the view, in screen pixels.
  zoomed(times, left = this.width / 2, top = this.height / 2) {
    const { x, y, scale } = this.target;
    const zoomed = this.inBounds(scale * times);
    const shift = 1 / scale - 1 / zoomed;
    return { x: x + (left - this.width / 2) * shift, y: y + (top - this.height / 2) * shift, scale: zoomed };
  }

  // The place that a double tap leads to: from the whole picture to its pixels, to twice their size, and back.
  closer(left, top) {
    const { scale } = this.target;
    if (scale >= 2) return this.whole();
    return this.zoomed((scale < 1 ? 1 : 2) / scale, left, top);
  }

  go(place, isSmooth = true) {
    const scale = this.inBounds(place.scale);
    const [x, y] = [this.inside(place.x, scale, "width"), this.inside(place.y, scale, "height")];
    this.target = { x, y, scale };
    const moves = isSmooth && !still.matches && this.width > 0;
    [this.from, this.began] = moves ? [this.now, performance.now()] : [this.target, null];
    if (!moves) this.now = this.target;
  }

  // Make pixels that almost have the screen's size have exactly this one.
  settle() {
    if (Math.abs(this.target.scale - 1) < NEARLY_EXACT) this.go({ ...this.target, scale: 1 }, false);
  }

  // Move on to the target; points that keep their place on the screen keep it all the way.
  step(time) {
    if (!this.isMoving) return;
    const share = Math.min(Math.max((time - this.began) / DURATION, 0), 1);
    if (share === 1) {
      [this.now, this.began] = [this.target, null];
      return;
    }
    const eased = 1 - (1 - share) ** 3;
    const { from, target } = this;
    const scale = from.scale * (target.scale / from.scale) ** eased;
    const isZooming = Math.abs(target.scale / from.scale - 1) > ROUNDING;
    const done = isZooming ? (1 / scale - 1 / from.scale) / (1 / target.scale - 1 / from.scale) : eased;
    this.now = { x: from.x + (target.x - from.x) * done, y: from.y + (target.y - from.y) * done, scale };
  }

  inBounds(scale) {
    if (Math.abs(scale - 1) < ROUNDING) return 1;
    return Math.min(Math.max(scale, Math.min(this.fit, 1)), Math.max(this.fit, MOST_SCALE));
  }

  inside(middle, scale, side) {
    const half = this[side] / 2 / scale;
    const length = this.size[side];
    return 2 * half >= length ? length / 2 : Math.min(Math.max(middle, half), length - half);
  }
}
