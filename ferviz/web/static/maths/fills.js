// What is put where a part of a picture is hidden, as `ferviz/fills.py` does it. Planes are (h w), one a channel.

const BLUR = 4 / 48, SEEN = 0.02, SWEEPS = 16, RADIUS = 0.97;

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
  blur: (plane, hidden, width, height) => gaussian(plane, width, height, BLUR * Math.min(width, height)),
  mean: (plane) => new Float32Array(plane.length).fill(mean(plane)),
  grey: (plane) => new Float32Array(plane.length).fill(128),
};

export const FILLS = Object.keys(fillers);

function planeOf(data, channels, c) {
  return channels === 1 ? data : Float32Array.from({ length: data.length / channels }, (_, i) => data[i * channels + c]);
}

function mean(values) {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

function harmonic(plane, hidden, width, height) {
  const unknown = Uint8Array.from(hidden, (share) => (share > SEEN ? 1 : 0));
  if (unknown.every(Boolean)) return new Float32Array(plane.length).fill(mean(plane));
  return cascade(plane, unknown, width, height);
}

// Solves at half the size, enlarges, and relaxes at this size. A coarse pixel is known where any of its four is.
function cascade(plane, unknown, width, height) {
  const coarse = fromCoarse(plane, unknown, width, height);
  let values = plane.map((value, i) => (unknown[i] ? coarse[i] : value));
  const scale = scaleOf(width, height);
  // Chebyshev's acceleration of Jacobi's steps: each goes on in the direction of the last.
  let previous = values, weight = 1;
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const smooth = smoothed(values, width, height), next = new Float32Array(values.length);
    if (sweep) weight = 1 / (1 - RADIUS ** 2 * weight / (sweep === 1 ? 2 : 4));
    for (let i = 0; i < values.length; i++) {
      const step = unknown[i] ? smooth[i] * scale[i] - 2 * values[i] : 0;
      next[i] = previous[i] + weight * (values[i] + step - previous[i]);
    }
    previous = values;
    values = next;
  }
  return values;
}

const scales = new Map();

// What the neighbourhood's weights sum to at each pixel, as a factor: less at the border, where nothing lies outside.
function scaleOf(width, height) {
  const key = `${width} ${height}`;
  if (!scales.has(key)) scales.set(key, smoothed(new Float32Array(width * height).fill(1), width, height).map((sum) => 2 / sum));
  return scales.get(key);
}

function fromCoarse(plane, unknown, width, height) {
  if (height < 4 || width < 4) {
    let sum = 0, count = 0;
    plane.forEach((value, i) => { if (!unknown[i]) { sum += value; count += 1; } });
    return new Float32Array(plane.length).fill(sum / count);
  }
  const rows = Math.ceil(height / 2), columns = Math.ceil(width / 2);
  const sum = new Float32Array(rows * columns), count = new Float32Array(rows * columns);
  const cell = (i) => (Math.floor(i / width) >> 1) * columns + ((i % width) >> 1);
  for (let i = 0; i < plane.length; i++) if (!unknown[i]) { sum[cell(i)] += plane[i]; count[cell(i)] += 1; }
  const solved = cascade(sum.map((s, i) => s / Math.max(count[i], 1)), Uint8Array.from(count, (n) => (n ? 0 : 1)), columns, rows);
  return plane.map((_, i) => solved[cell(i)]);
}

// Sum over the 3 x 3 neighbourhood with weights 1 2 1 / 2 4 2 / 1 2 1 over 16; nothing lies outside.
function smoothed(values, width, height) {
  const wide = new Float32Array(values.length), out = new Float32Array(values.length);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) wide[i] = ((x ? values[i - 1] : 0) + 2 * values[i] + (x < width - 1 ? values[i + 1] : 0)) / 4;
  }
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) out[i] = ((y ? wide[i - width] : 0) + 2 * wide[i] + (y < height - 1 ? wide[i + width] : 0)) / 4;
  }
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
