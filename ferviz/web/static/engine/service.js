// What a worker computes. Pictures are { data, width, height, channels }, values 0..255, at the network's size.
import { squareAt } from "../maths/brush.js";
import { LAYER_METHODS, PICTURE_METHODS, spreadCells, taughtMap } from "../maths/cam.js";
import { decodeFaces, detectorInput } from "../maths/detector.js";
import { fill } from "../maths/fills.js";
import { fromRGBA, resize, resizeMap, scaled } from "../maths/preprocess.js";
import { decodeLandmarks, isPlausible, landmarkInput, prepareDrawings, regionMasks } from "../maths/regions.js";
import { readFerviz } from "./ferviz_file.js";
import { onlyFirst } from "./flatbuffer.js";
import { Graphs, startRuntime, timed } from "./network.js";

const PROBES = 4, TOLERANCE = 1e-4;
let network, table, landmarkGraphs, detectorGraphs, regions, grain, batches;

/** Opens a network; the one before is closed. noise: of the harmonic fill. -> its table, and which graphs it has. */
export async function open(bytes, noise) {
  const file = await readFerviz(bytes);
  const graphs = await Graphs.open(file.content);
  if (!graphs.has("predict")) throw new Error("the compiled network cannot predict; compile it again");
  network?.close();
  network = graphs;
  table = file.table;
  grain = noise;
  await logits({ data: new Float32Array(table.input.height * table.input.width * table.input.channels) });
  return { table, graphs: graphs.names };
}

/** Lets the page's own kernels predict, where they say the same and say it sooner. -> as of Graphs.hasten. */
export function hasten() {
  const { height, width, channels } = table.input, pictures = probes(PROBES, height * width * channels);
  return network.hasten("predict", "picture", [1, height, width, channels], pictures.map(({ data }) => scaled(data, table.input)));
}

/** The drawings of the regions, from the page's data. */
export function prepare(data) { regions = prepareDrawings(data.regions); }

export async function openLandmarks(bytes) { landmarkGraphs = await Graphs.open(bytes); }
export async function openDetector(bytes) { detectorGraphs = await Graphs.open(bytes); }

/** Faces of an RGBA picture of `side` x `side` pixels, see maths/detector.js. */
export async function detect(rgba, side, threshold) {
  const answer = await detectorGraphs.run(`detect${side}`, { picture: [detectorInput(rgba), [1, side, side, 3]] });
  return decodeFaces(answer, side, threshold);
}

/** A face crop in RGBA -> the picture at the network's size, and five landmarks in its pixels. points: those of a detector, or null. */
export async function face(rgba, width, height, points) {
  const { input } = table, crop = fromRGBA(rgba, width, height, input.channels);
  const picture = resize(crop, input.width, input.height, input.resize === "uint8");
  const scale = ([x, y], from, to) => [(x + 0.5) * to[0] / from[0] - 0.5, (y + 0.5) * to[1] / from[1] - 0.5];
  const size = [input.width, input.height], frame = (list, from) => list.map((point) => scale(point, from, size));
  const usable = points && isPlausible(points.map((p) => scale(p, [width, height], [48, 48])), regions.template);
  if (usable) return { picture, points: frame(points, [width, height]), source: "detector", face: 1 };
  const located = await locate(fromRGBA(rgba, width, height, 1));
  const template = !located || located.face < 0.5 || !isPlausible(located.points, regions.template);
  return {
    picture, points: frame(template ? regions.template : located.points, [48, 48]),
    source: template ? "template" : "network", face: located ? located.face : 1,
  };
}

async function locate(grey) {
  if (!landmarkGraphs) return null;
  const small = resize(grey, 48, 48, true).data, name = landmarkGraphs.names[0];
  const [direct, mirrored] = [await one(small, false), await one(small, true)];
  return decodeLandmarks(direct, mirrored, regions.template);
  async function one(data, mirror) {
    const answer = await landmarkGraphs.run(name, { picture: [landmarkInput(data, mirror), [1, 48, 48, 1]] });
    return Object.values(answer)[0];
  }
}

