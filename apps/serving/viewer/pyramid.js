// A picture made of tiles in levels that halve its size; those in view are loaded and drawn.

const REQUESTS = 6; // at once, for each picture
const KEPT = 64; // tiles out of view, 1 MB each
const RETRY = 3000; // milliseconds
const MARGIN = 2; // pixels that bicubic interpolation needs

class Pyramid {
  // address: of the folder of levels. size: { width, height }. changed: called when there is more to draw.
  constructor(address, suffix, tile, size, changed) {
    Object.assign(this, { address, suffix, tile, size, changed });
    this.levels = [size];
    while (Math.max(this.levels[0].width, this.levels[0].height) > tile) {
      const { width, height } = this.levels[0];
      this.levels.unshift({ width: Math.ceil(width / 2), height: Math.ceil(height / 2) });
    }
    this.tiles = new Map(); // bitmaps by name, the last used last
    this.loading = new Map(); // controllers of requests by name
    this.loaded = 0; // tiles ever
    this.fails = false;
    this.composed = document.createElement("canvas").getContext("2d");
  }

  // Draw the columns `from` to `to` of the context's canvas. frame: { left, top, scale }, the place of the picture's
  // corner and the size of its pixels, in those of the canvas.
  draw(context, frame, from, to) {
    const level = this.levelAt(frame.scale);
    const box = this.visible(level, frame, from, to, context.canvas.height);
    const { x, y, width, height } = box;
    if (width <= 0 || height <= 0) return;
    this.compose(level, box);
    const { across, down } = this.pixel(level, frame.scale);
    const place = [frame.left + x * across, frame.top + y * down, width * across, height * down];
    context.drawImage(this.composed.canvas, 0, 0, width, height, ...place);
  }

  // Read what is in view at full size: an ImageData, and the frame of its own corner.
  read(frame, width, height) {
    const level = this.levels.length - 1;
    const box = this.visible(level, frame, 0, width, height);
    this.compose(level, box);
    const { left, top, scale } = frame;
    return {
      image: this.composed.getImageData(0, 0, box.width, box.height),
      corner: { left: left + box.x * scale, top: top + box.y * scale, scale },
    };
  }

  // Ask for the tiles in view that are missing, from the middle outwards; give up those that are out of view.
  load(frame, width, height) {
    const level = this.levelAt(frame.scale);
    const wanted = new Set(["0/0_0"]);
    this.names(level, this.visible(level, frame, 0, width, height)).forEach((name) => wanted.add(name));
    this.loading.forEach((stop, name) => wanted.has(name) || stop.abort());
    for (const name of wanted) {
      if (this.loading.size >= REQUESTS) break;
      if (!this.tiles.has(name) && !this.loading.has(name)) this.request(name);
    }
    for (const [name, bitmap] of this.tiles) {
      if (this.tiles.size <= wanted.size + KEPT) break;
      if (wanted.has(name)) continue;
      bitmap.close();
      this.tiles.delete(name);
    }
  }

  end() {
    this.changed = () => {};
    this.loading.forEach((stop) => stop.abort());
    this.tiles.forEach((bitmap) => bitmap.close());
    this.tiles.clear();
  }

  // The smallest level that has, at `scale`, about as many pixels as the screen.
  levelAt(scale) {
    const halvings = Math.floor(Math.log2(1 / scale) + 0.25);
    return this.levels.length - 1 - Math.min(Math.max(halvings, 0), this.levels.length - 1);
  }

  pixel(level, scale) {
    const { width, height } = this.levels[level];
    return { across: (scale * this.size.width) / width, down: (scale * this.size.height) / height };
  }

  // The box of a level, in its pixels, that is in view, with the pixels around it that interpolation needs.
  visible(level, frame, from, to, bottom) {
    const { across, down } = this.pixel(level, frame.scale);
    const start = (edge, corner, pixel) => Math.max(Math.floor((edge - corner) / pixel) - MARGIN, 0);
    const end = (edge, corner, pixel, most) => Math.min(Math.ceil((edge - corner) / pixel) + MARGIN, most);
    const x = start(from, frame.left, across);
    const y = start(0, frame.top, down);
    const right = end(to, frame.left, across, this.levels[level].width);
    return { x, y, width: right - x, height: end(bottom, frame.top, down, this.levels[level].height) - y };
  }

  names(level, { x, y, width, height }) {
    const [middleX, middleY] = [(x + width / 2) / this.tile - 0.5, (y + height / 2) / this.tile - 0.5];
    const found = [];
    for (let row = Math.floor(y / this.tile); row * this.tile < y + height; row++) {
      for (let column = Math.floor(x / this.tile); column * this.tile < x + width; column++) {
        found.push({ name: `${level}/${column}_${row}`, distance: Math.hypot(column - middleX, row - middleY) });
      }
    }
    return found.sort((one, other) => one.distance - other.distance).map(({ name }) => name);
  }

  // Put a box of a level together, so that it is interpolated without seams.
  compose(level, { x, y, width, height }) {
    const { canvas } = this.composed;
    if (canvas.width < width) canvas.width = width;
    if (canvas.height < height) canvas.height = height;
    this.composed.clearRect(0, 0, width, height);
    for (let row = Math.floor(y / this.tile); row * this.tile < y + height; row++) {
      for (let column = Math.floor(x / this.tile); column * this.tile < x + width; column++) {
        this.drawTile(level, column, row, column * this.tile - x, row * this.tile - y);
      }
    }
  }

  // Draw a tile at (x, y), or as long as it is loading, its part of a smaller level.
  drawTile(level, column, row, x, y) {
    for (let halvings = 0; halvings <= level; halvings++) {
      const times = 2 ** halvings;
      const name = `${level - halvings}/${Math.floor(column / times)}_${Math.floor(row / times)}`;
      const bitmap = this.tiles.get(name);
      if (!bitmap) continue;
      this.tiles.delete(name);
      this.tiles.set(name, bitmap);
      const part = this.tile / times;
      const [left, top] = [(column % times) * part, (row % times) * part];
      this.composed.drawImage(bitmap, left, top, part, part, x, y, this.tile, this.tile);
      return;
    }
  }

  async request(name) {
    const stop = new AbortController();
    this.loading.set(name, stop);
    try {
      const answer = await fetch(`${this.address}/${name}${this.suffix}`, { signal: stop.signal });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const bitmap = await createImageBitmap(await answer.blob());
      stop.signal.throwIfAborted();
      this.tiles.set(name, bitmap);
      this.loaded++;
      this.fails = false;
    } catch {
      if (!stop.signal.aborted) await this.wait();
    }
    this.loading.delete(name);
    this.changed();
  }

  // Say that a tile could not be loaded, and wait before it is asked for again.
  wait() {
    this.fails = true;
    this.changed();
    return new Promise((resolve) => setTimeout(resolve, RETRY));
  }
}
