// What networks say about every face of the data: asked once a network, and filled in as the answers come.
import { allNetworks, serverName } from "../ui/networks.js";
import { runIn, unpack } from "../ui/server.js";

const known = new Map(); // record of a network -> Predictions

/** Answers to N faces; classes are those of the data, whatever the network's order. */
class Predictions {
  constructor(count, classes) {
    this.count = count;
    this.classes = classes;
    this.done = 0;
    this.values = new Float32Array(count * classes.length);
    this.answers = new Int16Array(count).fill(-1);
  }

  take(start, values, columns, width) {
    const rows = values.length / width, size = this.classes.length;
    for (let i = 0; i < rows; i++) {
      let best = -1, most = -1;
      for (let k = 0; k < width; k++) {
        const p = values[i * width + k];
        if (columns[k] >= 0) this.values[(start + i) * size + columns[k]] = p;
        if (p > most) { most = p; best = columns[k]; }
      }
      this.answers[start + i] = best; // -1: a class that the data does not have
    }
    this.done = start + rows;
  }

  p(face, k) { return this.values[face * this.classes.length + k]; }
}

/** The answers of a network, as far as they are known. */
export const predictionsOf = (record) => known.get(record);

/** Asks a network about every face, once. changed: called whenever there is more. */
export async function predict(record, index, box, changed) {
  if (known.get(record)?.done === index.count) return;
  const predictions = new Predictions(index.count, index.classes);
  known.set(record, predictions);
  let columns = null, width = 0;
  const name = allNetworks().length > 1 ? `${record.name}: ` : "";
  await runIn(box, { task: "predict", network: await serverName(record) }, ({ labels, start, probabilities }) => {
    if (labels) {
      width = labels.length;
      columns = labels.map((label) => index.classes.indexOf(label));
      if (columns.every((column) => column < 0)) throw new Error(`${record.name} and the data share no class`);
      return null;
    }
    predictions.take(start, unpack(probabilities), columns, width);
    changed();
    return [`${name}${predictions.done.toLocaleString("en")} of ${index.count.toLocaleString("en")} faces answered`, predictions.done / index.count];
  });
}

/** Wilson's 95 % interval of a share. */
export function wilson(hits, count) {
  if (!count) return [0, 1];
  const z = 1.96, p = hits / count, middle = (p + z * z / (2 * count)) / (1 + z * z / count);
  const half = z * Math.sqrt(p * (1 - p) / count + z * z / (4 * count * count)) / (1 + z * z / count);
  return [middle - half, middle + half];
}
