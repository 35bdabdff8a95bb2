// How the page looks in each state; everything is updated in place, so that nothing flickers or loses the focus.

const LEAVING = "This server is about to be replaced. It finishes these pictures; download them when they are done, because they go with it.";
const SPOKEN = { said: 0, text: "" };

Object.assign(Desk.prototype, {
  render() {
    const focused = document.activeElement;
    const pictures = this.pictures(), pending = Boolean(this.work.id) && this.isPending();
    const several = pictures.length > 1, done = pictures.filter(({ state }) => state === "done");
    const shown = this.shown(pictures);
    const empty = !this.work.id || !(pending || done.length); // also after nothing but refusals
    this.dataset.mode = empty ? "empty" : pending ? "working" : "done";
    this.dataset.several = several;
    for (const [selector, visible] of Object.entries({
      "#give": empty, "#example": empty, "#trust": empty, "#work": !empty, "#bar": this.work.id,
      "#cards": several, "#share": pending, "[data-do=another]": !empty && !pending, "[data-do=cancel]": pending,
      "[data-do=delete]": !pending, "#options": !pending,
      "[data-do=again]": this.work.id && !pending && this.work.state && this.hasOtherOptions(),
    })) this.find(selector).hidden = !visible;
    this.find("#again").hidden ||= Boolean(this.work.id);
    text(this.find("#note"), this.notes || (this.work.state?.leaving ? LEAVING : ""));
    this.showRefusals(pictures);
    if (several) this.showCards(pictures, shown);
    this.showStage(shown, several);
    this.showBar(pictures, done, pending, several);
    this.keepFocus(focused);
  },

  // What had the focus may be hidden, removed or disabled; then the main button has it. At work that is Cancel, which a
  // key that is held down would press: the heading has it.
  keepFocus(focused) {
    if (focused.getClientRects().length && !focused.disabled) return;
    const place = { empty: "[data-do=choose]", working: "h1", done: "#download" }[this.dataset.mode];
    this.find(place).focus({ preventScroll: true });
  },

  // What the server knows, then what is not uploaded yet.
  pictures() {
    const arrived = this.work.state?.pictures ?? [];
    const local = ({ file, share, picture }) => ({ name: file.name, state: share === undefined ? "waiting" : "uploading", share, thumbnail: picture });
    return [...arrived.map((picture, number) => ({ ...picture, number, thumbnail: picture.thumbnail || this.uploadOf(number) })), ...this.uploading().map(local)];
  },

  // Files that the server has not, or not yet told of.
  uploading() {
    const arrived = this.work.state?.pictures.length ?? 0;
    return this.work.uploads.filter(({ number }) => number === undefined || number >= arrived);
  },

  // Files that the server has not.
  missing({ uploads } = this.work) {
    return uploads.filter(({ number }) => number === undefined);
  },

  uploadOf(number) {
    return this.work.uploads.find((upload) => upload.number === number)?.picture ?? "";
  },

  // What was chosen, else what is furthest; never what failed, so that a broken file leaves no empty stage.
  shown(pictures) {
    const first = (...states) => pictures.find(({ state }) => states.includes(state));
    return pictures[this.chosen] ?? first("done") ?? first("working") ?? first("waiting", "uploading");
  },

  hasOtherOptions() {
    const wanted = this.options.read();
    return Object.entries(this.work.state.choices).some(([name, value]) => name in wanted && wanted[name] !== value);
  },

  showRefusals(pictures) {
    const failed = pictures.filter(({ state }) => state === "failed").map(({ sentence }) => sentence);
    const sentences = [...new Set(this.work.refusals), ...failed], list = this.find("#refusals");
    if (list.textContent === sentences.join("")) return;
    list.replaceChildren(...sentences.map((sentence) => element("li", { textContent: sentence })));
  },

  showStage(picture, several) {
    const stage = this.find("#stage");
    const finished = picture?.state === "done";
    this.find("#facts").hidden = !finished;
    text(this.find("#sentence"), finished ? `${several ? `${picture.file}: ` : ""}${enlarged(picture)} ${taken(picture.seconds)}.` : "");
    text(this.find("#facts p"), finished ? this.details(picture) : "");
    const shows = finished ? `${this.work.id}/${picture.number}` : "";
    if (shows && stage.dataset.shows === shows) return;
    stage.dataset.shows = shows;
    if (!picture) return stage.replaceChildren();
    this.develop(stage, picture, shows);
    if (finished) this.compare(stage, picture.number, shows);
  },

  // The original, and over it the rows that are done, which stay until the comparison takes their place.
  develop(stage, { name, thumbnail, partial }, shows) {
    if (!stage.querySelector(".developing")) {
      stage.replaceChildren(element("div", { className: "developing" }, element("img", { className: "before" }), element("img", { className: "after", alt: "" })));
    }
    const before = stage.querySelector(".before");
    before.alt = `${name}, the original`;
    source(before, thumbnail);
    if (!(shows && stage.querySelector(`.after[data-address^="work/${shows}/"]`))) source(stage.querySelector(".after"), partial);
  },

  async compare(stage, number, shows) {
    const { work: { id }, visit: { signal } } = this;
    this.markups[number] ??= persist(() => comparison(id, number), signal);
    try {
      const markup = await this.markups[number];
      if (stage.dataset.shows === shows) stage.innerHTML = markup;
    } catch (error) {
      delete this.markups[number]; // so that choosing the picture anew asks again
      this.failed(error, signal);
    }
  },

  details({ doubled_size: [width, height], seconds, file }) {
    const { model } = this.work.state.choices, fact = this.facts.models[model];
    const speed = (width * height) / 1e6 / seconds;
    return `${file}: ${speed.toFixed(speed < 1 ? 2 : 1)} megapixels a second with the model ${model}, revision ${fact}.`;
  },

  showCards(pictures, shown) {
    const list = this.find("#cards");
    while (list.children.length > pictures.length) list.lastChild.remove();
    pictures.forEach((picture, n) => {
      const card = list.children[n] ?? list.appendChild(element("li", {},
        element("button", { type: "button" }, element("img", { alt: "" }), element("span", { className: "name" }), element("span", { className: "state" })),
        element("a", { textContent: "Download", download: "" })));
      const [button, link] = card.children;
      card.dataset.state = picture.state;
      button.toggleAttribute("data-number", false);
      if (picture.state === "done") button.dataset.number = picture.number;
      button.disabled = picture.state !== "done";
      button.setAttribute("aria-pressed", picture === shown);
      source(button.querySelector("img"), picture.thumbnail);
      text(button.querySelector(".name"), picture.name);
      text(button.querySelector(".state"), stateOf(picture));
      link.hidden = picture.state !== "done";
      if (picture.download) link.href = picture.download;
      link.setAttribute("aria-label", `Download ${picture.file ?? ""}`);
    });
  },

  showBar(pictures, done, pending, several) {
    const link = this.find("#download"), one = done.length === 1 ? done[0] : null;
    link.hidden = !done.length || (pending && !several);
    if (one) link.href = one.download;
    else if (done.length) link.href = this.work.state.zip;
    text(link, one ? `Download ${one.file}` : `Download ${pending ? "the" : "all"} ${done.length} as a zip`);
    const share = pictures.reduce((sum, { state, share }) => sum + (state === "working" ? share : Number(hasEnded({ state }))), 0);
    this.find("#share").value = pictures.length ? share / pictures.length : 0;
    const words = !this.work.id ? "" : this.work.lost > 1 ? this.alone() : pending ? this.outlook(pictures, done, several) : this.outcome(pictures, done, one);
    text(this.find("#left"), words);
    this.speak(words, pending);
    document.title = pending ? `${Math.round(this.find("#share").value * 100)} % · Double Resolution` : "Double Resolution";
  },

  alone() {
    const missing = this.missing().length;
    if (!missing) return "The connection is gone. Your pictures are kept; trying again…";
    return `The connection is gone; trying again… ${missing} of ${this.work.uploads.length} not uploaded yet: keep this page open.`;
  },

  outlook(pictures, done, several) {
    const uploading = pictures.filter(({ state }) => state === "uploading");
    if (this.isArriving() && pictures.every(hasEnded)) return done.length ? `${done.length} done; more pictures are being uploaded…` : "Pictures are being uploaded…";
    const finished = several && done.length ? `${done.length} of ${pictures.length} done, ` : "";
    if (!pictures.some(({ state }) => state === "working")) {
      const waiting = this.uploading().find(({ share }) => share === undefined);
      if (waiting) return `${waiting.reason} Trying again…`;
      if (uploading.length) return `Uploading, ${Math.round((100 * uploading.reduce((sum, { share }) => sum + share, 0)) / uploading.length)} %`;
      const { ahead, begins } = this.work.state ?? { ahead: 0 };
      return ahead ? `You are ${ordinals[ahead] ?? `number ${ahead + 1}`}; it begins in ${begins}.` : "Beginning…";
    }
    if (!this.since) this.since = Date.now() - QUIET; // come back to
    if (Date.now() - this.since < QUIET) return "Working…";
    return capital(`${finished}${this.work.state.ends} left`);
  },

  outcome(pictures, done, one) {
    if (!done.length) return withoutResult(pictures);
    if (one) return `${pixels(one.doubled_size)} pixels · ${megabytes(one.bytes)}`;
    return `${done.length} of ${pictures.length} pictures are done · ${megabytes(done.reduce((sum, { bytes }) => sum + bytes, 0))}`;
  },

  // Screen readers hear changes of progress every ten seconds at most, and the end at once.
  speak(words, pending) {
    if (words === SPOKEN.text || (pending && Date.now() - SPOKEN.said < SPEAK)) return;
    Object.assign(SPOKEN, { said: Date.now(), text: words });
    text(this.find("#spoken"), words);
  },
});

