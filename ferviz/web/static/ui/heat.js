// Maps as pictures: enlarged with half-pixel centres, in the colours that ferviz draws with.
import { resizeMap } from "../maths/preprocess.js";
import { state } from "./page.js";

export { resizeMap };

export const isSigned = (map) => map.some((value) => value < 0);
export const largest = (map) => map.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** A canvas with a map's colours; what has no evidence is transparent. A map without evidence stays empty. signed: red and blue, whatever its values. */
export function heatCanvas({ map, width, height }, side = 192, opacity = 1, vmax = largest(map), signed = isSigned(map)) {
  const canvas = new OffscreenCanvas(side, side), context = canvas.getContext("2d");
  if (!(vmax > 0)) return canvas;
  const colours = state.data.colormaps[signed ? "signed" : "amount"];
  const values = resizeMap(map, width, height, side, side), image = context.createImageData(side, side);
  for (let i = 0; i < values.length; i++) {
    const share = Math.min(Math.max(values[i] / vmax, -1), 1);
    const [r, g, b] = colours[Math.round(signed ? 127.5 + 127.5 * share : 255 * Math.max(share, 0))];
    image.data.set([r, g, b, 255 * opacity * Math.min(1, 1.15 * Math.abs(share))], 4 * i);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** A network's picture (grey or colour, 0..255) as a canvas. alpha: (h w) 0..1, or nothing. */
export function pictureCanvas({ data, width, height, channels }, alpha) {
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = data[channels === 1 ? i : 3 * i + c];
    image.data[4 * i + 3] = 255 * (alpha ? alpha[i] : 1);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Values of one channel as a small grey picture on a given canvas. */
export function drawGrey(canvas, values, width, height, low, high) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height), colours = state.data.colormaps.amount;
  for (let i = 0; i < width * height; i++) {
    const share = high > low ? (values[i] - low) / (high - low) : 0;
    image.data.set([...colours[Math.round(255 * Math.min(Math.max(share, 0), 1))], 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
}
