// One small map a class, beside its bar: all of one method and layer, on one scale, so that they compare.
import { heatCanvas, largest, pictureCanvas } from "./heat.js";
import { $, attempt, labels, state, weights } from "./page.js";

const SIDE = 72, REST = 250;
let token = {}, timer = null;

/** Explains every class, when the picture has rested for a moment. */
export function mapClasses(picture) {
  token.cancelled = true;
  const own = token = {};
  clearTimeout(timer);
  const { face, map } = state; // another face may be shown before the time is over
  timer = setTimeout(() => attempt(() => (state.face === face ? explainClasses(picture, face, map, own) : null)), REST);
}

/** Takes the maps away: they are of another picture, or the method takes too long. */
export function forgetClassMaps() {
  token.cancelled = true;
  clearTimeout(timer);
  state.classMaps = null;
  $("bars").classList.remove("mapped");
  for (const bar of $("bars").children) bar.firstChild.getContext("2d").clearRect(0, 0, SIDE, SIDE);
}

async function explainClasses(picture, face, { method, layer }, own) {
  const parts = labels().map((_, k) => [picture, method, layer, weights({ plus: k, minus: null }), false]);
  const maps = await state.engine.spread("explain", parts, own);
  if (own.cancelled || state.face !== face) return;
  const hidden = state.current && pictureCanvas(state.current.picture, state.hidden), vmax = Math.max(...maps.map(({ map }) => largest(map)));
  state.classMaps = { method, layer, vmax, maps: maps.map(({ map }) => map) };
  $("bars").classList.add("mapped");
  [...$("bars").children].forEach((bar, k) => {
    const context = bar.firstChild.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(face.canvas, 0, 0, SIDE, SIDE);
    if (hidden) context.drawImage(hidden, 0, 0, SIDE, SIDE);
    context.drawImage(heatCanvas(maps[k], SIDE, 0.85, vmax), 0, 0, SIDE, SIDE);
  });
}
