// The element <photo-comparison>: two pictures on one canvas. Its inside is a shadow root, which Gradio neither styles
// nor resets when it changes the page's HTML in place.
/* global INSIDE, STYLES -- viewer.html and viewer.css, put before this by markup.py */

const STEP = Math.SQRT2; // of the zoom, by keys and buttons
const PAN = 1 / 6; // of the view, by keys
const SQUARE = 8; // CSS pixels of the pattern under transparent pictures
const SHADES = ["#ffffff", "#c8c8c8"];
const TROUBLE = "Some of the picture is not loading: no connection, or it is deleted by now.";
const PAN_KEYS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const KEYS = { "+": "in", "=": "in", "-": "out", 0: "fit", 1: "exact" };

// A length in screen pixels, as the browser rounds it; Safari does not tell, and emulators of phones tell CSS pixels.
function screenPixels(css, told) {
  const exact = css * devicePixelRatio;
  return Math.abs(told - exact) < 1 ? told : Math.round(exact);
}

class PhotoComparison extends HTMLElement {
  static observedAttributes = ["data-address"];

  constructor() {
    super();
    this.root = this.attachShadow({ mode: "open" });
  }

  connectedCallback() {
    this.root.innerHTML = `<style>${STYLES}</style>${INSIDE}`;
    this.ended = new AbortController();
    this.canvas = this.root.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    this.readData();
    this.isSwapped = this.isHeld = this.isBicubic = false;
    this.listen();
    this.watchSize();
  }

  disconnectedCallback() {
    this.ended.abort();
    this.watcher.disconnect();
    cancelAnimationFrame(this.asked);
    [...this.pictures, this.bicubic].forEach((shown) => shown.end());
    this.canvas.width = this.canvas.height = 0; // frees its memory at once
  }

  // Gradio may turn one viewer's element into another's; this is called in the middle of that.
  attributeChangedCallback(_name, before) {
    if (before === null) return;
    queueMicrotask(() => {
      if (!this.isConnected) return;
      this.disconnectedCallback();
      this.connectedCallback();
    });
  }

  readData() {
    const { address, suffix, tile, size, doubledSize, spot, transparent } = this.dataset;
    const pair = (text) => text.split(" ").map(Number);
    const pyramid = (name, [width, height]) =>
      new Pyramid(`${address}/${name}`, suffix, Number(tile), { width, height }, () => this.redraw());
    this.pictures = [pyramid("original", pair(size)), pyramid("upscaled", pair(doubledSize))];
    this.bicubic = new Bicubic(this.pictures[0], () => this.redraw());
    this.isTransparent = transparent === "true";
    this.view = new View(this.pictures[1].size);
    const [across, down] = pair(spot);
    this.spot = { x: across * this.view.size.width, y: down * this.view.size.height, scale: 1 };
    this.view.go(this.spot, false);
  }

  listen() {
    const { signal } = this.ended;
    const changed = () => this.redraw();
    this.divider = new Divider(this.root.querySelector(".divider"), { changed, signal });
    new Gestures(this.canvas, this.view, { changed, tapped: (share) => this.divider.go(share), signal });
    this.root.addEventListener("click", ({ target }) => this.act(target.closest("button")?.dataset.does), { signal });
    this.root.addEventListener("keydown", (event) => this.press(event), { signal });
    this.root.addEventListener("keyup", ({ key }) => key === " " && this.hold(false), { signal });
    this.root.addEventListener("focusout", () => this.hold(false), { signal });
    this.root.querySelector("[data-does=fill]").hidden = !document.fullscreenEnabled;
  }

  watchSize() {
    this.watcher = new ResizeObserver(([entry]) => {
      const [css, screen] = [entry.contentBoxSize[0], entry.devicePixelContentBoxSize?.[0]];
      this.canvas.width = screenPixels(css.inlineSize, screen?.inlineSize);
      this.canvas.height = screenPixels(css.blockSize, screen?.blockSize);
      this.view.resize(this.canvas.width, this.canvas.height);
      this.draw(performance.now());
    });
    try {
      this.watcher.observe(this.canvas, { box: "device-pixel-content-box" });
    } catch {
      this.watcher.observe(this.canvas); // Safari
    }
  }

