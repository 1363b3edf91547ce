// A compiled network in the page: LiteRT.js over one file whose batch is fixed, to one picture or, on the graphics processor, to many.
import { loadAndCompile, loadLiteRt, Tensor } from "../vendor/litert/litert.js";
import { fixBatch, signatures } from "./flatbuffer.js";
import { TiledNetwork, TOGETHER } from "./winograd/tiled_network.js";

const TOLERANCE = 1e-4, CLEARLY = 1.1, WARM = 120; // milliseconds
let runtime;

// Its messages about accelerators that are not there are of no use to anybody.
function quiet() {
  for (const name of ["warn", "info", "log", "debug"]) console[name] = () => {};
  const error = console.error;
  console.error = (...words) => { if (!/WebGPU|^(INFO|WARNING|VERBOSE): /.test(String(words[0]))) error(...words); };
}

/** Starts LiteRT once; gpu: whether this worker may use the graphics processor. Throws a sentence where the browser cannot. */
export function startRuntime(gpu = false) {
  if (typeof WebAssembly !== "object") throw new Error("this browser has no WebAssembly, which the network needs; allow it, or use another browser");
  if (!runtime) {
    quiet();
    // It asks for a graphics device as it starts, in every worker; only the one that computes there shall have one.
    if (!gpu) Object.defineProperty(navigator, "gpu", { value: undefined });
    const folder = new URL("../vendor/litert/", import.meta.url).href;
    self.Module = { locateFile: (name) => folder + name }; // in a worker it would look beside the worker
    runtime = loadLiteRt(folder);
  }
  return runtime;
}

export class Graphs {
  /**
   * content: a LiteRT file; batch: how many pictures every run takes; gpu: compute on the graphics processor, if it can do every part.
   * precision: of the graphics processor's numbers.
   */
  static async open(content, { batch = 1, gpu = false, precision = "fp32" } = {}) {
    await startRuntime(gpu);
    const graphs = new Graphs();
    graphs.names = signatures(content);
    graphs.batch = batch;
    graphs.content = gpu ? null : content;
    graphs.compiled = await loadAndCompile(fixBatch(content, batch), gpu ? { accelerator: "webgpu", gpuOptions: { precision } } : { accelerator: "wasm" });
    const { options, isFullyAccelerated } = graphs.compiled;
    if (gpu && !(isFullyAccelerated && options.accelerator === "webgpu")) throw new Error("the graphics processor cannot compute every part of the network");
    return graphs;
  }

  has(name) { return this.names.includes(name); }

  /**
   * Lets the page's own kernels run a graph of one input from now on, if they can, say the same of `pictures` (lists of numbers), and say it
   * sooner. -> the milliseconds a picture that LiteRT and they take, or why LiteRT goes on: { litert, own } or { reason }.
   */
  async hasten(name, input, shape, pictures) {
    let tiled;
    try {
      tiled = new TiledNetwork(this.content, name);
      const before = [], after = [];
      const end = performance.now() + WARM; // a browser compiles first quickly, and then, what is used much, well
      do tiled.run([pictures[0]]); while (performance.now() < end);
      for (const picture of pictures) {
        const [wait, expected] = await timed(() => this.#litert(name, { [input]: [picture, shape] })), [shorter, answer] = await timed(() => tiled.run([picture]));
        if (!near(answer[0], expected)) throw new Error("its answers are not LiteRT's");
        before.push(wait);
        after.push(shorter);
      }
      const litert = Math.min(...before), own = Math.min(...after);
      if (own * CLEARLY > litert) throw new Error("it is not faster");
      this.tiled = { name, input, network: tiled };
      return { litert, own };
    } catch (error) {
      return { reason: error.message };
    }
  }

  /** feeds: { input: [Float32Array, shape] } -> { output: Float32Array }. outputs: those that are wanted. */
  async run(name, feeds, outputs) {
    return this.tiled?.name === name ? (await this.runAll(name, [feeds], outputs))[0] : this.#litert(name, feeds, outputs);
  }

  /** The same for several pictures, one after the other or as many as go together. */
  async runAll(name, list, outputs) {
    const { tiled } = this, answers = [];
    if (tiled?.name !== name) for (const feeds of list) answers.push(await this.#litert(name, feeds, outputs));
    else for (let n = 0; n < list.length; n += TOGETHER) answers.push(...tiled.network.run(list.slice(n, n + TOGETHER).map((feeds) => feeds[tiled.input][0]), outputs));
    return answers;
  }

  async #litert(name, feeds, outputs) {
    const tensors = Object.entries(feeds).map(([key, [values, shape]]) => [key, new Tensor(values, shape)]);
    const answers = await this.compiled.run(name, Object.fromEntries(tensors));
    const results = {};
    for (const [key, tensor] of Object.entries(answers)) {
      if (!outputs || outputs.includes(key)) results[key] = tensor.accelerator === "wasm" ? tensor.toTypedArray().slice() : await tensor.data();
      tensor.delete();
    }
    for (const [, tensor] of tensors) tensor.delete();
    return results;
  }

  close() { this.compiled.delete(); }
}

/** -> how many milliseconds some work takes, and its result. */
export async function timed(work) {
  const started = performance.now(), result = await work();
  return [performance.now() - started, result];
}

// Whether every output is another one's to within a share of its largest number.
function near(outputs, expected) {
  return Object.entries(expected).every(([name, values]) => {
    const most = values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    return values.every((value, i) => Math.abs(value - outputs[name][i]) <= TOLERANCE * most);
  });
}
