// What is put where a part of a picture is hidden, as `ferviz/fills.py` does it. Planes are (h w), one a channel.

import { relaxation } from "../kernels/relaxation.js";

const BLUR = 4 / 48, SEEN = 0.02, SWEEPS = 16, RADIUS = 0.97, LANES = 4;
const RELAXED = LANES * SWEEPS; // the weights come first

// Of the steps of Chebyshev's acceleration.
const WEIGHTS = Array.from({ length: SWEEPS });
for (let sweep = 0, weight = 1; sweep < SWEEPS; sweep++) {
  if (sweep) weight = 1 / (1 - RADIUS ** 2 * weight / (sweep === 1 ? 2 : 4));
  WEIGHTS[sweep] = weight;
}

/** A copy of a picture { data, width, height, channels } whose hidden part is filled. hidden: (h w), 0 = seen, 1 = hidden. */
export function fill(picture, hidden, kind, grain) {
  const { data, width, height, channels } = picture, out = new Float32Array(data.length);
  for (let c = 0; c < channels; c++) {
    const plane = planeOf(data, channels, c), filler = fillers[kind](plane, hidden, width, height);
    for (let i = 0; i < plane.length; i++) {
      const noise = kind === "harmonic" && grain && hidden[i] > SEEN ? grain[i * channels + c] : 0;
      out[i * channels + c] = plane[i] * (1 - hidden[i]) + (filler[i] + noise) * hidden[i];
    }
  }
  return { ...picture, data: out };
}

const fillers = {
  harmonic: (plane, hidden, width, height) => harmonic(plane, hidden, width, height),
  blur: (plane, hidden, width, height) => blurred(plane, width, height),
  mean: (plane) => new Float32Array(plane.length).fill(mean(plane)),
  grey: (plane) => new Float32Array(plane.length).fill(128),
};

export const FILLS = Object.keys(fillers);

let latest = {}; // a picture is blurred once for all that is hidden of it, one after the other

function blurred(plane, width, height) {
  if (latest.plane !== plane) latest = { plane, values: gaussian(plane, width, height, BLUR * Math.min(width, height)) };
  return latest.values;
}

function planeOf(data, channels, c) {
  return channels === 1 ? data : Float32Array.from({ length: data.length / channels }, (_, i) => data[i * channels + c]);
}

function mean(values) {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

function harmonic(plane, hidden, width, height) {
  const unknown = new Uint8Array(hidden.length);
  let count = 0;
  for (let i = 0; i < hidden.length; i++) if (hidden[i] > SEEN) { unknown[i] = 1; count += 1; }
  if (count === hidden.length) return new Float32Array(plane.length).fill(mean(plane));
  return cascade(plane, unknown, width, height);
}

// Solves at half the size, enlarges, and relaxes at this size. A coarse pixel is known where any of its four is.
function cascade(plane, unknown, width, height) {
  const values = fromCoarse(plane, unknown, width, height);
  for (let i = 0; i < values.length; i++) if (!unknown[i]) values[i] = plane[i];
  return relaxed(values, unknown, width, height);
}

/** Moves every unknown pixel to the mean of its neighbours, with weights 1 2 1 / 2 4 2 / 1 2 1 of which nothing lies outside, a few times, by Chebyshev's
 * acceleration of Jacobi's steps: each goes on in the direction of the last, and takes its place. The pixels stand in a frame of zeros, so that
 * none is at a border.
 */
export function relaxed(values, unknown, width, height) {
  const row = width + 2, size = row * (height + 2), at = framed(width, height), scale = scaleOf(width, height);
  const kernel = relaxation(RELAXED + 3 * (size + LANES));
  if (!kernel) return relaxedSlowly(values, unknown, width, height);
  const { floats, relax } = kernel, [now, before, factor] = [0, 1, 2].map((n) => RELAXED + n * (size + LANES)), first = row + 1;
  floats.fill(0, RELAXED, RELAXED + 3 * (size + LANES));
  WEIGHTS.forEach((weight, n) => floats.fill(weight, LANES * n, LANES * (n + 1)));
  for (let i = 0; i < values.length; i++) {
    floats[now + at[i]] = floats[before + at[i]] = values[i];
    if (unknown[i]) floats[factor + at[i]] = scale[i];
  }
  const vectors = Math.ceil(((height - 1) * row + width) / LANES);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const [from, to] = sweep % 2 ? [before, now] : [now, before];
    relax(4 * (from + first), 4 * (to + first), 4 * (factor + first), 16 * sweep, 4 * row, vectors);
  }
  for (let i = 0; i < values.length; i++) values[i] = floats[(SWEEPS % 2 ? before : now) + at[i]];
  return values;
}

