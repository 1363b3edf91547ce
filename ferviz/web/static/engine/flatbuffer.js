// Fixes the batch of a LiteRT file: LiteRT.js runs fixed shapes only, and every file of ferviz leaves the number of pictures free.
//
// The change is made in a copy of the file's bytes: where a tensor's shape signature says "any" (-1), the shape and the signature
// get the number. Nothing moves, so no offset changes. Every offset is checked before it is followed.

const MODEL_SUBGRAPHS = 2, MODEL_SIGNATURES = 7, GRAPH_TENSORS = 0, TENSOR_SHAPE = 0, TENSOR_SIGNATURE = 7;
const SIGNATURE_INPUTS = 0, SIGNATURE_OUTPUTS = 1, SIGNATURE_KEY = 2, SIGNATURE_GRAPH = 4;

export class FileError extends Error {}

export class Reader {
  constructor(bytes) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.size = bytes.byteLength;
    if (this.size < 12 || String.fromCharCode(...bytes.subarray(4, 8)) !== "TFL3") throw new FileError("this is no LiteRT file");
  }
  u32(at) { this.inside(at, 4); return this.view.getUint32(at, true); }
  inside(at, size) { if (!(at >= 0 && at + size <= this.size)) throw new FileError("the file is damaged: an offset points out of it"); }
  reference(at) { const to = at + this.u32(at); this.inside(to, 4); return to; }
  // Position of a table's field, 0 where it is absent.
  field(table, number) {
    this.inside(table, 4);
    const vtable = table - this.view.getInt32(table, true);
    this.inside(vtable, 4);
    const length = this.view.getUint16(vtable, true);
    const slot = 4 + 2 * number;
    if (slot + 2 > length) return 0;
    this.inside(vtable, slot + 2);
    const offset = this.view.getUint16(vtable + slot, true);
    return offset && table + offset;
  }
  // -> [first position, count] of a vector field with entries of `size` bytes.
  vector(table, number, size = 4) {
    const at = this.field(table, number);
    if (!at) return [0, 0];
    const start = this.reference(at), count = this.u32(start);
    this.inside(start + 4, count * size);
    return [start + 4, count];
  }
  tables(table, number) {
    const [start, count] = this.vector(table, number);
    return Array.from({ length: count }, (_, i) => this.reference(start + 4 * i));
  }
  text(table, number) {
    const [start, count] = this.vector(table, number, 1);
    return new TextDecoder().decode(new Uint8Array(this.view.buffer, this.view.byteOffset + start, count));
  }
}

/** The names of a LiteRT file's signatures. */
export function signatures(bytes) {
  const reader = new Reader(bytes);
  return reader.tables(reader.reference(0), MODEL_SIGNATURES).map((signature) => reader.text(signature, SIGNATURE_KEY));
}

/** A signature of a LiteRT file: { graph: its number, inputs and outputs: { name: number of the tensor in that graph } }. */
export function signatureNamed(reader, name) {
  const signature = reader.tables(reader.reference(0), MODEL_SIGNATURES).find((table) => reader.text(table, SIGNATURE_KEY) === name);
  if (!signature) throw new FileError(`the file has no signature ${name}`);
  const number = (table, field) => { const at = reader.field(table, field); return at ? reader.u32(at) : 0; };
  const named = (field) => Object.fromEntries(reader.tables(signature, field).map((table) => [reader.text(table, 0), number(table, 1)]));
  return { graph: number(signature, SIGNATURE_GRAPH), inputs: named(SIGNATURE_INPUTS), outputs: named(SIGNATURE_OUTPUTS) };
}

/** A copy of a LiteRT file in which every free dimension is `batch` times what one picture needs. */
export function fixBatch(bytes, batch) {
  const copy = bytes.slice();
  const reader = new Reader(copy);
  for (const graph of reader.tables(reader.reference(0), MODEL_SUBGRAPHS)) {
    for (const tensor of reader.tables(graph, GRAPH_TENSORS)) {
      const [signature, rank] = reader.vector(tensor, TENSOR_SIGNATURE);
      const [shape, count] = reader.vector(tensor, TENSOR_SHAPE);
      if (!rank) continue;
      if (rank !== count) throw new FileError("the file is damaged: a tensor has two ranks");
      for (let i = 0; i < rank; i++) {
        if (reader.view.getInt32(signature + 4 * i, true) >= 0) continue;
        const size = batch * Math.max(reader.view.getInt32(shape + 4 * i, true), 1);
        reader.view.setInt32(signature + 4 * i, size, true);
        reader.view.setInt32(shape + 4 * i, size, true);
      }
    }
  }
  return copy;
}

/** A copy of a LiteRT file without any graph but the first, which is that of its first signature; name: what that has to be called. */
export function onlyFirst(bytes, name) {
  const copy = bytes.slice(), reader = new Reader(copy), model = reader.reference(0);
  if (signatures(copy)[0] !== name) throw new FileError(`the file's first graph is not ${name}`);
  for (const list of [MODEL_SUBGRAPHS, MODEL_SIGNATURES]) reader.view.setUint32(reader.vector(model, list)[0] - 4, 1, true);
  return copy;
}
