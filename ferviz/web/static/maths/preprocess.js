// From a face crop to the numbers that a network takes, as `ferviz/models/input_spec.py` does it.
//
// A picture is { data, height, width, channels }, values 0..255, rows first. The network's input size is reached by averaging
// (a picture that is reduced both ways) or linear interpolation, rounded to whole numbers where the network's spec says so.

const RANGES = { "0..1": [1 / 255, 0], "-1..1": [2 / 255, -1], "0..255": [1, 0] };
const TINY = 1e-6;
// ITU-R BT.601's weights in steps of 1 / 32768, as OpenCV has them.
const RED = 9798, GREEN = 19235, BLUE = 3735;

/** RGBA (from a canvas) -> a picture with 1 or 3 channels. */
export function fromRGBA(rgba, width, height, channels) {
  const count = width * height, data = new Float32Array(count * channels);
  for (let i = 0; i < count; i++) {
    const r = rgba[4 * i], g = rgba[4 * i + 1], b = rgba[4 * i + 2];
    if (channels === 1) data[i] = (r * RED + g * GREEN + b * BLUE + 16384) >> 15;
    else { data[3 * i] = r; data[3 * i + 1] = g; data[3 * i + 2] = b; }
  }
  return { data, width, height, channels };
}

/** A picture at another size, as OpenCV has it. whole: whether values become whole numbers. */
export function resize(picture, width, height, whole) {
  if (picture.width === width && picture.height === height) return picture;
  const reduced = picture.width >= width && picture.height >= height;
  if (whole && !reduced) return enlarged(picture, width, height);
  const weights = reduced ? areaWeights : linearWeights, rows = weights(picture.height, height), columns = weights(picture.width, width);
  const { channels, data } = picture;
  const wide = new Float32Array(picture.height * width * channels);
  for (let y = 0; y < picture.height; y++) {
    for (let x = 0; x < width; x++) {
      for (const [from, weight] of columns[x]) {
        for (let c = 0; c < channels; c++) wide[(y * width + x) * channels + c] += weight * data[(y * picture.width + from) * channels + c];
      }
    }
  }
  const out = new Float32Array(height * width * channels), row = width * channels;
  for (let y = 0; y < height; y++) {
    for (const [from, weight] of rows[y]) {
      for (let x = 0; x < row; x++) out[y * row + x] += weight * wide[from * row + x];
    }
  }
  const halved = picture.width === 2 * width && picture.height === 2 * height, round = halved ? Math.round : halfToEven;
  if (whole) for (let i = 0; i < out.length; i++) out[i] = Math.min(255, Math.max(0, round(out[i])));
  return { data: out, width, height, channels };
}