  act(what) {
    const { view } = this;
    const acts = {
      fit: () => view.go(view.whole()),
      exact: () => view.go(view.isWhole ? this.spot : { ...view.target, scale: 1 }),
      in: () => view.go(view.zoomed(STEP)),
      out: () => view.go(view.zoomed(1 / STEP)),
      bicubic: () => this.interpolate(!this.isBicubic),
      swap: () => this.swap(!this.isSwapped),
      fill: () => (document.fullscreenElement ? document.exitFullscreen() : this.requestFullscreen()),
    };
    acts[what]?.();
    this.redraw();
  }

  press(event) {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || target.closest("button")) return;
    if (PAN_KEYS[key]) this.pan(...PAN_KEYS[key]);
    else if (KEYS[key]) this.act(KEYS[key]);
    else if (key === " ") event.repeat || this.hold(true);
    else return;
    event.preventDefault();
  }

  pan(right, down) {
    const { view } = this;
    view.go(view.moved(right * PAN * view.width, down * PAN * view.height));
    this.redraw();
  }

  // Show each half's other picture while a key is held.
  hold(isHeld) {
    if (isHeld !== this.isHeld) this.swap(!this.isSwapped);
    this.isHeld = isHeld;
  }

  swap(isSwapped) {
    this.isSwapped = isSwapped;
    this.root.querySelector("[data-does=swap]").setAttribute("aria-pressed", isSwapped);
    const names = this.root.querySelectorAll(".name");
    const texts = [...names].map((name) => name.textContent);
    names.forEach((name, n) => (name.textContent = texts[1 - n]));
    this.redraw();
  }

  interpolate(isBicubic) {
    this.isBicubic = isBicubic;
    this.root.querySelector("[data-does=bicubic]").setAttribute("aria-pressed", isBicubic);
  }

  redraw() {
    cancelAnimationFrame(this.asked);
    this.asked = requestAnimationFrame((time) => this.draw(time));
  }

  draw(time) {
    const { canvas, context, view } = this;
    if (!canvas.width || !canvas.height) return;
    view.step(time);
    const { left, top, scale } = view.frame;
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (this.isTransparent) this.drawPattern(left, top, scale);
    const edge = Math.round(this.divider.share * canvas.width);
    const halves = this.isSwapped ? this.pictures.toReversed() : this.pictures;
    this.drawHalf(halves[0], { left, top, scale }, 0, edge);
    this.drawHalf(halves[1], { left, top, scale }, edge, canvas.width);
    this.tell();
    if (view.isMoving) this.redraw();
  }

  drawHalf(picture, { left, top, scale }, from, to) {
    const { canvas, context } = this;
    const frame = { left, top, scale: (scale * this.view.size.width) / picture.size.width };
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, canvas.height);
    context.clip();
    const isBicubic = this.isBicubic && picture === this.pictures[0];
    if (!isBicubic || !this.bicubic.draw(context, frame, from, to)) picture.draw(context, frame, from, to);
    context.restore();
    picture.load(frame, canvas.width, canvas.height);
  }

  drawPattern(left, top, scale) {
    const side = Math.round((SQUARE * this.canvas.width) / this.canvas.clientWidth);
    const square = new OffscreenCanvas(2 * side, 2 * side);
    const painter = square.getContext("2d");
    SHADES.forEach((shade, n) => {
      painter.fillStyle = shade;
      painter.fillRect(n * side, 0, side, side);
      painter.fillRect((1 - n) * side, side, side, side);
    });
    this.context.fillStyle = this.context.createPattern(square, "repeat");
    this.context.fillRect(left, top, this.view.size.width * scale, this.view.size.height * scale);
  }

  // Write the zoom once it is reached, and what does not load.
  tell() {
    const write = (element, text) => element.textContent === text || (element.textContent = text);
    const { isMoving, now } = this.view;
    if (!isMoving) write(this.root.querySelector("output"), `${Math.round(100 * now.scale)} %`);
    write(this.root.querySelector(".trouble"), this.pictures.some((picture) => picture.fails) ? TROUBLE : "");
    const isLoading = this.bicubic.waiting !== null || this.pictures.some((picture) => picture.loading.size);
    this.canvas.setAttribute("aria-busy", isMoving || isLoading);
  }
}

customElements.define("photo-comparison", PhotoComparison);
