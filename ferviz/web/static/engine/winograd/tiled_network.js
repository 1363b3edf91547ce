// A network of plain convolutions, run by the page's own kernels: the same numbers as LiteRT's from a quarter of the multiplications.
//
// LiteRT multiplies 9 weights with every pixel of a 3 x 3 convolution. These kernels do it by Winograd's tiles. They know the few operations that
// networks for faces are made of; for all others `open` throws, and LiteRT does it. Whoever uses them compares their answers with LiteRT's first.
import { border, isTiled, kernelsOf, plainConvolution, shared, tiledConvolution } from "./convolution.js";
import { readGraph } from "./graph.js";
import { COLUMNS, compileKernels, hasFused, LANES, PLACES } from "./kernels.js";
import { Memory, Pictures } from "./tensors.js";

const PIXEL_AXES = "1,2";

/** Pictures that are answered together. */
export const TOGETHER = 4;

export class TiledNetwork {
  /**
   * content: a LiteRT file; name: of the signature; fused: whether a product and a sum are one step. Throws a sentence where the graph holds what
   * has no kernel.
   */
  constructor(content, name, fused = hasFused()) {
    const { tensors, operations, inputs, outputs } = readGraph(content, name);
    Object.assign(this, { tensors, outputs, memory: new Memory(), shapes: new Map(), fields: 0, products: 0, zeros: 0 });
    this.input = this.#store(tensors[Object.values(inputs)[0]]);
    need(this.input.pictures, "what goes in is no picture");
    this.steps = operations.map((operation) => this.#step(operation));
    need(this.shapes.size, "no convolution is one of 3 x 3 pixels");
    const room = (count) => this.memory.room(count);
    this.work = { scratch: room(PLACES * LANES), fields: room(this.fields), products: room(this.products), zeros: room(this.zeros) };
    this.kernels = compileKernels([...this.shapes.values()], this.memory.memory, fused);
  }

  /** pictures: up to TOGETHER lists of numbers -> for each { output: Float32Array }. wanted: the outputs that are read; undefined = all. */
  run(pictures, wanted = Object.keys(this.outputs)) {
    pictures.forEach((values, n) => this.input.pictures.write(n, values));
    for (const step of this.steps) step(pictures.length);
    return pictures.map((_, n) => Object.fromEntries(wanted.map((name) => [name, readOf(this.tensors[this.outputs[name]], n)])));
  }

  // Where the numbers of a tensor stand: those of pictures in the kernels' memory.
  #store(tensor) {
    need(tensor.shape[0] === 1, "a tensor is none of one picture");
    if (tensor.shape.length === 4) {
      tensor.pictures = new Pictures(this.memory, tensor.shape, TOGETHER);
      this.zeros = Math.max(this.zeros, tensor.pictures.width * tensor.pictures.channels);
    } else {
      tensor.size = tensor.shape.reduce((a, b) => a * b, 1);
      tensor.list = new Float32Array(TOGETHER * tensor.size);
    }
    return tensor;
  }

  #step(operation) {
    if (operation.kind === "sizes") return () => {};
    const read = operation.inputs.map((number) => this.tensors[number] ?? null), to = this.#store(this.tensors[operation.outputs[0]]);
    const work = STEPS[operation.kind](this, operation, read, to);
    return operation.activation !== "relu" || work.rectified ? work : (count) => { work(count); this.rectify(to, count); };
  }

  /** Makes zeros of what is negative in the first `count` of some pictures, or lists. */
  rectify({ pictures, list, size }, count) {
    if (list) for (let i = 0; i < count * size; i++) list[i] = Math.max(list[i], 0);
    else {
      for (let n = 0; n < count; n++) {
        for (let y = 0; y < pictures.height; y++) {
          const row = pictures.address(n, y, 0);
          this.kernels.addRelu(row, this.work.zeros, row, pictures.width * pictures.channels / LANES);
        }
      }
    }
  }
}

const readOf = ({ pictures, list, size }, n) => (pictures ? pictures.read(n) : list.slice(n * size, (n + 1) * size));
const rectified = (work) => Object.assign(work, { rectified: true });
function need(holds, reason) { if (!holds) throw new Error(reason); }

