// One step of the harmonic fill's relaxation, four pixels at once; where a browser has no vectors of numbers, the fill does it in JavaScript.
import { add, addF, assemble, differF, get, I32, i32, load, multiplyF, repeat, select, set, splatF, store, subtract, subtractF, tee, V128 } from "./assembler.js";

const BYTES = 16, NUMBER = 4;

/**
 * Parameters: the plane now, the plane before (which becomes the next one), factors (0 = stays as it is), a weight four times, bytes of a row, vectors. The first
 * three point to the first number of the first row; there is a row above and one below.
 */
function relax() {
  const [NOW, BEFORE, FACTOR, WEIGHT, ROW, COUNT] = [0, 1, 2, 3, 4, 5], [UP, MIDDLE, DOWN] = [6, 7, 8], [FACTORS, OLD] = [9, 10];
  // The rows' pointers stand one number to the left, for an access has no negative offset.
  const sum = (...values) => values.flatMap((value, n) => (n ? [...value, ...addF] : value));
  const at = (row, column) => [...get(row), ...load(NUMBER * (column + 1))], times = (value, factor) => [...value, ...splatF(factor), ...multiplyF];
  const corners = sum(at(UP, -1), at(UP, 1), at(DOWN, -1), at(DOWN, 1)), sides = sum(at(UP, 0), at(DOWN, 0), at(MIDDLE, -1), at(MIDDLE, 1));
  const around = times(sum(corners, times(sides, 2), times(at(MIDDLE, 0), 4)), 1 / 16);
  const next = [...around, ...get(FACTORS), ...multiplyF, ...at(MIDDLE, 0), ...subtractF, ...get(OLD), ...subtractF, ...get(WEIGHT), ...load(0), ...multiplyF, ...get(OLD), ...addF];
  const code = [
    get(NOW), i32(NUMBER), subtract, tee(MIDDLE), get(ROW), subtract, set(UP), get(MIDDLE), get(ROW), add, set(DOWN),
    repeat(
      get(FACTOR), load(0), set(FACTORS), get(BEFORE), load(0), set(OLD),
      get(BEFORE), next, get(OLD), get(FACTORS), splatF(0), differF, select, store(0),
      ...[UP, MIDDLE, DOWN, BEFORE, FACTOR].flatMap((pointer) => [get(pointer), i32(BYTES), add, set(pointer)]),
      get(COUNT), i32(1), subtract, tee(COUNT),
    ),
  ];
  return { parameters: 6, locals: [[3, I32], [2, V128]], code };
}

let kernel, memory;

/** -> { floats (room for `count` numbers at least), relax }, or null where the browser has no such instructions. */
export function relaxation(count) {
  if (kernel === undefined) {
    try {
      memory = new WebAssembly.Memory({ initial: 1 });
      kernel = new WebAssembly.Instance(new WebAssembly.Module(assemble({ relax: relax() })), { env: { memory } }).exports.relax;
    } catch {
      kernel = null;
    }
  }
  if (!kernel) return null;
  const missing = NUMBER * count - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / 65536));
  return { floats: new Float32Array(memory.buffer), relax: kernel };
}
