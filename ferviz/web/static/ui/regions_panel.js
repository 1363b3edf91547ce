// The regions of the face: hide one with a click, and what each adds to the answer, exactly.
import { squareAt } from "../maths/brush.js";
import { logOdds, shapleyValues } from "../maths/scores.js";
import { $, element, newest, say, state, targetName, weights } from "./page.js";
import { setHidden, showRegionMap } from "./stage.js";
import { signed } from "./answer.js";

const ALMOST = 0.02;
let logitsOfSets = null, token = {}, held = false;

export function setUpRegions() {
  const rows = state.data.regions.names.map((name, r) => {
    const box = element("input", { type: "checkbox", checked: true, "aria-label": `${name} is seen` });
    box.onchange = () => toggle(r, !box.checked);
    const bar = element("div", { class: "signed" });
    bar.innerHTML = '<svg viewBox="-100 0 200 14" preserveAspectRatio="none" aria-hidden="true"><line x1="0" x2="0" y1="0" y2="14"/><rect y="2" height="10"/></svg><output></output>';
    return element("tr", {}, element("th", { scope: "row" }, element("label", {}, box, name)), element("td", {}, bar));
  });
  $("regions").tBodies[0].append(...rows);
  addEventListener("region", ({ detail: r }) => toggle(r, rows[r].querySelector("input").checked));
  addEventListener("target", () => showValues());
  addEventListener("hidden", tick);
  $("exact").onclick = () => press($("exact").getAttribute("aria-pressed") !== "true");
  const key = (down) => (event) => {
    if (event.key !== "x" || event.ctrlKey || event.metaKey || event.repeat || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (down !== held) { held = down; press(down); }
  };
  addEventListener("keydown", key(true));
  addEventListener("keyup", key(false));
}

function press(on) {
  $("exact").setAttribute("aria-pressed", String(on));
  showRegionMap(valueMap(), on);
}

// The regions' values, each painted with its mask.
function valueMap() {
  if (!state.regionsExact) return null;
  const { masks, picture: { width, height } } = state.face, map = new Float32Array(width * height);
  masks.forEach((mask, r) => mask.forEach((share, i) => { map[i] += share * state.regionValues[r]; }));
  return { map, width, height };
}

// Hides a region, or shows it again; what else is hidden stays so.
function toggle(r, hide) {
  if (!state.face) return;
  const mask = state.face.masks[r];
  setHidden(state.hidden.map((share, i) => (hide ? Math.min(1, share + mask[i]) : Math.max(0, share - mask[i]))));
}

// The boxes say what is hidden, whoever hid it: a click, the brush, or an undo.
function tick() {
  const boxes = [...$("regions").querySelectorAll("input")];
  const touched = state.hidden.some(Boolean), isHidden = (mask) => mask.every((share, i) => state.hidden[i] >= share - ALMOST);
  boxes.forEach((box, r) => { box.checked = !(touched && isHidden(state.face.masks[r])); });
}

/** Forgets the face before, and asks what the regions of this one add: 256 passes, a few at a time; estimates are shown on the way. */
export const measureRegions = newest(async () => {
  token.cancelled = true;
  const own = token = {}, face = state.face;
  logitsOfSets = state.regionValues = null;
  state.regionsExact = false;
  showValues();
  const count = state.data.regions.names.length, total = 1 << count, note = $("region-note"), scored = new Array(total);
  const started = performance.now();
  const where = { detector: "", network: "", template: " The landmarks are a typical face\u2019s, for none were found." }[face.source];
  let passes = 0;
  for (const sets of stages(count)) {
    const parts = state.engine.parts(sets).map((part) => [face.picture, face.masks, state.fill, part]);
    const before = passes;
    const answers = await state.engine.spread("coalitions", parts, own, (share) => {
      if (!own.cancelled) note.textContent = `${before ? "An estimate, until every set of regions was hidden" : "Hiding every set of regions"}: ${Math.round(100 * (before + share * sets.length) / total)} % of ${total} passes \u2026`;
    });
    if (face !== state.face) return;
    answers.flat().forEach((logits, at) => { scored[sets[at]] = logits; });
    passes += sets.length;
    logitsOfSets = scored;
    state.regionMilliseconds = performance.now() - started;
    state.estimateMilliseconds = before ? state.estimateMilliseconds : state.regionMilliseconds;
    state.regionsExact = passes === total;
    showValues();
  }
  note.textContent = `What each region adds to the answer, in log-odds (exact Shapley values).${where}`;
});

// All sets of regions: first those that hide or show at most one, then at most two, which make an estimate; then the others.
function stages(count) {
  const members = (set) => { let n = 0; for (let s = set; s; s &= s - 1) n += 1; return n; };
  const distance = (set) => Math.min(members(set), count - members(set)), sets = Array.from({ length: 1 << count }, (_, set) => set);
  return [(d) => d < 2, (d) => d === 2, (d) => d > 2].map((chosen) => sets.filter((set) => chosen(distance(set)))).filter((stage) => stage.length);
}

export function stopRegions() { token.cancelled = true; }

function showValues() {
  const rows = [...$("regions").tBodies[0].rows];
  if (logitsOfSets) state.regionValues = shapleyValues(Array.from(logitsOfSets, (logits) => (logits ? logOdds(logits, weights()) : NaN)), rows.length);
  const values = state.regionValues, most = values ? Math.max(...values.map(Math.abs), 1e-9) : 1;
  rows.forEach((row, r) => {
    const rectangle = row.querySelector("rect"), value = values?.[r] ?? 0, width = 100 * Math.abs(value) / most;
    rectangle.setAttribute("x", value < 0 ? -width : 0);
    rectangle.setAttribute("width", width);
    rectangle.setAttribute("class", value < 0 ? "against" : "for");
    row.querySelector("output").textContent = values ? signed(value) : "";
  });
  if ($("exact").getAttribute("aria-pressed") === "true") press(true);
}

const SIDES = [4, 6, 8, 10, 12, 16, 20, 24, 32];

/** Finds the smallest square whose hiding changes the answer: sizes by halving, places on a grid of a third of the size. */
export const smallestPatch = newest(async () => {
  const face = state.face, { width, height } = face.picture, unit = Math.min(width, height) / 48, own = {};
  const before = state.original.indexOf(Math.max(...state.original));
  let low = 0, high = SIDES.length, best = null;
  while (low < high) {
    const middle = (low + high) >> 1, side = Math.round(SIDES[middle] * unit), patch = await flips(side);
    if (face !== state.face) return;
    if (patch) { best = patch; high = middle; } else low = middle + 1;
  }
  if (!best) { say(`Hiding a square of up to ${SIDES.at(-1)} of 48 pixels does not change the answer.`); return; }
  setHidden(best.hidden);
  say(`The smallest square that changes the answer (${state.fill} fill, on a grid) has ${best.side} x ${best.side} pixels.`);

  async function flips(side) {
    const step = Math.max(1, Math.round(side / 3)), places = [];
    say(`Trying squares of ${side} pixels \u2026`);
    for (let y = 0; y <= height - side; y += step) for (let x = 0; x <= width - side; x += step) places.push([x, y]);
    const parts = state.engine.parts(places).map((part) => [face.picture, side, state.fill, part]);
    const answers = (await state.engine.spread("squares", parts, own)).flat();
    // Of several places the one that costs the answer most.
    const cost = answers.map((logits) => Math.max(...logits.filter((_, k) => k !== before)) - logits[before]);
    const most = Math.max(...cost), at = cost.indexOf(most);
    return most > 0 ? { hidden: squareAt(places[at], side, width, height), side } : null;
  }
});
