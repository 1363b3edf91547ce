// Two maps of one face, one less the other: on the coarser one's cells, each divided by its largest value.
import { areaWeights, resampled } from "./preprocess.js";

/**
 * a, b: { map, width, height } -> { map (a's share less b's), width, height, correlation }. Each is averaged over the cells of the coarser one first, so that
 * no difference is one of resolution, and divided by its largest absolute value, so that networks with larger logits do not win. Two maps that are
 * not negative differ by -1 to 1, signed ones by -2 to 2. correlation: of the cells of the two; NaN where one of them is the same everywhere.
 */
export function difference(a, b) {
  const width = Math.min(a.width, b.width), height = Math.min(a.height, b.height), [first, second] = [a, b].map((map) => normalised(cells(map, width, height)));
  return { map: first.map((value, i) => value - second[i]), width, height, correlation: correlation(first, second) };
}

const cells = ({ map, width, height }, newWidth, newHeight) => resampled(map, width, height, areaWeights(width, newWidth), areaWeights(height, newHeight));

function normalised(map) {
  const most = map.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  return most > 0 ? map.map((value) => value / most) : map;
}

function correlation(a, b) {
  const centred = (map) => { const mean = map.reduce((sum, value) => sum + value, 0) / map.length; return Float64Array.from(map, (value) => value - mean); };
  const [x, y] = [centred(a), centred(b)], product = (p, q) => p.reduce((sum, value, i) => sum + value * q[i], 0);
  return product(x, y) / Math.sqrt(product(x, x) * product(y, y));
}
