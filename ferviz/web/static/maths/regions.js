// The regions of a face as soft masks that sum to one, as `ferviz/faces/regions.py` places them, and the landmark network's numbers.
//
// The drawing of the regions in the template's frame comes from Python with the page's data, so that there is one of it.
import { gaussian } from "./fills.js";

const SIDE = 48, FINE = 16, SAMPLES = 4, SIGMA = 0.7, ERROR_UNIT = 6;
const WEIGHTS = [1, 1, 0.3, 1, 1], MIRROR = [1, 0, 2, 4, 3];

/** data: { names, template (5, 2), drawings: { border: [[length, region], ...] } } of the page's data; borders are "-1", "0" and "1". */
export function prepareDrawings(data) {
  const drawings = Object.entries(data.drawings).map(([border, runs]) => {
    const drawing = new Uint8Array((SIDE * FINE) ** 2);
    let at = 0;
    for (const [length, region] of runs) { drawing.fill(region, at, at + length); at += length; }
    return [border, drawing];
  });
  return { ...data, drawings: Object.fromEntries(drawings) };
}

/** Region masks: an array of (h w) in the order of the names. points: (5, 2), in pixels of that size; border: by how much borders lie lower. */
export function regionMasks(points, width, height, regions, border = 0) {
  const least = Math.min(width, height), samples = Math.max(1, Math.round(SAMPLES * SIDE / least));
  const index = carried(points, width, height, samples, regions.template, regions.drawings[border]);
  const masks = regions.names.map((_, region) => {
    const shares = new Float32Array(width * height);
    for (let y = 0; y < height * samples; y++) {
      for (let x = 0; x < width * samples; x++) {
        if (index[y * width * samples + x] === region) shares[Math.floor(y / samples) * width + Math.floor(x / samples)] += 1;
      }
    }
    return gaussian(shares.map((n) => n / samples ** 2), width, height, SIGMA * least / SIDE, "repeat");
  });
  for (let i = 0; i < width * height; i++) {
    let sum = 0;
    for (const mask of masks) sum += mask[i];
    for (const mask of masks) mask[i] /= sum;
  }
  return masks;
}

// The drawing seen through the inverse of the face's affine map, at `samples` points a pixel; beyond its frame is background.
function carried(points, width, height, samples, template, drawing) {
  const [[a, b, c], [d, e, f]] = affine(points, template), det = a * e - b * d;
  const inverse = [[e / det, -b / det], [-d / det, a / det]];
  const first = [0.5 / samples - 0.5 - c, 0.5 / samples - 0.5 - f];
  const rows = inverse.map(([p, q]) => [p * FINE / samples, q * FINE / samples, (p * first[0] + q * first[1] + 0.5) * FINE - 0.5]);
  const w = width * samples, h = height * samples, side = SIDE * FINE, out = new Uint8Array(w * h);
  // OpenCV's fixed point: steps of 1 / 1024, so that a sample on a border falls on the same side.
  const step = (value) => { const rounded = Math.round(value * 1024); return Math.abs(value * 1024 % 1) === 0.5 && rounded % 2 ? rounded - 1 : rounded; };
  for (let y = 0; y < h; y++) {
    const x0 = step(rows[0][1] * y + rows[0][2]) + 512, y0 = step(rows[1][1] * y + rows[1][2]) + 512;
    for (let x = 0; x < w; x++) {
      const u = (x0 + step(rows[0][0] * x)) >> 10, v = (y0 + step(rows[1][0] * x)) >> 10;
      if (u >= 0 && v >= 0 && u < side && v < side) out[y * w + x] = drawing[v * side + u];
    }
  }
  return out;
}

/** The affine map from the template's frame to a face, by weighted least squares: [[a, b, c], [d, e, f]]. */
export function affine(points, template) {
  const normal = [[0, 0, 0], [0, 0, 0], [0, 0, 0]], right = [[0, 0], [0, 0], [0, 0]];
  template.forEach(([x, y], n) => {
    const row = [x, y, 1];
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++) normal[i][j] += WEIGHTS[n] * row[i] * row[j];
      for (let k = 0; k < 2; k++) right[i][k] += WEIGHTS[n] * row[i] * points[n][k];
    }
  });
  for (let i = 0; i < 3; i++) {
    const pivot = normal[i][i];
    for (let j = 0; j < 3; j++) {
      if (j === i) continue;
      const factor = normal[j][i] / pivot;
      for (let k = 0; k < 3; k++) normal[j][k] -= factor * normal[i][k];
      for (let k = 0; k < 2; k++) right[j][k] -= factor * right[i][k];
    }
  }
  return [0, 1].map((k) => [0, 1, 2].map((i) => right[i][k] / normal[i][i]));
}

/** Points of a picture as points of the picture at another size; pixels count from the centre of the first. */
export const rescaled = (points, from, to) => points.map(([x, y]) => [(x + 0.5) * to / from - 0.5, (y + 0.5) * to / from - 0.5]);

/** A grey picture of 48 x 48 (and its mirror image) as the landmark network takes it. */
export function landmarkInput(grey, mirror) {
  let sum = 0, squares = 0;
  for (const value of grey) sum += value;
  const mean = sum / grey.length;
  for (const value of grey) squares += (value - mean) ** 2;
  const deviation = Math.sqrt(squares / grey.length) + 8;
  return Float32Array.from(grey, (_, i) => (grey[mirror ? i - (i % SIDE) + SIDE - 1 - (i % SIDE) : i] - mean) / deviation);
}

/** What the landmark network's numbers for a picture and its mirror image mean: { points (5, 2) of 48, face (a probability) }. */
export function decodeLandmarks(direct, mirrored, template) {
  const points = (out) => template.map(([x, y], n) => [out[2 * n] * ERROR_UNIT + x, out[2 * n + 1] * ERROR_UNIT + y]);
  const one = points(direct), two = points(mirrored), probability = (out) => 1 / (1 + Math.exp(-out[11]));
  return {
    points: one.map(([x, y], n) => [(x + SIDE - 1 - two[MIRROR[n]][0]) / 2, (y + two[MIRROR[n]][1]) / 2]),
    face: (probability(direct) + probability(mirrored)) / 2,
  };
}

/** Whether five points of a face of 48 pixels can be an upright face's. */
export function isPlausible(points, template) {
  if (!points.flat().every(Number.isFinite)) return false;
  if ((points[0][1] + points[1][1]) / 2 >= (points[3][1] + points[4][1]) / 2 || points[0][0] >= points[1][0]) return false;
  const [[a, b], [c, d]] = affine(points, template), det = a * d - b * c;
  const cosine = (a * b + c * d) / (Math.hypot(a, c) * Math.hypot(b, d));
  return det >= 0.3 && det <= 2.5 && Math.abs(Math.asin(Math.min(Math.max(cosine, -1), 1))) * 180 / Math.PI <= 25;
}
