// Reads the first graph of a LiteRT file: its operations with what they read, write and are told. What a graph holds beyond the few kinds that the
// kernels know is an error, and LiteRT runs it.
import { Reader, signatureNamed } from "../flatbuffer.js";

const MODEL = { codes: 1, graphs: 2, buffers: 4 }, GRAPH = { tensors: 0, inputs: 1, operators: 3 };
const TENSOR = { shape: 0, type: 1, buffer: 2 }, OPERATOR = { code: 0, inputs: 1, outputs: 2, options: 4 }, CODE = { old: 0, name: 3 };
const ACTIVATIONS = ["none", "relu"], FLOAT = 0, INTEGER = 2;

const CONVOLUTION = { same: [0, "no"], across: [1, "int", 1], down: [2, "int", 1], activation: [3, "name"], dilationX: [4, "int", 1], dilationY: [5, "int", 1] };
const POOL = { same: [0, "no"], across: [1, "int", 1], down: [2, "int", 1], width: [3, "int", 1], height: [4, "int", 1], activation: [5, "name"] };
// "sizes" compute how many pictures there are, for a reshaping; here a tensor's own shape tells.
const KINDS = {
  0: ["add", { activation: [0, "name"] }], 3: ["convolution", CONVOLUTION], 9: ["dense", { activation: [0, "name"] }], 17: ["maximum", POOL],
  45: ["sizes", {}], 77: ["sizes", {}], 83: ["sizes", {}], 18: ["multiply", { activation: [0, "name"] }], 19: ["relu", {}], 22: ["reshape", {}], 40: ["mean", {}],
};

/**
 * content: a LiteRT file -> { operations: [{ kind, inputs, outputs, ...options }], tensors: [{ shape, values (of a constant), number }], inputs and
 * outputs ({ name: number of a tensor }) } of the signature `name`. Throws where it holds something else.
 */
export function readGraph(content, name) {
  const reader = new Reader(content), model = reader.reference(0), signature = signatureNamed(reader, name);
  const graph = reader.tables(model, MODEL.graphs)[signature.graph], buffers = reader.tables(model, MODEL.buffers), codes = reader.tables(model, MODEL.codes);
  const tensors = reader.tables(graph, GRAPH.tensors).map((table) => tensorOf(reader, table, buffers));
  const operations = reader.tables(graph, GRAPH.operators).map((table) => {
    const code = codes[integer(reader, table, OPERATOR.code, 0)], number = Math.max(byte(reader, code, CODE.old), integer(reader, code, CODE.name, 0));
    if (!KINDS[number]) throw new Error(`an operation of kind ${number} has no kernel`);
    const [kind, fields] = KINDS[number], options = reader.field(table, OPERATOR.options);
    const told = Object.entries(fields).map(([key, field]) => [key, optionOf(reader, options && reader.reference(options), ...field)]);
    return { kind, inputs: integers(reader, table, OPERATOR.inputs), outputs: integers(reader, table, OPERATOR.outputs), ...Object.fromEntries(told) };
  });
  return { tensors, operations, inputs: signature.inputs, outputs: signature.outputs };
}

function byte(reader, table, number) {
  const at = reader.field(table, number);
  return at ? reader.view.getUint8(at) : 0;
}

function integer(reader, table, number, absent) {
  const at = reader.field(table, number);
  return at ? reader.view.getInt32(at, true) : absent;
}

function integers(reader, table, number) {
  const [start, count] = reader.vector(table, number);
  return Array.from({ length: count }, (_, i) => reader.view.getInt32(start + 4 * i, true));
}

function optionOf(reader, options, number, kind, absent) {
  const value = !options ? absent ?? 0 : kind === "int" ? integer(reader, options, number, absent) : byte(reader, options, number);
  if (kind === "int") return value;
  if (kind === "no") return value === 0;
  if (!ACTIVATIONS[value]) throw new Error(`activation ${value} has no kernel`);
  return ACTIVATIONS[value];
}

function tensorOf(reader, table, buffers) {
  const type = byte(reader, table, TENSOR.type), shape = integers(reader, table, TENSOR.shape);
  const [start, size] = reader.vector(buffers[integer(reader, table, TENSOR.buffer, 0)], 0, 1);
  if (!size) return { shape, values: null };
  if (type !== FLOAT && type !== INTEGER) throw new Error(`numbers of type ${type} have no kernel`);
  const bytes = new Uint8Array(reader.view.buffer, reader.view.byteOffset + start, size).slice().buffer;
  return { shape, values: type === FLOAT ? new Float32Array(bytes) : new Int32Array(bytes) };
}
