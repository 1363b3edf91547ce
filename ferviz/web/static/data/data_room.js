// The data room: every labelled face, what the network confuses, what pushes it there, and labels that it does not believe.
import { $, attempt, element, newest, say, state } from "../ui/page.js";
import { allNetworks } from "../ui/networks.js";
import { ask, hasData, runIn, stop } from "../ui/server.js";
import { openCrop } from "../ui/sources.js";
import { showMeanMap, forgetMeanMap } from "./mean_map.js";
import { saveDoubts, decide, decisions } from "./doubts.js";
import { FaceGrid } from "./face_grid.js";
import { drawMatrix } from "./matrix.js";
import { predict, predictionsOf, wilson } from "./predictions.js";

const ORDERS = { all: "All faces", doubt: "Doubtful labels first", disagree: "Two networks disagree" };
let index = null, grid = null, view = { order: "all", cell: null }, chosen = null, shown = new Int32Array(0);

export function setUpData() {
  grid = new FaceGrid($("data-faces"), { describe, choose, open });
  $("data-order").onchange = () => go({ order: $("data-order").value, cell: null });
  $("data-average").onclick = () => attempt(() => showMeanMap(index, shown, view.cell));
  $("data-open").onclick = () => open(chosen);
  $("data-save").onclick = () => attempt(() => saveDoubts(index, predictionsOf(state.network)));
  for (const button of document.querySelectorAll("[data-decision]")) button.onclick = () => judge(button.dataset.decision);
  $("data-faces").addEventListener("keydown", (event) => {
    const word = { k: "keep", d: "doubt", s: "skip" }[event.key];
    if (word && view.order === "doubt" && !event.ctrlKey && !event.metaKey) judge(word);
  });
  addEventListener("hashchange", () => { if (location.hash.startsWith("#/data") && state.room === "data") { readView(); chosen = null; show(); } });
}

/** Shows the room: the faces at once, the answers as they come. */
export const enterData = newest(async () => {
  if (!hasData()) return;
  const started = performance.now();
  index ??= await (await ask("api/data")).json();
  readView();
  show();
  for (const note of index.notes) say(note);
  const record = state.network;
  grid.onFirst = started;
  while (grid.firstPaint === null) await new Promise((resolve) => setTimeout(resolve, 10));
  state.dataMilliseconds ??= grid.firstPaint - started;
  $("data-answers").setAttribute("aria-busy", "true");
  try {
    await predict(record, index, $("data-progress"), changed);
    for (const { record: other } of others()) await predict(other, index, $("data-progress"), changed);
  } finally {
    show(true);
    $("data-answers").setAttribute("aria-busy", "false");
  }
});

const others = () => allNetworks().filter(({ record }) => record !== state.network);

function readView() {
  const [path, query = ""] = location.hash.slice(2).split("?"), words = path.split("/"), order = new URLSearchParams(query).get("order");
  const at = (word) => index.classes.indexOf(decodeURIComponent(word ?? ""));
  const [, row, column] = words, cell = at(row) >= 0 && at(column) >= 0 ? [at(row), at(column)] : null;
  view = { cell, order: cell ? "all" : ORDERS[order] ? order : "all" };
}

function go(next) {
  view = next;
  chosen = null;
  const path = view.cell ? `/${view.cell.map((k) => encodeURIComponent(index.classes[k])).join("/")}` : "";
  history.replaceState(null, "", `#/data${path}${view.order === "all" ? "" : `?order=${view.order}`}`);
  forgetMeanMap();
  show();
}

let waiting = false;
function changed() {
  if (waiting) return;
  waiting = true;
  setTimeout(() => { waiting = false; show(true); }, 200);
}

// The numbers of the faces of the view, in order.
function facesOf(predictions) {
  const { count, true: labels } = index, every = Array.from({ length: count }, (_, i) => i);
  if (view.cell) return every.filter((i) => labels[i] === view.cell[0] && predictions?.answers[i] === view.cell[1]);
  if (view.order === "doubt") return every.filter((i) => i < (predictions?.done ?? 0)).sort((a, b) => predictions.p(a, labels[a]) - predictions.p(b, labels[b]));
  if (view.order === "disagree") {
    const other = predictionsOf(others()[0]?.record), known = Math.min(predictions?.done ?? 0, other?.done ?? 0);
    const gap = (i) => predictions.p(i, predictions.answers[i]) * other.p(i, other.answers[i]);
    return every.filter((i) => i < known && predictions.answers[i] !== other.answers[i]).sort((a, b) => gap(b) - gap(a));
  }
  return every;
}

