// The kernels of a network's convolutions as WebAssembly: a product of matrices, and Winograd's transforms of tiles.
//
// A convolution of 3 x 3 makes 4 x 4 pixels of 6 x 6 from 36 products a pair of channels, where the plain one takes 144 (Lavin and Gray, Fast
// Algorithms for Convolutional Neural Networks, 2016: F(4 x 4, 3 x 3)). A tile's 36 numbers become 36 others; for each of these places one matrix
// product goes from the channels of all tiles to the channels of the result; then 16 numbers are made of 36.
import { add, addF, assemble, fusedF, get, I32, i32, load, loadSplat, maxF, multiplyF, repeat, set, splatF, store, subtract, subtractF, tee, V128 } from "../../kernels/assembler.js";

export const TILE = 4, FIELD = 6, PLACES = FIELD * FIELD, LANES = 4;
/** Rows and columns of a product that are computed at once: as many sums as fit into sixteen registers beside what is multiplied. */
export const ROWS = 6, COLUMNS = 8;
const DEPTH = 4, VECTORS = COLUMNS / LANES, BYTES = 4 * LANES;

/** Filters (3) -> the six places. */
export const FILTER = [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]];
const INPUT = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]];
const OUTPUT = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]];

// A product and a sum in one step lack a rounding, and take half the time; a browser without it does them in two.
const multiplyAdd = (fused, a, b, sum) => (fused ? [...a, ...b, ...sum, ...fusedF] : [...sum, ...a, ...b, ...multiplyF, ...addF]);
const PROBE = { probe: { parameters: 0, locals: [[1, V128]], code: [get(0), get(0), get(0), fusedF, set(0)] } };

/** Whether this browser multiplies and adds in one step. */
export const hasFused = () => WebAssembly.validate(assemble(PROBE));

/**
 * c = a b for `count` times `rows` rows and COLUMNS columns. Parameters: a, bytes of a row of a, b (depth after depth, COLUMNS numbers each), c, bytes of a
 * row of c, depth (a multiple of 4), count.
 */
function product(rows, fused) {
  const [A, A_ROW, B, C, C_ROW, K, COUNT] = [0, 1, 2, 3, 4, 5, 6], starts = Array.from({ length: rows }, (_, r) => 7 + r), at = 7 + rows, left = at + 1;
  const values = left + 1, b = (v) => values + v, a = values + VECTORS, sum = (r, v) => a + 1 + r * VECTORS + v, code = [];
  const body = [get(A), set(starts[0])];
  for (let r = 1; r < rows; r++) body.push(get(starts[r - 1]), get(A_ROW), add, set(starts[r]));
  body.push(get(B), set(at), get(K), set(left));
  for (let r = 0; r < rows; r++) for (let v = 0; v < VECTORS; v++) body.push(splatF(0), set(sum(r, v)));
  const inner = [];
  for (let k = 0; k < DEPTH; k++) {
    for (let v = 0; v < VECTORS; v++) inner.push(get(at), load(BYTES * (k * VECTORS + v)), set(b(v)));
    for (let r = 0; r < rows; r++) {
      inner.push(get(starts[r]), loadSplat(4 * k), set(a));
      for (let v = 0; v < VECTORS; v++) inner.push(multiplyAdd(fused, get(a), get(b(v)), get(sum(r, v))), set(sum(r, v)));
    }
  }
  for (const start of starts) inner.push(get(start), i32(4 * DEPTH), add, set(start));
  inner.push(get(at), i32(BYTES * VECTORS * DEPTH), add, set(at), get(left), i32(DEPTH), subtract, tee(left));
  body.push(repeat(...inner));
  for (let r = 0; r < rows; r++) {
    for (let v = 0; v < VECTORS; v++) body.push(get(C), get(sum(r, v)), store(BYTES * v));
    body.push(get(C), get(C_ROW), add, set(C));
  }
  for (let r = 0; r < rows; r++) body.push(get(A), get(A_ROW), add, set(A));
  body.push(get(COUNT), i32(1), subtract, tee(COUNT));
  code.push(repeat(...body));
  return { parameters: 7, locals: [[rows + 2, I32], [VECTORS + 1 + rows * VECTORS, V128]], code };
}

