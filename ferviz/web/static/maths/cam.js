// The class activation maps that a page can compute at once, as `ferviz/attribution/methods/cam.py` does: from one layer's activation
// (h w C) and the gradient of the target there. Every function returns the map (h w); without `relu` it is signed.

const TINY = 1e-6;

function weighted(activation, weights, cells, relu) {
  const channels = weights.length, map = new Float32Array(cells);
  for (let i = 0; i < cells; i++) {
    let sum = 0;
    for (let k = 0; k < channels; k++) sum += weights[k] * activation[i * channels + k];
    map[i] = relu ? Math.max(sum, 0) : sum;
  }
  return map;
}

function sums(values, channels, of = (value) => value) {
  const total = new Float64Array(channels);
  for (let i = 0; i < values.length; i++) total[i % channels] += of(values[i], i);
  return total;
}

function gradcam(activation, gradient, cells, channels, relu) {
  return weighted(activation, sums(gradient, channels).map((sum) => sum / cells), cells, relu);
}

function gradcampp(activation, gradient, cells, channels, relu) {
  const total = sums(activation, channels), weights = new Float64Array(channels);
  for (let i = 0; i < gradient.length; i++) {
    const positive = Math.max(gradient[i], 0), denominator = 2 + total[i % channels] * positive;
    if (Math.abs(denominator) > TINY) weights[i % channels] += positive / denominator;
  }
  return weighted(activation, weights, cells, relu);
}

function hirescam(activation, gradient, cells, channels, relu) {
  const map = new Float32Array(cells);
  for (let i = 0; i < cells; i++) {
    let sum = 0;
    for (let k = i * channels; k < (i + 1) * channels; k++) sum += activation[k] * gradient[k];
    map[i] = relu ? Math.max(sum, 0) : sum;
  }
  return map;
}

const layercam = (activation, gradient, ...rest) => hirescam(activation, gradient.map((g) => Math.max(g, 0)), ...rest);

function xgradcam(activation, gradient, cells, channels, relu) {
  const total = sums(activation, channels), size = sums(activation, channels, Math.abs);
  const product = sums(activation, channels, (value, i) => value * gradient[i]);
  return weighted(activation, product.map((p, k) => (Math.abs(total[k]) > TINY * size[k] ? p / total[k] : 0)), cells, relu);
}

/** {name in ferviz: function}. A method that is not here is computed by the server, where there is one. */
export const LAYER_METHODS = { gradcam, "gradcam++": gradcampp, hirescam, layercam, xgradcam };

/** The methods at the picture itself, from the picture as the network takes it and its gradient. */
export const PICTURE_METHODS = {
  "saliency": (input, gradient, cells, channels) => reduce(cells, channels, (k) => Math.abs(gradient[k]), Math.max),
  "gradient-x-input": (input, gradient, cells, channels) => reduce(cells, channels, (k) => gradient[k] * input[k], (a, b) => a + b),
};

function reduce(cells, channels, value, join) {
  return Float32Array.from({ length: cells }, (_, i) => {
    let result = value(i * channels);
    for (let k = 1; k < channels; k++) result = join(result, value(i * channels + k));
    return result;
  });
}

/** FastSHAP's cells (cells cells), from a taught network's values (cells cells 2 K): a class is its log-odds, another target a sum of logits. */
export function taughtMap(values, weights) {
  const count = weights.length, cells = Math.round(Math.sqrt(values.length / (2 * count))), used = weights.filter((weight) => weight !== 0);
  const first = used.length === 1 && used[0] === 1 ? 0 : count, map = new Float32Array(cells * cells);
  for (let i = 0; i < map.length; i++) for (let k = 0; k < count; k++) map[i] += weights[k] * values[i * 2 * count + first + k];
  return { map, cells };
}

/** A taught map's cells as they are drawn: each value spread over its neighbours (1, 2, 1 along both axes), its sum kept. */
export function spreadCells(map, cells) {
  const at = (i) => Math.min(Math.max(i, 0), cells - 1), half = new Float32Array(map.length), result = new Float32Array(map.length);
  for (let y = 0; y < cells; y++) for (let x = 0; x < cells; x++) half[y * cells + x] = (map[at(y - 1) * cells + x] + 2 * map[y * cells + x] + map[at(y + 1) * cells + x]) / 4;
  for (let y = 0; y < cells; y++) for (let x = 0; x < cells; x++) result[y * cells + x] = (half[y * cells + at(x - 1)] + 2 * half[y * cells + x] + half[y * cells + at(x + 1)]) / 4;
  return result;
}
