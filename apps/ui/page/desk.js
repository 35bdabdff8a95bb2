// The page: one screen that is empty, working or done. The work's id is in the address, so that it outlives its page.

const AGAIN = "The server no longer has these pictures; those that were not done are uploaded again.";
const ID = /^([\dA-Za-z]{1,16}-)?[\da-f]{32}$/; // as the server makes them; anything else could lead to other addresses
const UNKNOWN = "0"; // no batch has this id, and the server says so
const LAST = "double-resolution last work";
const POLL = 1000, VISIT = 300_000, SPEAK = 10_000, QUIET = 3000; // milliseconds

// A batch as this page knows it. uploads: files that this page gave. lost: answers that were missed since the last one.
const newWork = (id) => ({ id, state: null, uploads: [], uploaded: Promise.resolve(), stopped: new AbortController(), refusals: [], lost: 0 });

class Desk extends HTMLElement {
  connectedCallback() {
    if (this.facts) return;
    this.facts = JSON.parse(this.dataset.facts);
    this.turn = 0; // of asking for the state: answers may come in another order
    this.works = new Map(); // those with uploads of this page, which go on while another address is shown
    this.turnTo(undefined); // until the address is read
    this.options = optionsOf(this.find("#options form"), () => this.render());
    acceptFiles(this, (...given) => this.give(...given));
    this.addEventListener("click", (event) => this.clicked(event));
    window.addEventListener("popstate", () => this.restore());
    document.addEventListener("visibilitychange", () => document.hidden || this.poll());
    window.addEventListener("beforeunload", (event) => {
      if ([...this.works.values()].some((work) => !work.gone && this.missing(work).length)) event.preventDefault();
    });
    this.greet();
    this.restore();
  }

  find(selector) {
    return this.querySelector(selector);
  }

  // Shows a batch in place of the last one, whose uploads go on.
  turnTo(id) {
    this.turn++;
    this.visit?.abort(); // what else is asked of the last one
    this.visit = new AbortController();
    this.work = this.works.get(id) ?? newWork(id);
    Object.assign(this, { chosen: undefined, markups: {}, since: 0, notes: "" });
    clearTimeout(this.timer);
  }

  // Uploads nothing more for a batch, which is deleted or cancelled.
  end({ id, stopped }) {
    stopped.abort();
    this.works.delete(id);
  }

  // Starting, leaving and coming back

  async restore() {
    const given = location.hash.slice(1), id = !given || ID.test(given) ? given : UNKNOWN;
    if (id === this.work.id) return;
    this.turnTo(id);
    this.render();
    if (id) return this.poll();
    const last = recalled(LAST);
    const exists = last && (await state(last).catch(() => null));
    this.find("#again").hidden = !exists || Boolean(this.work.id);
    this.find("#again a").href = `#${last}`;
  }

  leave(note = "", way = "pushState") {
    history[way](null, "", location.pathname + location.search);
    this.turnTo("");
    this.notes = note;
    this.render();
  }

  // One start after another: it takes the place of the one before, whose id it has to know.
  begin(request) {
    return this.inTurn(() => this.replace(request));
  }

  inTurn(start) {
    this.begun = Promise.resolve(this.begun).catch(() => {}).then(start);
    return this.begun;
  }

  // Files join the work that is going on; without any, they begin it.
  async open() {
    if (this.work.id && !this.work.state) await this.poll();
    if (!this.work.id || !this.isPending() || this.work.stopped.signal.aborted) await this.replace({});
  }

  async replace(request) {
    const { work, visit: { signal } } = this;
    work.refusals = [];
    const isReplaced = work.id && this.isPending(); // it is cancelled if the new work is accepted
    const { id } = await create({ choices: this.options.read(), instead_of: isReplaced ? work.id : undefined, ...request }).catch((error) => {
      this.failed(error, signal); // the one before may have begun since this was asked for
      throw error;
    });
    if (isReplaced) this.end(work);
    this.turnTo(id);
    this.since = Date.now();
    remember(LAST, id);
    history.pushState(null, "", `#${id}`);
    return id;
  }

  // Does what a person asks for; why the wish before it failed is said no longer.
  async act(work) {
    const { signal } = this.visit;
    this.work.refusals = this.work.refusals.filter((sentence) => sentence !== this.failure);
    await work().catch((error) => {
      this.failure = error.message;
      this.failed(error, signal);
    });
  }

  // Says why something failed, unless the page shows other work by now.
  failed({ message }, { aborted }) {
    if (aborted) return;
    this.say(message);
    this.poll(); // all of it may be gone
  }

  // `sentences`: what is to be said of them.
  give(files, ...sentences) {
    this.work.refusals = [];
    const most = this.facts.megabytes * 1024 ** 2;
    const refused = [...sentences, ...files.filter(({ size }) => size > most).map(({ name, size }) =>
      `${name} has ${megabytes(size)}; the limit is ${this.facts.megabytes} MB. Save it smaller, or at a lower quality.`)];
    const taken = files.filter(({ size }) => size <= most);
    if (!taken.length) return this.say(...refused);
    return this.act(async () => {
      await this.inTurn(() => this.open());
      const { mostFiles } = this.facts, room = mostFiles - this.pictures().length;
      if (taken.length > room) refused.push(`${room > 0 ? `The first ${room} of ${taken.length} pictures are taken` : `There are ${mostFiles} pictures already`}; give the others afterwards.`);
      this.say(...refused);
      await this.add(taken.slice(0, Math.max(room, 0)));
    });
  }