/** The same without WebAssembly. Only the unknown pixels are gone through. */
export function relaxedSlowly(values, unknown, width, height) {
  const row = width + 2, at = framed(width, height), scale = scaleOf(width, height);
  const free = new Int32Array(values.length), factor = new Float32Array(values.length);
  let now = new Float32Array(row * (height + 2)), count = 0;
  for (let i = 0; i < values.length; i++) {
    now[at[i]] = values[i];
    if (unknown[i]) { free[count] = at[i]; factor[count++] = scale[i]; }
  }
  let previous = now.slice();
  for (const weight of WEIGHTS) {
    for (let n = 0; n < count; n++) {
      const i = free[n], before = previous[i];
      previous[i] = before + weight * (aroundOf(now, i, row) * factor[n] - now[i] - before);
    }
    [now, previous] = [previous, now];
  }
  for (let n = 0, i = 0; i < values.length; i++) if (unknown[i]) values[i] = now[free[n++]];
  return values;
}

const aroundOf = (v, i, row) => (v[i - row - 1] + v[i - row + 1] + v[i + row - 1] + v[i + row + 1] + 2 * (v[i - row] + v[i - 1] + v[i + 1] + v[i + row]) + 4 * v[i]) / 16;

const frames = new Map(), scales = new Map();

function remembered(map, width, height, make) {
  const key = `${width} ${height}`;
  if (!map.has(key)) map.set(key, make());
  return map.get(key);
}

// Where each pixel stands within the frame.
const framed = (width, height) => remembered(frames, width, height, () =>
  Int32Array.from({ length: width * height }, (_, i) => (Math.floor(i / width) + 1) * (width + 2) + i % width + 1));

// What the weights around each pixel sum to, as a factor: less at the border.
const scaleOf = (width, height) => remembered(scales, width, height, () => {
  const ones = new Float32Array((width + 2) * (height + 2)), at = framed(width, height);
  for (const i of at) ones[i] = 1;
  return Float32Array.from(at, (i) => 2 / aroundOf(ones, i, width + 2));
});

function fromCoarse(plane, unknown, width, height) {
  if (height < 4 || width < 4) {
    let sum = 0, count = 0;
    plane.forEach((value, i) => { if (!unknown[i]) { sum += value; count += 1; } });
    return new Float32Array(plane.length).fill(sum / count);
  }
  const rows = Math.ceil(height / 2), columns = Math.ceil(width / 2), out = new Float32Array(plane.length);
  const sum = new Float32Array(rows * columns), count = new Float32Array(rows * columns);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (unknown[i]) continue;
      const cell = (y >> 1) * columns + (x >> 1);
      sum[cell] += plane[i];
      count[cell] += 1;
    }
  }
  const empty = new Uint8Array(rows * columns);
  for (let cell = 0; cell < sum.length; cell++) if (count[cell]) sum[cell] /= count[cell]; else empty[cell] = 1;
  const solved = cascade(sum, empty, columns, rows);
  for (let y = 0, i = 0; y < height; y++) for (let x = 0; x < width; x++, i++) out[i] = solved[(y >> 1) * columns + (x >> 1)];
  return out;
}

/** A plane blurred by a Gaussian, as cv2.GaussianBlur does it to floats. border: "reflect" (without the edge's own pixel) or "repeat". */
export function gaussian(plane, width, height, sigma, border = "reflect") {
  const radius = (Math.round(sigma * 8 + 1) | 1) >> 1;
  const kernel = Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma)));
  const total = kernel.reduce((a, b) => a + b);
  const at = border === "reflect" ? reflected : (i, size) => Math.min(Math.max(i, 0), size - 1);
  const wide = new Float32Array(plane.length), out = new Float32Array(plane.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = -radius; k <= radius; k++) sum += kernel[k + radius] * plane[y * width + at(x + k, width)];
      wide[y * width + x] = sum / total;
    }
  }
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = -radius; k <= radius; k++) sum += kernel[k + radius] * wide[at(y + k, height) * width + x];
      out[y * width + x] = sum / total;
    }
  }
  return out;
}

function reflected(i, size) {
  if (size === 1) return 0;
  while (i < 0 || i >= size) i = i < 0 ? -i : 2 * size - 2 - i;
  return i;
}
