// Reads a `.ferviz` file: a LiteRT file, a table in JSON, and a trailer of 64 bytes that says where the table lies.
import { FileError } from "./flatbuffer.js";

const MAGIC = "FERVIZ\r\n", TRAILER = 64, VERSION = 1, MAX_BYTES = 2 ** 28;

/** -> { content, table }, after the checksum has been compared where the browser offers one. */
export async function readFerviz(bytes) {
  if (bytes.length > MAX_BYTES) throw new FileError("the file has more than 256 MiB; such a network is too large for a page");
  const at = bytes.length - TRAILER;
  if (at < 12 || new TextDecoder("latin1").decode(bytes.subarray(at, at + 8)) !== MAGIC) {
    throw new FileError("this is no compiled network, or it is cut off; make one with: ferviz compile MODEL");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, TRAILER);
  const version = view.getUint32(8, true);
  if (version !== VERSION) {
    throw new FileError(`the compiled network is of version ${version}, and this page reads version ${VERSION}; compile it again`);
  }
  const length = Number(view.getBigUint64(16, true)), size = Number(view.getBigUint64(24, true));
  if (length + size + TRAILER !== bytes.length) throw new FileError("the file is damaged: its parts do not add up; compile the network again");
  if (self.crypto?.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.subarray(0, at)));
    if (digest.some((value, i) => value !== bytes[at + 32 + i])) {
      throw new FileError("the file is damaged: its checksum does not fit; compile the network again");
    }
  }
  let table;
  try {
    table = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(length, length + size)));
  } catch {
    throw new FileError("the file's table is damaged; compile the network again");
  }
  return { content: bytes.slice(0, length), table: checked(table) };
}

const isText = (value) => typeof value === "string" && value.length <= 2000;
const isTexts = (value, least = 0) => Array.isArray(value) && value.length >= least && value.length <= 10000 && value.every(isText);
const isSide = (value) => Number.isInteger(value) && value >= 1 && value <= 4096;

function checked(table) {
  const input = table?.input;
  const sound = input && isText(table.name) && isText(table.sha256) && isTexts(table.labels, 2) && isText(table.default) &&
    isTexts(table.gradients) && isTexts(table.activations) && isTexts(table.notes) &&
    ["softmax", "sigmoid", "linear"].includes(table.head) && isSide(input.height) && isSide(input.width) &&
    [1, 3].includes(input.channels) && ["0..1", "-1..1", "0..255", "standardize"].includes(input.scaling) &&
    ["rgb", "bgr"].includes(input.order) && ["uint8", "float"].includes(input.resize) && [1, 255].includes(input.unit) &&
    Array.isArray(table.layers) && table.layers.every((row) => Array.isArray(row) && row.length === 5 && isText(row[0]));
  if (!sound) throw new FileError("the file's table does not describe a compiled network; compile it again");
  return table;
}
