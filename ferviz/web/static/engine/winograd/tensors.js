// The numbers of a network in one memory of WebAssembly: pictures with a frame of zeros, and whole tiles of TILE x TILE pixels.
import { TILE } from "./kernels.js";

const PAGE = 65536, LIMIT = 2 ** 28;

export class Memory {
  constructor() {
    this.memory = new WebAssembly.Memory({ initial: 1 });
    this.used = 0;
  }

  /** Room for so many floats -> its place in bytes. */
  room(count) {
    const at = this.used;
    this.used += Math.ceil(count / 4) * 16;
    if (this.used > LIMIT) throw new Error("the network is too large");
    const missing = this.used - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE));
    return at;
  }

  /** Room for a list of floats, which are written there. */
  place(values) {
    const at = this.room(values.length);
    this.floats.set(values, at / 4);
    return at;
  }

  // A memory that grows has another buffer.
  get floats() {
    if (this.view?.buffer !== this.memory.buffer) this.view = new Float32Array(this.memory.buffer);
    return this.view;
  }
}

/** `count` pictures (height width channels): the pixel (y, x) stands at (y + 1, x + 1) of a picture's rows. */
export class Pictures {
  constructor(memory, [, height, width, channels], count) {
    Object.assign(this, { memory, height, width, channels, down: Math.ceil(height / TILE), across: Math.ceil(width / TILE) });
    this.line = (TILE * this.across + 2) * channels;
    this.size = (TILE * this.down + 2) * this.line;
    this.at = memory.room(this.size * count);
  }

  /** Bytes from the memory's beginning to a pixel of the n-th picture; (-1, -1) is the first one of its frame. */
  address(n, y, x) { return this.at + 4 * (n * this.size + (y + 1) * this.line + (x + 1) * this.channels); }

  #row(n, y) {
    const start = this.address(n, y, 0) / 4;
    return this.memory.floats.subarray(start, start + this.width * this.channels);
  }

  write(n, values) {
    const size = this.width * this.channels;
    for (let y = 0; y < this.height; y++) this.#row(n, y).set(values.subarray(y * size, (y + 1) * size));
  }

  read(n) {
    const size = this.width * this.channels, values = new Float32Array(this.height * size);
    for (let y = 0; y < this.height; y++) values.set(this.#row(n, y), y * size);
    return values;
  }

  /** Makes zeros again of what whole tiles have beyond the n-th picture. */
  clean(n) {
    const { floats } = this.memory, start = this.at / 4 + n * this.size, beyond = (this.width + 1) * this.channels;
    if (this.width % TILE) for (let y = 1; y <= this.height; y++) floats.fill(0, start + y * this.line + beyond, start + (y + 1) * this.line);
    if (this.height % TILE) floats.fill(0, start + (this.height + 1) * this.line, start + this.size);
  }
}
