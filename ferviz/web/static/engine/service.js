// What a worker computes. Pictures are { data, width, height, channels }, values 0..255, at the network's size.
import { LAYER_METHODS, PICTURE_METHODS, taughtMap } from "../maths/cam.js";
import { decodeFaces, detectorInput } from "../maths/detector.js";
import { fill } from "../maths/fills.js";
import { fromRGBA, resize, resizeMap, scaled } from "../maths/preprocess.js";
import { decodeLandmarks, isPlausible, landmarkInput, prepareDrawing, regionMasks } from "../maths/regions.js";
import { readFerviz } from "./ferviz_file.js";
import { Graphs } from "./network.js";

let network, table, landmarkGraphs, detectorGraphs, regions, grain;

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

/** The drawing of the regions, from the page's data. */
export function prepare(data) { regions = prepareDrawing(data.regions); }

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
    return { map: resizeMap(map, cells, cells, ...size), width: size[0], height: size[1], logits: Array.from(answer.logits) };
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

export function masks(points) { return regionMasks(points, table.input.width, table.input.height, regions); }

/** The logits with sets of regions to be seen; bit r of a set says that region r is. */
export async function coalitions(picture, points, kind, sets) {
  const parts = masks(points), all = (1 << parts.length) - 1, answers = [];
  for (const set of sets) {
    const hidden = new Float32Array(parts[0].length);
    if (set !== all) {
      for (let i = 0; i < hidden.length; i++) {
        let seen = 0;
        for (let r = 0; r < parts.length; r++) if (set & 1 << r) seen += parts[r][i];
        hidden[i] = 1 - seen;
      }
    }
    answers.push(await logits(set === all ? picture : fill(picture, hidden, kind, grain)));
  }
  return answers;
}

/** The logits with the pixels of the first `count` ranks hidden, or with only these to be seen. changes: [[count, shown], ...]. */
export async function deletions(picture, ranks, kind, changes) {
  const answers = [];
  for (const [count, shown] of changes) {
    const hidden = Float32Array.from(ranks, (rank) => (rank < count !== shown ? 1 : 0));
    answers.push(await logits(fill(picture, hidden, kind, grain)));
  }
  return answers;
}