  // All files one after another, so that they keep their order.
  add(files) {
    const { work } = this;
    const added = files.map((file) => ({ file, share: 0, picture: URL.createObjectURL(file) }));
    work.uploads.push(...added);
    this.works.set(work.id, work);
    this.poll();
    return (work.uploaded = work.uploaded.then(() => this.uploadAll(added, work)));
  }

  async uploadAll(added, work) {
    const { id, stopped: { signal } } = work;
    for (const next of added) {
      try {
        next.number = (await upload(id, next.file, (share, error) => this.progressed(next, work, share, error), signal)).number;
        work.lost = 0;
      } catch (error) {
        const gone = !signal.aborted && (await isGone(id));
        if (signal.aborted) return;
        if (gone) return (work.gone = true), this.poll(); // which says so, or once the work is shown again
        work.uploads = work.uploads.filter((one) => one !== next);
        work.refusals.push(error.message);
      }
      this.poll();
    }
  }

  progressed(next, work, share, error) {
    Object.assign(next, { share, reason: error?.message });
    if (error instanceof Lost) work.lost ||= 1; // until the server answers
  }

  clicked({ target }) {
    const action = target.closest("[data-do]")?.dataset.do, sample = target.closest("[data-sample]")?.dataset.sample;
    const number = target.closest("[data-number]")?.dataset.number;
    if (number !== undefined) return (this.chosen = Number(number)), this.render();
    if (!action && !sample) return;
    return this.act(async () => {
      if (sample) await this.begin({ sample }), this.poll();
      if (action === "again") await this.begin({ again: this.work.id }), this.poll();
      if (action === "choose" || action === "another") this.find("#files").click();
      if (action === "photograph") this.find("#camera").click();
      if (action === "choose-folder") this.find("#folder").click();
      if (action === "cancel") await this.cancelAll();
      if (action === "delete") await this.deleteAll("Your pictures are deleted.");
    });
  }

  async cancelAll() {
    const { work } = this;
    work.stopped.abort();
    work.uploads = work.uploads.filter(({ number }) => number !== undefined);
    work.state = await cancel(work.id);
    if (work !== this.work) return; // another photo was chosen meanwhile
    if (work.state.pictures.some(({ state }) => state === "done")) return this.render();
    await this.deleteAll("Cancelled. Nothing is kept of it.");
  }

  async deleteAll(note) {
    const { work } = this;
    await remove(work.id);
    this.end(work);
    if (recalled(LAST) === work.id) unremember(LAST);
    if (work === this.work) this.leave(note);
  }

  // Following the work

  async poll() {
    const { work } = this;
    clearTimeout(this.timer);
    if (!work.id) return;
    const turn = ++this.turn;
    try {
      const found = await state(work.id);
      if (turn !== this.turn) return;
      Object.assign(work, { state: found, lost: 0 });
    } catch (error) {
      if (turn !== this.turn) return;
      if (error instanceof Refused) return this.gone(error);
      work.lost++;
    }
    this.render();
    this.pollLater();
  }

  // If the connection was lost before, the server was started anew or too much time has passed: nobody wanted it deleted.
  gone({ message }) {
    const { work } = this;
    const left = work.lost ? work.uploads.filter(({ number }) => !hasEnded(work.state?.pictures[number])) : [];
    this.end(work);
    this.leave(message, "replaceState"); // Back must not return to it again
    if (left.length) this.act(() => this.giveAgain(left.map(({ file }) => file)));
  }

  // Tries until the server takes them: it may have just been started, and be full.
  async giveAgain(files) {
    await persist(() => this.inTurn(() => this.open()), this.visit.signal);
    this.say(AGAIN);
    await this.add(files);
  }

  // A result is asked for while it is looked at, too: that counts as a visit, and tells when it was deleted.
  pollLater() {
    if (this.work.lost || this.isPending()) this.timer = setTimeout(() => this.poll(), POLL);
    else this.timer = setTimeout(() => document.hidden || this.poll(), Math.min(VISIT, this.facts.keepSeconds * 250)); // a quarter
  }

  isPending() {
    return !this.work.state || this.work.state.pending || this.uploading().length > 0 || this.isArriving();
  }

  // Pictures are given by another page.
  isArriving() {
    return this.work.state?.arriving && !this.work.uploads.length;
  }

  // Adds to what is said of refusals.
  say(...sentences) {
    this.work.refusals.push(...sentences);
    this.render();
  }

  async greet() {
    const place = this.find("#greeting");
    for (let tries = 0; tries < 30 && place.isConnected; tries++) {
      try {
        return (place.innerHTML = await comparison(this.facts.greeting, 0));
      } catch {
        await new Promise((resolve) => setTimeout(resolve, POLL)); // the app has just started
      }
    }
  }
}