/** The nearest whole number, of two the even one: as Python and OpenCV round. */
export function halfToEven(value) {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

// Linear interpolation of whole numbers, in OpenCV's steps of 1 / 2048: a grey level more or less moves a network's answer.
function enlarged({ data, width: oldWidth, height: oldHeight, channels }, width, height) {
  const columns = stepWeights(oldWidth, width, true), rows = stepWeights(oldHeight, height, false);
  const wide = new Int32Array(oldHeight * width * channels), out = new Float32Array(height * width * channels), row = width * channels;
  for (let y = 0; y < oldHeight; y++) {
    for (let x = 0; x < width; x++) {
      const [left, right, first, second] = columns[x], at = (from, c) => data[(y * oldWidth + from) * channels + c];
      for (let c = 0; c < channels; c++) wide[(y * width + x) * channels + c] = at(left, c) * first + at(right, c) * second;
    }
  }
  rows.forEach(([above, below, first, second], y) => {
    for (let x = 0; x < row; x++) out[y * row + x] = (first * (wide[above * row + x] >> 4) >> 16) + (second * (wide[below * row + x] >> 4) >> 16) + 2 >> 2;
  });
  return { data: out, width, height, channels };
}

// [the one cell, the next, their weights] for each new cell. At the border both are the same cell; with `joined` it has the whole weight, else both have theirs.
function stepWeights(old, size, joined) {
  const inside = (cell) => Math.min(Math.max(cell, 0), old - 1);
  return Array.from({ length: size }, (_, i) => {
    const at = Math.fround((i + 0.5) * old / size - 0.5), cell = Math.floor(at), beyond = cell < 0 || cell >= old - 1;
    const share = joined && beyond ? 0 : Math.fround(at - cell);
    return [inside(cell), inside(cell + 1), halfToEven(2048 * Math.fround(1 - share)), halfToEven(2048 * share)];
  });
}

/** The share of every old cell in each new one: [[cell, weight], ...]. */
export function areaWeights(old, size) {
  const scale = old / size;
  return Array.from({ length: size }, (_, i) => {
    const start = i * scale, end = (i + 1) * scale, weights = [];
    for (let from = Math.floor(start); from < Math.min(Math.ceil(end - 1e-9), old); from++) {
      weights.push([from, (Math.min(end, from + 1) - Math.max(start, from)) / scale]);
    }
    return weights;
  });
}

/** Linear interpolation between the centres of the old cells: [[cell, weight], ...] for each new one. */
export function linearWeights(old, size) {
  return Array.from({ length: size }, (_, i) => {
    const at = Math.min(Math.max((i + 0.5) * old / size - 0.5, 0), old - 1), left = Math.min(Math.floor(at), Math.max(old - 2, 0));
    return old > 1 ? [[left, 1 - at + left], [left + 1, at - left]] : [[0, 1]];
  });
}

/** A map (h w) at another size, by linear interpolation. */
export const resizeMap = (map, width, height, newWidth, newHeight) => resampled(map, width, height, linearWeights(width, newWidth), linearWeights(height, newHeight));

/** A map (h w) of which every new cell is a sum of old ones: [[cell, weight], ...] for each new column, and for each new row. */
export function resampled(map, width, height, columns, rows) {
  const newWidth = columns.length, newHeight = rows.length;
  const wide = new Float32Array(height * newWidth), out = new Float32Array(newHeight * newWidth);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < newWidth; x++) {
      let sum = 0;
      for (const [from, weight] of columns[x]) sum += weight * map[y * width + from];
      wide[y * newWidth + x] = sum;
    }
  }
  for (let y = 0; y < newHeight; y++) {
    for (const [from, weight] of rows[y]) for (let x = 0; x < newWidth; x++) out[y * newWidth + x] += weight * wide[from * newWidth + x];
  }
  return out;
}

/** The values that the network takes: (h w c), in its range and its order of colours. spec: the table's `input`. */
export function scaled(data, spec) {
  const out = new Float32Array(data.length), c = spec.channels;
  const bgr = spec.order === "bgr" && c === 3;
  const at = (i) => (bgr ? data[i - (i % 3) + 2 - (i % 3)] : data[i]);
  if (spec.scaling !== "standardize") {
    const [factor, offset] = RANGES[spec.scaling];
    for (let i = 0; i < out.length; i++) out[i] = Math.fround(Math.fround(at(i) * Math.fround(factor)) + offset);
    return out;
  }
  for (let i = 0; i < out.length; i++) out[i] = Math.fround(at(i) / spec.unit);
  if (spec.mean !== null && spec.mean !== undefined) {
    const mean = constant(spec.mean, out.length, c), std = constant(spec.std, out.length, c);
    for (let i = 0; i < out.length; i++) out[i] = (out[i] - mean(i)) / std(i);
    return out;
  }
  let sum = 0, squares = 0;
  for (const value of out) sum += value;
  const mean = sum / out.length;
  for (const value of out) squares += (value - mean) ** 2;
  const deviation = Math.max(Math.sqrt(squares / out.length), TINY);
  for (let i = 0; i < out.length; i++) out[i] = (out[i] - mean) / deviation;
  return out;
}

// One number, one a channel, one a pixel, or one for each value.
function constant(values, count, channels) {
  const flat = [values].flat(3);
  if (flat.length === count) return (i) => flat[i];
  if (flat.length === 1) return () => flat[0];
  if (flat.length === channels) return (i) => flat[i % channels];
  return (i) => flat[Math.floor(i / channels)];
}
