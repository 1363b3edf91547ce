// The regions of the face: hide one with a click, and what each adds to the answer, exactly.
import { logitsOfSets, painted } from "../engine/passes.js";
import { squareAt } from "../maths/brush.js";
import { logOdds, missedBy, shapleyValues } from "../maths/scores.js";
import { $, attempt, element, newest, say, state, weights } from "./page.js";
import { setHidden, showRegionMap, spotlight } from "./stage.js";
import { signed } from "./answer.js";

const ALMOST = 0.02, EVERYTHING = "whole face", HALF_HEIGHT = 7, SOON = 1500;
let scored = null, moved = null, token = {}, held = false; // logits by set of regions; the same with borders a pixel up and a pixel down

export function setUpRegions() {
  const rows = state.data.regions.names.map((name, r) => {
    const box = element("input", { type: "checkbox", checked: true, "aria-label": `${name} is seen` });
    box.onchange = () => toggle(r, !box.checked);
    const bar = element("div", { class: "signed" });
    bar.innerHTML = '<svg viewBox="-100 0 200 14" preserveAspectRatio="none" aria-hidden="true"><line x1="0" x2="0" y1="0" y2="14"/><rect y="2" height="10"/><path/></svg><output></output>';
    const row = element("tr", {}, element("th", { scope: "row" }, element("label", {}, box, name)), element("td", {}, bar));
    row.onpointerenter = row.onfocusin = () => spotlight(r);
    row.onpointerleave = row.onfocusout = () => spotlight(null);
    return row;
  });
  $("regions").tBodies[0].append(...rows);
  const merged = Object.entries(state.data.regions.merged).map(([name, parts]) => `${name} (${parts.join(", ")})`);
  const sums = [...merged, EVERYTHING].map((name) =>
    element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, element("output", {}))));
  $("regions").tFoot.append(...sums);
  $("borders").onclick = () => attempt(moveBorders);
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

const valueMap = () => (state.regionsExact ? painted(state.face.masks, state.regionValues, state.face.picture) : null);

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
  const own = token = {}, { face, fill } = state;
  scored = moved = state.regionValues = null;
  state.measured = face;
  state.regionsExact = false;
  $("borders").disabled = true;
  showValues();
  const count = state.data.regions.names.length, total = 1 << count, note = $("region-note"), logits = new Array(total);
  const started = performance.now();
  let passes = 0;
  for (const sets of stages(count)) {
    const before = passes, first = !before || (performance.now() - started) / before * total < SOON; // what waits does so for a moment
    const answers = await logitsOfSets(state.engine, face.picture, face.masks, fill, sets, own, (share) => {
      if (!own.cancelled) note.textContent = `${before ? estimateText(before, total) : "Hiding every set of regions:"} ${Math.round(100 * (before + share * sets.length) / total)} % of ${total} passes \u2026`;
    }, first);
    if (face !== state.face) return;
    answers.forEach((answer, at) => { logits[sets[at]] = answer; });
    passes += sets.length;
    scored = logits;
    state.regionMilliseconds = performance.now() - started;
    state.estimateMilliseconds = before ? state.estimateMilliseconds : state.regionMilliseconds;
    state.regionsExact = passes === total;
    showValues();
  }
  $("borders").disabled = false;
  note.textContent = `What each region adds to the answer, in log-odds (exact Shapley values).${SOURCES[face.source]}`;
});

const SOURCES = { detector: "", network: "", template: " The landmarks are a typical face\u2019s, for none were found." };

// How far an estimate is off shows in one number: exact values add up to what the whole face says more than the hidden one.
function estimateText(passes, total) {
  const missed = missedBy(targetScores(scored), state.data.regions.names.length);
  return `An estimate from ${passes} of ${total} passes; ${signed(missed)} of ${signed(together())} were missed, and divided among all.`;
}

/** What the whole face adds to the target over a hidden one. */
const together = () => logOdds(scored.at(-1), weights()) - logOdds(scored[0], weights());

/** Asks for the same values with every border between two regions a pixel of 48 higher, and lower: what depends on where it is drawn. */
async function moveBorders() {
  const { face, fill } = state, own = token, count = state.data.regions.names.length, note = $("region-note"), before = note.textContent;
  const sets = Array.from({ length: 1 << count }, (_, set) => set), both = [];
  $("borders").disabled = true;
  for (const border of [-1, 1]) {
    const masks = await state.engine.call("masks", face.points, border);
    both.push(await logitsOfSets(state.engine, face.picture, masks, fill, sets, own, (share) => {
      if (!own.cancelled) note.textContent = `Moving the borders: ${Math.round(50 * (both.length + share))} % \u2026`;
    }));
  }
  if (face !== state.face || own.cancelled) return;
  moved = both;
  note.textContent = `${before} The line in each bar goes from the lowest to the highest value with all borders a pixel higher or lower.`;
  showValues();
}

// All sets of regions: first those that hide or show at most one, then at most two, which make an estimate; then the others.
function stages(count) {
  const members = (set) => { let n = 0; for (let s = set; s; s &= s - 1) n += 1; return n; };
  const distance = (set) => Math.min(members(set), count - members(set)), sets = Array.from({ length: 1 << count }, (_, set) => set);
  return [(d) => d < 2, (d) => d === 2, (d) => d > 2].map((chosen) => sets.filter((set) => chosen(distance(set)))).filter((stage) => stage.length);
}

export function stopRegions() { token.cancelled = true; }

const targetScores = (logits) => Array.from(logits, (answer) => (answer ? logOdds(answer, weights()) : NaN));
const valuesOf = (logits) => shapleyValues(targetScores(logits), state.data.regions.names.length);

function showValues() {
  const rows = [...$("regions").tBodies[0].rows], { names, merged } = state.data.regions;
  if (scored) state.regionValues = valuesOf(scored);
  const values = state.regionValues, spread = values && moved ? [values, ...moved.map(valuesOf)] : null;
  const most = values ? Math.max(...(spread ?? [values]).flat().map(Math.abs), 1e-9) : 1;
  state.regionSpread = spread && names.map((_, r) => [Math.min(...spread.map((list) => list[r])), Math.max(...spread.map((list) => list[r]))]);
  rows.forEach((row, r) => {
    const rectangle = row.querySelector("rect"), value = values?.[r] ?? 0, width = 100 * Math.abs(value) / most;
    rectangle.setAttribute("x", value < 0 ? -width : 0);
    rectangle.setAttribute("width", width);
    rectangle.setAttribute("class", value < 0 ? "against" : "for");
    const [low, high] = state.regionSpread?.[r].map((bound) => 100 * bound / most) ?? [];
    row.querySelector("path").setAttribute("d", spread ? `M${low} ${HALF_HEIGHT}H${high}` : "");
    row.querySelector("output").textContent = values ? signed(value) : "";
    row.querySelector("output").title = spread ? `${signed(state.regionSpread[r][0])} to ${signed(state.regionSpread[r][1])}` : "";
  });
  const sums = [...Object.values(merged).map((parts) => parts.reduce((sum, name) => sum + (values?.[names.indexOf(name)] ?? 0), 0)), values ? together() : 0];
  [...$("regions").tFoot.rows].forEach((row, n) => { row.querySelector("output").textContent = values ? signed(sums[n]) : ""; });
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