function input(picture) {
  const { height, width, channels } = table.input;
  return [scaled(picture.data, table.input), [1, height, width, channels]];
}

/** The network's logits for a picture. */
export async function logits(picture) {
  return Array.from((await network.run("predict", { picture: input(picture) }, ["logits"])).logits);
}

/** A map: { map (h w), width, height, logits, signed }. weights: one number a class. */
export async function explain(picture, method, layer, weights, signed) {
  const size = [table.input.width, table.input.height], feed = [Float32Array.from(weights), [1, weights.length]];
  if (method === "fastshap") {
    const answer = await network.run("explain", { picture: input(picture) }, ["values", "logits"]), { map, cells } = taughtMap(answer.values, weights);
    return { map: resizeMap(spreadCells(map, cells), cells, cells, ...size), width: size[0], height: size[1], logits: Array.from(answer.logits) };
  }
  if (PICTURE_METHODS[method]) {
    const answer = await network.run("picture", { picture: input(picture), weights: feed });
    const map = PICTURE_METHODS[method](input(picture)[0], answer.gradient, size[0] * size[1], table.input.channels);
    return { map, width: size[0], height: size[1], logits: Array.from(answer.logits) };
  }
  const at = await atLayer(picture, layer, feed);
  const shape = table.layers.find((row) => row[0] === layer)[2];
  const [height, width, channels] = shape.length === 3 ? shape : shape.slice(-3);
  const map = LAYER_METHODS[method](at.activation, at.gradient, height * width, channels, !signed);
  return { map, width, height, logits: at.logits };
}

async function atLayer(picture, layer, feed) {
  if (layer === table.default && network.has("head")) {
    const trunk = await network.run("predict", { picture: input(picture) });
    const [height, width, channels] = table.layers.find((row) => row[0] === layer)[2];
    const activation = trunk.activation, shape = [1, height, width, channels];
    const { gradient } = await network.run("head", { activation: [activation, shape], weights: feed }, ["gradient"]);
    return { activation, gradient, logits: Array.from(trunk.logits) };
  }
  const names = { activation: `activation/${layer}`, gradient: `gradient/${layer}` };
  const answer = await network.run("gradients", { picture: input(picture), weights: feed }, [...Object.values(names), "logits"]);
  return { activation: answer[names.activation], gradient: answer[names.gradient], logits: Array.from(answer.logits) };
}

/** Every channel of a layer: { values (h w C), width, height, channels }. */
export async function activation(picture, layer) {
  const [height, width, channels] = table.layers.find((row) => row[0] === layer)[2], name = `activation/${layer}`;
  const answer = await network.run(layer === table.default ? "predict" : "layers", { picture: input(picture) });
  return { values: answer[name] ?? answer.activation, width, height, channels };
}

/** How the logits change where one channel of the last map is 0, or null where the file cannot be entered there. */
export async function without(picture, layer, channel) {
  if (layer !== table.default || !network.has("head")) return null;
  const [height, width, channels] = table.layers.find((row) => row[0] === layer)[2], trunk = await network.run("predict", { picture: input(picture) });
  const activation = trunk.activation.slice();
  for (let i = channel; i < activation.length; i += channels) activation[i] = 0;
  const zero = [new Float32Array(table.labels.length), [1, table.labels.length]];
  const { logits: changed } = await network.run("head", { activation: [activation, [1, height, width, channels]], weights: zero }, ["logits"]);
  return Array.from(changed, (value, k) => value - trunk.logits[k]);
}

/** The logits of a picture whose part is hidden, and the picture itself. hidden: (h w), 0 = seen, 1 = hidden. */
export async function masked(picture, hidden, kind) {
  const changed = fill(picture, hidden, kind, grain);
  return { logits: await logits(changed), picture: changed };
}

/** The masks of the regions. border: -1 or 1 = with every border between two of them a pixel of 48 higher or lower. */
export function masks(points, border = 0) { return regionMasks(points, table.input.width, table.input.height, regions, border); }