// more: only answers have come.
function show(more = false) {
  if (!index) return;
  const predictions = predictionsOf(state.network), complete = predictions?.done === index.count;
  const orders = Object.entries(ORDERS).filter(([name]) => name !== "disagree" || others().length);
  if ($("data-order").options.length !== orders.length) $("data-order").replaceChildren(...orders.map(([value, text]) => element("option", { value }, text)));
  $("data-order").value = view.order;
  drawMatrix($("matrix"), index, predictions, view.cell, (cell) => go({ order: "all", cell }));
  summarise(predictions);
  if (!more || complete || (view.order !== "all" || view.cell)) {
    const faces = facesOf(predictions);
    if (faces.length !== shown.length || faces.some((face, i) => face !== shown[i]) || grid.index === null) { shown = faces; grid.show(faces, index); }
  }
  grid.refresh();
  $("data-count").textContent = `${shown.length.toLocaleString("en")} ${shown.length === 1 ? "face" : "faces"}${view.cell ? `: ${nameOf(view.cell)}` : ""}`;
  $("data-clear").hidden = !view.cell;
  $("data-clear").onclick = () => go({ order: "all", cell: null });
  $("data-average").hidden = !view.cell;
  $("data-decide").hidden = view.order !== "doubt";
  choose(shown.includes(chosen) ? chosen : shown[0] ?? null, true);
}

const nameOf = ([row, column]) => (row === column ? `${index.classes[row]}, recognised` : `${index.classes[row]} called ${index.classes[column]}`);
const percent = (share) => `${Math.round(100 * share)} %`;

function summarise(predictions) {
  const done = predictions?.done ?? 0;
  if (!done) { $("data-summary").textContent = `${index.count.toLocaleString("en")} faces; the network is asked about each \u2026`; return; }
  const hits = (who) => index.true.slice(0, who.done).reduce((sum, label, i) => sum + (who.answers[i] === label), 0);
  const rate = (who) => { const n = hits(who), [low, high] = wilson(n, who.done); return `${(100 * n / who.done).toFixed(1)} % right (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`; };
  const second = predictionsOf(others()[0]?.record);
  $("data-summary").textContent = `${done < index.count ? `first ${done.toLocaleString("en")} faces: ` : ""}${rate(predictions)}${second?.done ? `; ${others()[0].name}: ${rate(second)}` : ""}. Labels in rows, answers in columns; click a number.`;
}

function describe(face) {
  const predictions = predictionsOf(state.network), label = index.classes[index.true[face]], answer = predictions?.answers[face] ?? -1;
  if (!predictions || face >= predictions.done) return { label: `Face ${index.rows[face]}, labelled ${label}`, kind: "" };
  const words = answer < 0 ? "another class" : `${index.classes[answer]}, ${percent(predictions.p(face, answer))}`;
  const own = decisions.get(face);
  return { label: `Face ${index.rows[face]}, labelled ${label}, called ${words}${own ? `; ${own}` : ""}`, kind: own ?? (answer === index.true[face] ? "right" : "wrong") };
}

function choose(face, quietly = false) {
  chosen = face;
  $("data-detail").hidden = face === null;
  if (face === null) return;
  $("data-face").src = `api/data/face/${face}`;
  const predictions = predictionsOf(state.network), { label } = describe(face), at = index.split[face], lines = [label + (index.splits[at] ? ` (${index.splits[at]})` : "")];
  if (predictions && face < predictions.done) {
    const p = predictions.p(face, index.true[face]);
    lines.push(`Its label gets ${percent(p)}: doubt ${(1 - p).toFixed(3)}.`);
    const other = predictionsOf(others()[0]?.record);
    if (other && face < other.done) lines.push(`${others()[0].name} says ${index.classes[other.answers[face]] ?? "another class"}, ${percent(other.p(face, Math.max(other.answers[face], 0)))}.`);
  }
  $("data-text").replaceChildren(...lines.map((text) => element("p", {}, text)));
  if (!quietly) say(lines.join(" "));
}

const open = (face) => attempt(async () => {
  if (face === null || face === undefined) return;
  stop($("data-progress"));
  await openCrop(await (await ask(`api/data/face/${face}`)).blob());
});

function judge(word) {
  if (chosen === null) return;
  decide(chosen, word);
  $("data-save").disabled = !decisions.size;
  $("data-save").textContent = `Save ${decisions.size} ${decisions.size === 1 ? "judgement" : "judgements"} as CSV`;
  grid.refresh();
  grid.next();
}