// operation -> (network, operation, what it reads, what it writes) -> a function that does it for the first `count` pictures.
const STEPS = {
  convolution(network, operation, [{ pictures: from }, { shape, values: weights }, constant], { pictures: to }) {
    const relu = operation.activation === "relu", bias = constant?.values ?? new Float32Array(to.channels);
    need(from && weights && shape[3] === from.channels && to.channels % COLUMNS === 0, "a convolution has no kernel");
    if (!isTiled(operation, shape)) return plainConvolution(network, from, to, weights, shape, bias, operation);
    const group = shared(to, TOGETHER), kernels = kernelsOf(from, to, relu, group), tiles = group * to.down * to.across;
    network.shapes.set(kernels.key, kernels);
    network.fields = Math.max(network.fields, PLACES * tiles * from.channels);
    network.products = Math.max(network.products, PLACES * tiles * to.channels);
    return rectified(tiledConvolution(network, from, to, weights, bias, relu, group, Number(operation.same)));
  },

  add(network, { activation }, [a, b], to) {
    if (!a.pictures || !b.pictures) return withConstant(network, a, b, to, true);
    need(a.pictures.size === b.pictures.size && a.pictures.channels % LANES === 0, "a sum of pictures of two sizes has no kernel");
    const name = activation === "relu" ? "addRelu" : "add";
    return rectified((count) => network.kernels[name](a.pictures.at, b.pictures.at, to.pictures.at, count * to.pictures.size / LANES));
  },

  multiply(network, operation, [a, b], to) { return withConstant(network, a, b, to, false); },

  relu(network, operation, [from], to) {
    return (count) => {
      if (from.list) to.list.set(from.list);
      else for (let n = 0; n < count; n++) to.pictures.write(n, from.pictures.read(n));
      network.rectify(to, count);
    };
  },

  maximum(network, { same, across, down, width, height }, [{ pictures: from }], { pictures: to }) {
    need(from, "a pooling of lists has no kernel");
    const top = same ? border(from.height, to.height, down, height) : 0, left = same ? border(from.width, to.width, across, width) : 0;
    const window = (at, before, step, size, limit) => [Math.max(at * step - before, 0), Math.min(at * step - before + size, limit)];
    return (count) => {
      for (let n = 0; n < count; n++) {
        for (let y = 0; y < to.height; y++) {
          const rows = window(y, top, down, height, from.height);
          for (let x = 0; x < to.width; x++) largest(network.memory.floats, from, n, rows, window(x, left, across, width, from.width), to.address(n, y, x) / 4);
        }
      }
    };
  },

  mean(network, operation, [{ pictures: from }, { values: axes }], { list, size }) {
    need(from && list && String(axes) === PIXEL_AXES, "a mean over other axes has no kernel");
    const sums = new Float64Array(size);
    return (count) => {
      const { floats } = network.memory;
      for (let n = 0; n < count; n++) {
        sums.fill(0);
        for (let y = 0; y < from.height; y++) for (let x = 0; x < from.width; x++) for (let c = 0, at = from.address(n, y, x) / 4; c < size; c++) sums[c] += floats[at + c];
        for (let c = 0; c < size; c++) list[n * size + c] = sums[c] / (from.height * from.width);
      }
    };
  },

  dense(network, operation, [{ list: from, size: inputs }, { shape, values: weights }, constant], { list, size }) {
    need(from && weights && shape[1] === inputs && shape[0] === size, "a dense layer over several rows has no kernel");
    return (count) => {
      for (let at = 0; at < count * size; at++) {
        const n = Math.floor(at / size), o = at % size;
        let sum = constant?.values?.[o] ?? 0;
        for (let i = 0; i < inputs; i++) sum += weights[o * inputs + i] * from[n * inputs + i];
        list[at] = sum;
      }
    };
  },

  reshape(network, operation, [from], { list, size }) {
    const values = from.list ? from.size : from.pictures && from.shape.reduce((a, b) => a * b, 1);
    need(list && values === size, "a reshaping into pictures has no kernel");
    return (count) => { for (let n = 0; n < count; n++) list.set(readOf(from, n), n * size); };
  },
};

// The largest of a window's numbers, for each channel.
function largest(floats, from, n, [top, bottom], [left, right], to) {
  const { channels, line } = from, first = from.address(n, top, left) / 4;
  floats.copyWithin(to, first, first + channels);
  for (let y = top; y < bottom; y++) {
    for (let x = left, at = first + (y - top) * line; x < right; x++, at += channels) {
      for (let c = 0; c < channels; c++) { const value = floats[at + c]; if (value > floats[to + c]) floats[to + c] = value; }
    }
  }
}

// One number for all, or one a channel, on either side; joined by a sum, or by a product.
function withConstant(network, a, b, to, isSum) {
  const [{ pictures, list, shape, size }, { values }] = a.values ? [b, a] : [a, b], channels = shape.at(-1);
  need(values && (pictures || list) && (values.length === 1 || values.length === channels), "a sum or product with other than a number a channel has no kernel");
  const constants = Float32Array.from({ length: channels }, (_, c) => values[values.length === 1 ? 0 : c]);
  const join = (numbers, from, into, target, count) => {
    for (let i = 0, c = 0; i < count; i++, c = c + 1 === channels ? 0 : c + 1) into[target + i] = isSum ? numbers[from + i] + constants[c] : numbers[from + i] * constants[c];
  };
  if (list) return (count) => join(list, 0, to.list, 0, count * size);
  return (count) => {
    const { floats } = network.memory, { height, width } = pictures;
    for (let n = 0; n < count; n++) for (let y = 0; y < height; y++) join(floats, pictures.address(n, y, 0) / 4, floats, to.pictures.address(n, y, 0) / 4, width * channels);
  };
}
