// Maps that come from a few to some hundred passes over changed pictures, by the helpers: as `ferviz/attribution/methods/perturbation.py` and
// `region_shapley.py` do it, with their fill.
import { halfToEven } from "../maths/preprocess.js";
import { logOdds, shapleyValues } from "../maths/scores.js";

const FILL = "harmonic";

/** Every method takes (engine, { picture, masks, weights }, token, progress) -> { map, width, height, logits }. masks: of the regions. */
export const PASS_METHODS = { "region-occlusion": regionOcclusion, occlusion, regions };

const total = (logits, weights) => weights.reduce((sum, weight, k) => sum + weight * logits[k], 0);

async function occlusion(engine, { picture, weights }, token, progress) {
  const { width, height } = picture, side = Math.max(2, halfToEven(Math.min(width, height) / 6)), step = Math.max(1, side >> 1);
  const places = starts(height, side, step).flatMap((y) => starts(width, side, step).map((x) => [x, y]));
  const logits = await engine.call("logits", picture), whole = total(logits, weights);
  const parts = engine.parts(places).map((part) => [picture, side, FILL, part]);
  const answers = (await engine.spread("squares", parts, token, progress)).flat();
  const falls = new Float64Array(width * height), patches = new Float64Array(width * height);
  places.forEach(([left, top], n) => {
    const fall = whole - total(answers[n], weights);
    for (let y = top; y < top + side; y++) for (let x = left; x < left + side; x++) { falls[y * width + x] += fall; patches[y * width + x] += 1; }
  });
  return { map: Float32Array.from(falls, (sum, i) => sum / Math.max(patches[i], 1)), width, height, logits };
}

async function regionOcclusion(engine, { picture, masks, weights }, token, progress) {
  const all = (1 << masks.length) - 1, logits = await engine.call("logits", picture), whole = total(logits, weights);
  const answers = await logitsOfSets(engine, picture, masks, FILL, masks.map((_, r) => all ^ 1 << r), token, progress);
  return { ...painted(masks, answers.map((answer) => whole - total(answer, weights)), picture), logits };
}

async function regions(engine, { picture, masks, weights }, token, progress) {
  const sets = Array.from({ length: 1 << masks.length }, (_, set) => set);
  const answers = await logitsOfSets(engine, picture, masks, FILL, sets, token, progress);
  const values = shapleyValues(answers.map((logits) => logOdds(logits, weights)), masks.length);
  return { ...painted(masks, values, picture), logits: answers.at(-1) };
}

/** The logits with sets of regions to be seen, in their order; bit r of a set's number says that region r is. */
export async function logitsOfSets(engine, picture, masks, fill, sets, token, progress, first) {
  const parts = engine.parts(sets).map((part) => [picture, masks, fill, part]);
  return (await engine.spread("coalitions", parts, token, progress, first)).flat();
}

/** Values of regions as a map, each painted with its mask. */
export function painted(masks, values, { width, height }) {
  const map = new Float32Array(width * height);
  masks.forEach((mask, r) => mask.forEach((share, i) => { map[i] += share * values[r]; }));
  return { map, width, height };
}

function starts(length, side, step) {
  const list = [];
  for (let at = 0; at <= length - side; at += step) list.push(at);
  return list.at(-1) === length - side ? list : [...list, length - side];
}