// The sum of coefficients times locals, as instructions.
function combination(row, first, fused) {
  let code = null;
  row.forEach((factor, n) => {
    const value = get(first + n);
    if (!factor) return;
    if (code === null) code = factor === 1 ? value : [...value, ...splatF(factor), ...multiplyF];
    else if (factor === 1) code = [...code, ...value, ...addF];
    else if (factor === -1) code = [...code, ...value, ...subtractF];
    else code = multiplyAdd(fused, value, splatF(factor), code);
  });
  return code;
}

// Coefficients at both sides of a field of FIELD x FIELD numbers, one vector of channels: by columns into memory at `scratch`, then by rows.
function bothSides(matrix, from, to, scratch, first, fused) {
  const code = [], size = matrix.length;
  for (let x = 0; x < FIELD; x++) {
    for (let y = 0; y < FIELD; y++) code.push(from(y, x), set(first + y));
    matrix.forEach((row, y) => code.push(get(scratch), combination(row, first, fused), store(BYTES * (y * FIELD + x))));
  }
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < FIELD; x++) code.push(get(scratch), load(BYTES * (y * FIELD + x)), set(first + x));
    matrix.forEach((row, x) => code.push(...to(y, x, combination(row, first, fused))));
  }
  return code;
}

/** A tile's field, all channels. Parameters: its first pixel, its place among the transformed tiles, scratch, channels / 4. line: bytes of a picture's row. */
function intoPlaces(channels, line, step, fused) {
  const [FROM, TO, SCRATCH, COUNT] = [0, 1, 2, 3];
  const code = bothSides(INPUT, (y, x) => [...get(FROM), ...load(y * line + x * 4 * channels)], (y, x, value) => [get(TO), value, store((y * FIELD + x) * step)], SCRATCH, 4, fused);
  return { parameters: 4, locals: [[FIELD, V128]], code: repeatedly(code, [FROM, TO], COUNT) };
}

/** The reverse, with a bias and without what is negative if `relu`. Parameters: the tile's place, its first pixel, scratch, channels / 4, the biases. */
function outOfPlaces(channels, line, step, relu, fused) {
  const [FROM, TO, SCRATCH, COUNT, BIAS] = [0, 1, 2, 3, 4];
  const finish = (value) => [...value, ...get(BIAS), ...load(0), ...addF, ...(relu ? [...splatF(0), ...maxF] : [])];
  const code = bothSides(OUTPUT, (y, x) => [...get(FROM), ...load((y * FIELD + x) * step)], (y, x, value) => [get(TO), finish(value), store(y * line + x * 4 * channels)], SCRATCH, 5, fused);
  return { parameters: 5, locals: [[FIELD, V128]], code: repeatedly(code, [FROM, TO, BIAS], COUNT) };
}

/** a + b, without what is negative if `relu`. Parameters: a, b, where to, numbers / 4. */
function sum(relu) {
  const code = [get(2), get(0), load(0), get(1), load(0), addF, relu ? [...splatF(0), ...maxF] : [], store(0)];
  return { parameters: 4, locals: [], code: repeatedly(code, [0, 1, 2], 3) };
}

const repeatedly = (code, pointers, count) =>
  [repeat(...code, ...pointers.flatMap((local) => [get(local), i32(BYTES), add, set(local)]), get(count), i32(1), subtract, tee(count))];

/**
 * The kernels in one module, over `memory`. shapes: [{ key, input and output: { channels, line, step, relu } }] of the transforms, which are named
 * `in${key}` and `out${key}`; beside them product1 ... product6, add and addRelu.
 */
export function compileKernels(shapes, memory, fused) {
  const functions = { add: sum(false), addRelu: sum(true) };
  for (let rows = 1; rows <= ROWS; rows++) functions[`product${rows}`] = product(rows, fused);
  for (const { key, input, output } of shapes) {
    functions[`in${key}`] = intoPlaces(input.channels, input.line, input.step, fused);
    functions[`out${key}`] = outOfPlaces(output.channels, output.line, output.step, output.relu, fused);
  }
  return new WebAssembly.Instance(new WebAssembly.Module(assemble(functions)), { env: { memory } }).exports;
}
