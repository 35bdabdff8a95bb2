// Bicubic enlargement of what is in view, by Keys' kernel with a = -0.5, as Pillow does it. Browsers have no filter that
// is the same in all of them.

const NEIGHBOURS = [-1, 0, 1, 2];
const REST = 80; // milliseconds without a change, after which enlarging may take a blink

// A picture that is enlarged again whenever its view rests.
class Bicubic {
  constructor(picture, changed) {
    Object.assign(this, { picture, changed });
    this.painter = document.createElement("canvas").getContext("2d");
    this.made = this.asked = ""; // views
    this.waiting = null;
  }

  // Draw columns of a view, if it was made; otherwise ask for it and return false.
  draw(context, frame, from, to) {
    const { width, height } = context.canvas;
    const view = JSON.stringify([frame, width, height, this.picture.loaded]);
    if (frame.scale <= 1) return false;
    if (view !== this.asked) this.ask(view, frame, width, height);
    if (view !== this.made) return false;
    context.drawImage(this.painter.canvas, from, 0, to - from, height, from, 0, to - from, height);
    return true;
  }

  ask(view, frame, width, height) {
    this.asked = view;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => {
      this.make(frame, width, height);
      [this.made, this.waiting] = [view, null];
      this.changed();
    }, REST);
  }

  make(frame, width, height) {
    const { image, corner } = this.picture.read(frame, width, height);
    Object.assign(this.painter.canvas, { width, height });
    const { left, top, scale } = frame;
    const inside = [left, top, this.picture.size.width * scale, this.picture.size.height * scale];
    this.painter.putImageData(enlarged(image, width, height, corner), 0, 0, ...inside.map(Math.round));
  }

  end() {
    clearTimeout(this.waiting);
  }
}

function keys(distance) {
  const x = Math.abs(distance);
  if (x <= 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

// For each of `length` pixels: the four pixels of a line of `limit` that make it, and their weights; 0 outside.
// start: the place of the line's first pixel. scale: pixels per pixel of the line.
function taps(length, start, scale, limit) {
  const [places, weights] = [new Int32Array(4 * length), new Float32Array(4 * length)];
  for (let n = 0; n < length; n++) {
    const place = (n + 0.5 - start) / scale - 0.5;
    const first = Math.floor(place);
    const isInside = (step) => first + step >= 0 && first + step < limit;
    const shares = NEIGHBOURS.map((step) => (isInside(step) ? keys(place - first - step) : 0));
    const sum = shares.reduce((one, other) => one + other);
    NEIGHBOURS.forEach((step, tap) => {
      places[4 * n + tap] = Math.min(Math.max(first + step, 0), limit - 1);
      weights[4 * n + tap] = shares[tap] / sum;
    });
  }
  return { places, weights };
}

// Enlarge an ImageData to `width` and `height`. frame: { left, top, scale }, the place of its corner and of its pixels.
function enlarged(image, width, height, { left, top, scale }) {
  const wide = widened(image, taps(width, left, scale, image.width), width);
  return heightened(wide, taps(height, top, scale, image.height), width, height);
}

// The bytes of an ImageData, enlarged across: they are rounded, as Pillow does it between both directions.
function widened(image, { places, weights }, width) {
  const wide = new Uint8ClampedArray(4 * width * image.height);
  for (let y = 0, at = 0; y < image.height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 4; channel++, at++) {
        let sum = 0;
        for (let tap = 4 * x; tap < 4 * x + 4; tap++) {
          sum += weights[tap] * image.data[4 * (y * image.width + places[tap]) + channel];
        }
        wide[at] = sum;
      }
    }
  }
  return wide;
}

function heightened(wide, { places, weights }, width, height) {
  const result = new ImageData(width, height);
  const line = 4 * width;
  for (let y = 0, at = 0; y < height; y++) {
    const [a, b, c, d] = places.subarray(4 * y, 4 * y + 4).map((row) => row * line);
    const [e, f, g, h] = weights.subarray(4 * y, 4 * y + 4);
    for (let x = 0; x < line; x++, at++) {
      result.data[at] = e * wide[a + x] + f * wide[b + x] + g * wide[c + x] + h * wide[d + x];
    }
  }
  return result;
}
