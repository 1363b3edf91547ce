// The page's side of the workers: one that answers what is being looked at, and more for what takes hundreds of passes.

const MAX_HELPERS = 4;

class Worker_ {
  constructor() {
    this.worker = new Worker(new URL("./worker.js", import.meta.url));
    this.waiting = new Map();
    this.next = 0;
    this.load = 0;
    this.worker.onmessage = ({ data: { id, result, error } }) => {
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      this.load -= 1;
      if (error === undefined) resolve(result); else reject(new Error(error));
    };
    this.worker.onerror = (event) => {
      for (const { reject } of this.waiting.values()) reject(new Error(event.message || "the network's worker could not start"));
      this.waiting.clear();
    };
  }

  call(call, ...args) {
    return new Promise((resolve, reject) => {
      const id = this.next++;
      this.load += 1;
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, call, args });
    });
  }
}

export class Engine {
  /** assets: { landmarks, detector (bytes or null), data (the page's data) }. */
  constructor(assets) {
    this.assets = assets;
    this.front = new Worker_();
    this.helpers = [];
    this.ready = this.#prepare(this.front, true);
  }

  async #prepare(worker, full) {
    await worker.call("prepare", this.assets.data);
    if (full && this.assets.landmarks) await worker.call("openLandmarks", this.assets.landmarks);
    return worker;
  }

  async openDetector(bytes) {
    this.detector = bytes;
    await this.front.call("openDetector", bytes);
  }

  /** Calls the detector of a worker of its own, so that what is looked at goes on while the camera's picture is searched. */
  async scout(...words) {
    this.scouting ??= this.#prepare(new Worker_(), false).then(async (worker) => { await worker.call("openDetector", this.detector); return worker; });
    return (await this.scouting).call(...words);
  }

  /** Opens a network; the helpers but one open it when they are first needed. */
  async open(bytes, grain) {
    await this.ready;
    const opened = await this.front.call("open", bytes, grain);
    this.bytes = bytes;
    this.grain = grain;
    this.table = opened.table;
    this.graphs = opened.graphs;
    for (const helper of this.helpers) helper.opened = null;
    // One helper is opened ahead of time, beside the first map; what fails there is told when the helper is asked.
    if (!this.helpers.length) this.helpers.push(new Worker_());
    this.#opened(this.helpers[0]).catch(() => {});
    return opened;
  }

  #opened(helper) {
    const { bytes, grain } = this;
    helper.opened ??= this.#prepare(helper, false).then(() => helper.call("open", bytes, grain));
    return helper.opened;
  }

  call(...words) { return this.front.call(...words); }

  /** Calls `call` once for each of `parts` (lists of arguments) on the helpers -> the answers in order. token.cancelled ends it. */
  async spread(call, parts, token = {}, progress = () => {}) {
    const count = Math.min(MAX_HELPERS, Math.max(2, (navigator.hardwareConcurrency || 2) - 1), parts.length);
    while (this.helpers.length < count) this.helpers.push(new Worker_());
    const answers = new Array(parts.length), bytes = this.bytes;
    let next = 0, done = 0;
    await Promise.all(this.helpers.slice(0, count).map(async (helper) => {
      await this.#opened(helper);
      while (next < parts.length) {
        if (token.cancelled || this.bytes !== bytes) throw new Cancelled();
        const index = next++;
        answers[index] = await helper.call(call, ...parts[index]);
        progress(++done / parts.length);
      }
    }));
    if (token.cancelled) throw new Cancelled();
    return answers;
  }
}

export class Cancelled extends Error {
  constructor() { super("cancelled"); }
}
