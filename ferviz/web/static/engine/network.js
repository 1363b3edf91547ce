// A compiled network in the page: LiteRT.js over one file whose batch is fixed, to one picture or, on the graphics processor, to many.
import { loadAndCompile, loadLiteRt, Tensor } from "../vendor/litert/litert.js";
import { fixBatch, signatures } from "./flatbuffer.js";

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
    graphs.compiled = await loadAndCompile(fixBatch(content, batch), gpu ? { accelerator: "webgpu", gpuOptions: { precision } } : { accelerator: "wasm" });
    const { options, isFullyAccelerated } = graphs.compiled;
    if (gpu && !(isFullyAccelerated && options.accelerator === "webgpu")) throw new Error("the graphics processor cannot compute every part of the network");
    return graphs;
  }

  has(name) { return this.names.includes(name); }

  /** feeds: { input: [Float32Array, shape] } -> { output: Float32Array }. outputs: those that are wanted. */
  async run(name, feeds, outputs) {
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
