// The page's side of the workers: one that answers what is being looked at, and more for what takes hundreds of passes.

const MAX_HELPERS = 4, PART = 4, BATCH = 16, WORTH = 1.5;

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

  close() {
    this.worker.terminate();
    for (const { reject } of this.waiting.values()) reject(new Cancelled());
    this.waiting.clear();
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
    this.preferred = new Set(); // what is spread before everything else
    this.graphics = null; // the worker on the graphics processor, where there is one that is worth it
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

  /** Opens a network; the helpers but one open it when they are first needed. alone: it will be asked one picture at a time. */
  async open(bytes, grain, alone = false) {
    await this.ready;
    const opened = await this.front.call("open", bytes, grain);
    this.bytes = bytes;
    this.grain = grain;
    this.table = opened.table;
    this.graphs = opened.graphs;
    for (const helper of this.helpers) helper.opened = helper.hastened = null;
    this.#leaveGraphics();
    if (alone) return opened;
    // One helper is opened ahead of time, beside the first map; what fails there is told when the helper is asked.
    if (!this.helpers.length) this.helpers.push(new Worker_());
    const { front } = this;
    this.hastened = this.#opened(this.helpers[0]).then(() => (this.bytes === bytes ? front.call("hasten") : null)).catch(() => null);
    this.accelerating = this.accelerate();
    return opened;
  }

  /**
   * Opens the network on the graphics processor, too, for what asks about many pictures. It is used if its answers are the processor's, and
   * come clearly sooner. options: software (take one that is none, whatever its speed), batch, precision. -> whether it is used.
   */
  async accelerate({ software = false, batch = BATCH, precision = "fp32" } = {}) {
    const { bytes, grain } = this;
    this.#leaveGraphics();
    const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
    if (!adapter) return this.#without("this browser offers no graphics processor");
    if ((adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter) && !software) return this.#without("the browser's graphics processor is a program");
    const worker = new Worker_();
    try {
      await this.#prepare(worker, false);
      const { processor, graphics } = await worker.call("openBatches", bytes, grain, batch, precision);
      this.speed = { processor, graphics };
      if (!software && graphics * WORTH > processor / this.#helperCount()) throw new Error("the graphics processor is not faster");
      if (this.bytes !== bytes || this.graphics) throw new Cancelled();
    } catch (error) {
      worker.close();
      return this.bytes === bytes && !this.graphics ? this.#without(error.message) : false;
    }
    Object.assign(this, { graphics: worker, batch, withoutGraphics: null });
    return true;
  }

  #without(reason) {
    this.withoutGraphics = reason;
    return false;
  }

  #leaveGraphics() {
    this.graphics?.close();
    this.graphics = null;
  }

  #helperCount() { return Math.min(MAX_HELPERS, Math.max(2, (navigator.hardwareConcurrency || 2) - 1)); }

  #opened(helper) {
    const { bytes, grain } = this;
    helper.opened ??= this.#prepare(helper, false).then(() => helper.call("open", bytes, grain)).then(() => { helper.bytes = bytes; });
    return helper.opened;
  }

  call(...words) { return this.front.call(...words); }

  /** Calls a helper that has nothing to do, where there is one: what is asked of the front next, a stroke, need not wait. */
  aside(...words) { return (this.helpers.find((helper) => helper.bytes === this.bytes && !helper.load) ?? this.front).call(...words); }

  /** A list in parts of a size that suits who will compute them. */
  parts(list) {
    const size = this.graphics ? this.batch : PART;
    return Array.from({ length: Math.ceil(list.length / size) }, (_, n) => list.slice(n * size, (n + 1) * size));
  }

  /**
   * Calls `call` once for each of `parts` (lists of arguments), on the graphics processor or the helpers -> the answers in order.
   * token.cancelled ends it. first: what else is spread rests meanwhile.
   */
  async spread(call, parts, token = {}, progress = () => {}, first = false) {
    const work = this.#spread(call, parts, token, progress, first);
    if (!first) return work;
    this.preferred.add(work);
    try {
      return await work;
    } finally {
      this.preferred.delete(work);
    }
  }

  async #spread(call, parts, token, progress, first) {
    const { bytes } = this, answers = new Array(parts.length), waiting = [...parts.keys()];
    let done = 0;
    const check = () => { if (token.cancelled || this.bytes !== bytes) throw new Cancelled(); };
    const work = async (worker) => {
      for (;;) {
        while (!first && this.preferred.size) await Promise.allSettled(this.preferred);
        if (!waiting.length) return;
        check();
        const index = waiting.shift();
        try {
          answers[index] = await worker.call(call, ...parts[index]);
        } catch (error) {
          waiting.unshift(index);
          throw error;
        }
        progress(++done / parts.length);
      }
    };
    if (this.graphics) {
      try {
        await work(this.graphics);
      } catch (error) {
        check();
        this.#leaveGraphics(); // it was taken away, or broke: the helpers do what is left
        this.#without(error.message);
      }
    }
    const count = Math.min(this.#helperCount(), waiting.length);
    while (this.helpers.length < count) this.helpers.push(new Worker_());
    const helpers = this.helpers.slice(0, count);
    await Promise.all(helpers.map(async (helper) => {
      await this.#opened(helper);
      await work(helper);
    }));
    check();
    for (const helper of helpers) helper.hastened ??= helper.call("hasten").catch(() => null); // not before the first answers are there
    return answers;
  }
}

export class Cancelled extends Error {
  constructor() { super("cancelled"); }
}