const hasEnded = (picture) => ["done", "failed", "cancelled"].includes(picture?.state);

function stateOf({ state, share, sentence, doubled_size }) {
  if (state === "done") return `${pixels(doubled_size)}`;
  if (state === "uploading") return `uploading, ${Math.round(100 * share)} %`;
  return state === "working" ? `${Math.round(100 * share)} %` : state === "failed" ? "not possible" : state;
}

function withoutResult(pictures) {
  if (!pictures.length) return "No picture has arrived here; choose your photos again.";
  if (pictures.some(({ state }) => state === "cancelled")) return "This work was cancelled; choose your photos again.";
  return pictures.length > 1 ? "None of these pictures could be upscaled." : "This picture could not be upscaled.";
}

const capital = (words) => words[0].toUpperCase() + words.slice(1);

function text(place, words) {
  if (place.textContent !== words) place.textContent = words;
}

// Changes a picture once the new one is decoded; an <img> without a source is hidden by the styles.
async function source(image, address) {
  if (image.dataset.address === (address ?? "")) return;
  image.dataset.address = address ?? "";
  if (!address) return image.removeAttribute("src");
  const next = Object.assign(new Image(), { src: address });
  await next.decode().catch(() => {});
  if (image.dataset.address !== address) return;
  if (next.naturalWidth) image.src = address;
  else image.removeAttribute("src"); // not a picture
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

customElements.define("upscaling-desk", Desk);