/** The logits with sets of regions to be seen; bit r of a set says that region r is. masks: of the regions, (h w) each. */
export function coalitions(picture, masks, kind, sets) {
  const all = (1 << masks.length) - 1;
  return logitsOf(sets.map((set) => () => {
    if (set === all) return picture;
    const hidden = new Float32Array(masks[0].length).fill(1);
    masks.forEach((mask, r) => { if (set & 1 << r) for (let i = 0; i < hidden.length; i++) hidden[i] -= mask[i]; });
    return fill(picture, hidden, kind, grain);
  }));
}

/** The logits with the pixels of the first `count` ranks hidden, or with only these to be seen. changes: [[count, shown], ...]. */
export const deletions = (picture, ranks, kind, changes) => logitsOf(changes.map(([count, shown]) => () =>
  fill(picture, Float32Array.from(ranks, (rank) => (rank < count !== shown ? 1 : 0)), kind, grain)));

/** The logits with a square hidden, whose left upper corner is at each of `places`. */
export const squares = (picture, side, kind, places) => logitsOf(places.map((place) => () =>
  fill(picture, squareAt(place, side, picture.width, picture.height), kind, grain)));

// The logits of many pictures: on the processor, or as many as a batch has on the graphics processor. pictures: functions that make them.
async function logitsOf(pictures) {
  const answers = [];
  if (!batches) return (await network.runAll("predict", pictures.map((make) => ({ picture: input(make()) })), ["logits"])).map((answer) => Array.from(answer.logits));
  for (let at = 0; at < pictures.length; at += batches.batch) answers.push(...await batchOf(pictures.slice(at, at + batches.batch).map((make) => make())));
  return answers;
}

// The logits of a batch of pictures; what is missing of it stays empty.
async function batchOf(pictures) {
  const { height, width, channels } = table.input, size = height * width * channels, values = new Float32Array(batches.batch * size);
  pictures.forEach(({ data }, n) => values.set(scaled(data, table.input), n * size));
  const { logits: told } = await batches.run("predict", { picture: [values, [batches.batch, height, width, channels]] }, ["logits"]);
  return pictures.map((_, n) => Array.from(told.subarray(n * table.labels.length, (n + 1) * table.labels.length)));
}

/**
 * Opens a network on the graphics processor: what asks about many pictures is computed there from now on. Throws where its answers are not those of
 * the processor. -> the milliseconds a picture that the two of them take.
 */
export async function openBatches(bytes, noise, batch, precision) {
  await startRuntime(true);
  await open(bytes, noise);
  await hasten();
  const graphs = await Graphs.open(onlyFirst((await readFerviz(bytes)).content, "predict"), { batch, gpu: true, precision });
  const size = table.input.height * table.input.width * table.input.channels, pictures = probes(batch, size), each = pictures.slice(0, PROBES);
  const [processor, expected] = await timed(() => each.reduce(async (list, picture) => [...await list, await logits(picture)], []));
  batches = graphs;
  try {
    await batchOf(pictures); // the first run compiles
    const [graphics, told] = await timed(() => batchOf(pictures)), values = expected.flat();
    const range = Math.max(...values) - Math.min(...values);
    const equal = told.every((row, n) => row.every((value, k) => Math.abs(value - expected[n % PROBES][k]) <= TOLERANCE * range));
    if (!equal) throw new Error("the graphics processor's answers are not the processor's");
    return { processor: processor / each.length, graphics: graphics / batch };
  } catch (error) {
    batches = null;
    graphs.close();
    throw error;
  }
}

// Pictures without a pattern, four different ones again and again, so that every place of a batch is tested.
function probes(count, size) {
  let state = 1;
  const different = Array.from({ length: PROBES }, (_, n) => ({ data: Float32Array.from({ length: size }, () => {
    state = (state * 48271) % 2147483647;
    return 255 * (state / 2147483647) ** (n + 1);
  }) }));
  return Array.from({ length: count }, (_, n) => different[n % PROBES]);
}
