// A compiled network in the page: LiteRT.js over one file whose batch is fixed to one picture.
import { loadAndCompile, loadLiteRt, Tensor } from "../vendor/litert/litert.js";
import { fixBatch, signatures } from "./flatbuffer.js";

let runtime;

// Its messages about accelerators that are not there are of no use to anybody.
function quiet() {
  for (const name of ["warn", "info", "log", "debug"]) console[name] = () => {};
  const error = console.error;
  console.error = (...words) => { if (!/WebGPU|^(INFO|WARNING|VERBOSE): /.test(String(words[0]))) error(...words); };
}

/** Starts LiteRT once. Throws a sentence where the browser cannot. */
export function startRuntime() {
  if (typeof WebAssembly !== "object") throw new Error("this browser has no WebAssembly, which the network needs; allow it, or use another browser");
  if (!runtime) {
    quiet();
    const folder = new URL("../vendor/litert/", import.meta.url).href;
    self.Module = { locateFile: (name) => folder + name }; // in a worker it would look beside the worker
    runtime = loadLiteRt(folder);
  }
  return runtime;
}

export class Graphs {
  /** content: a LiteRT file. */
  static async open(content) {
    await startRuntime();
    const graphs = new Graphs();
    graphs.names = signatures(content);
    graphs.compiled = await loadAndCompile(fixBatch(content, 1), { accelerator: "wasm" });
    return graphs;
  }

  has(name) { return this.names.includes(name); }

  /** feeds: { input: [Float32Array, shape] } -> { output: Float32Array }. outputs: those that are wanted. */
  async run(name, feeds, outputs) {
    const tensors = Object.entries(feeds).map(([key, [values, shape]]) => [key, new Tensor(values, shape)]);
    const answers = await this.compiled.run(name, Object.fromEntries(tensors));
    const results = {};
    for (const [key, tensor] of Object.entries(answers)) {
      if (!outputs || outputs.includes(key)) results[key] = tensor.toTypedArray().slice();
      tensor.delete();
    }
    for (const [, tensor] of tensors) tensor.delete();
    return results;
  }

  close() { this.compiled.delete(); }
}
