// Writes WebAssembly: the few instructions that the kernels are made of, and a module of functions that share a memory.
//
// An instruction is a list of bytes; a function's code is a list of them. Numbers are LEB128, as everywhere in the format.

export const I32 = 0x7f, V128 = 0x7b;

function unsigned(number) {
  const bytes = [];
  do { bytes.push(number & 0x7f | (number > 0x7f ? 0x80 : 0)); number >>>= 7; } while (number);
  return bytes;
}

function signed(number) {
  const bytes = [];
  for (;;) {
    const low = number & 0x7f;
    number >>= 7;
    if (number === (low & 0x40 ? -1 : 0)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

const simd = (code) => [0xfd, ...unsigned(code)], access = (code, align) => (offset) => [...simd(code), align, ...unsigned(offset)];
const floats = (value) => [...new Uint8Array(Float32Array.of(value).buffer)];

export const get = (local) => [0x20, ...unsigned(local)];
export const set = (local) => [0x21, ...unsigned(local)];
export const tee = (local) => [0x22, ...unsigned(local)];
export const i32 = (value) => [0x41, ...signed(value)];
export const add = [0x6a], subtract = [0x6b];
export const load = access(0, 4), loadSplat = access(9, 2), store = access(11, 4);
export const differF = simd(0x42), select = simd(0x52);
export const addF = simd(0xe4), subtractF = simd(0xe5), multiplyF = simd(0xe6), maxF = simd(0xe9);
/** a * b + c in one step, where the browser has it. */
export const fusedF = simd(0x105);
export const splatF = (value) => [...simd(12), ...floats(value), ...floats(value), ...floats(value), ...floats(value)];

/** Runs `body` at least once, and again while the last value on its stack is not 0. */
export const repeat = (...body) => [0x03, 0x40, ...body.flat(), 0x0d, 0, 0x0b];

const section = (id, body) => [id, ...unsigned(body.length), ...body];
const vector = (list) => [...unsigned(list.length), ...list.flat()];
const name = (text) => vector([...text].map((letter) => [letter.charCodeAt(0)]));

/** A module's bytes. functions: { name: { parameters (how many, all i32), locals: [[count, type], ...], code } }; its memory is imported as env.memory. */
export function assemble(functions) {
  const names = Object.keys(functions), list = Object.values(functions);
  const types = list.map(({ parameters }) => [0x60, ...vector(Array(parameters).fill([I32])), 0]);
  const bodies = list.map(({ locals, code }) => {
    const body = [...vector(locals.filter(([count]) => count).map(([count, type]) => [...unsigned(count), type])), ...code.flat(), 0x0b];
    return [...unsigned(body.length), ...body];
  });
  return Uint8Array.from([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...section(1, vector(types)), ...section(2, vector([[...name("env"), ...name("memory"), 2, 0, 1]])),
    ...section(3, vector(list.map((_, n) => unsigned(n)))), ...section(7, vector(names.map((text, n) => [...name(text), 0, ...unsigned(n)]))),
    ...section(10, vector(bodies)),
  ]);
}
