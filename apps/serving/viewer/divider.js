// The divider between both halves of a view, a slider for assistive technology; it is dragged, or moved by keys.

const STEPS = {
  ArrowLeft: (share) => share - 0.02,
  ArrowDown: (share) => share - 0.02,
  ArrowRight: (share) => share + 0.02,
  ArrowUp: (share) => share + 0.02,
  PageDown: (share) => share - 0.1,
  PageUp: (share) => share + 0.1,
  Home: () => 0,
  End: () => 1,
};

class Divider {
  // changed(): called after each movement. signal: ends it.
  constructor(element, { changed, signal }) {
    Object.assign(this, { element, changed });
    this.share = 0.5; // of the view, left of it
    element.addEventListener("pointerdown", ({ pointerId }) => element.setPointerCapture(pointerId), { signal });
    element.addEventListener("pointermove", (event) => this.drag(event), { signal });
    element.addEventListener("keydown", (event) => this.press(event), { signal });
  }

  go(share) {
    this.share = Math.min(Math.max(share, 0), 1);
    this.element.parentElement.style.setProperty("--share", this.share);
    this.element.setAttribute("aria-valuenow", Math.round(100 * this.share));
    this.changed();
  }

  drag({ pointerId, clientX }) {
    if (!this.element.hasPointerCapture(pointerId)) return;
    const box = this.element.parentElement.getBoundingClientRect();
    this.go((clientX - box.left) / box.width);
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !STEPS[event.key]) return;
    event.preventDefault();
    this.go(STEPS[event.key](this.share));
  }
}
