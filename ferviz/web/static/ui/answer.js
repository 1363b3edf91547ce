// What the network answers: the classes' bars, what a stroke has cost, the map, and its test.
import { PASS_METHODS } from "../engine/passes.js";
import { LAYER_METHODS, PICTURE_METHODS } from "../maths/cam.js";
import { area, centreBlob, logOdds, pixelRanks, probabilities, stepCounts, targetScore } from "../maths/scores.js";
import { $, argmax, attempt, element, labels, newest, state, targetName, targetWord, weights } from "./page.js";
import { isSigned, largest, resizeMap } from "./heat.js";
import { explainOn, otherNetworks, serverName } from "./networks.js";
import { besideText, differenceShown } from "./beside.js";
import { forgetClassMaps, mapClasses } from "./class_maps.js";
import { hasServer, pack, runIn, stop, unpack, workIn } from "./server.js";
import { draw } from "./stage.js";

const MIN_GAP = 0.1, FLAT = 1e-6, SLOW_AFTER = 400, AT_ONCE = "at once";
let verdictToken = {}, slowTimer = null, scale = {};

export function setUpAnswer() {
  $("shown-as").onchange = () => { if (state.map) { $("split-label").hidden = Boolean(differenceShown()); noteMap(); draw(); } };
  for (const id of ["method", "layer", "beside"]) $(id).onchange = () => { state[id] = $(id).value; if (id === "method") fillLayers(); updateMap(); };
}

/** Whether a method takes more than one pass, so that it begins when the picture rests, and can be stopped. */
export const isSlow = (name) => !(LAYER_METHODS[name] || PICTURE_METHODS[name] || name === "fastshap");

/** The chosen method, or where that takes too long the first one that does not; undefined where there is none. */
export const quickMethod = () => (isSlow(state.method) ? $("method").querySelector(`optgroup[label="${AT_ONCE}"] option`)?.value : state.method);

export const titleOf = (name) => state.data.methods.find((method) => method.name === name).title;

/** Fills the choices for the network that is open: what the page can compute with the file's graphs, and what the server can. */
export function listChoices() {
  const { table, graphs } = state.engine, option = ({ name, title, summary }) => element("option", { value: name, title: summary }, title);
  const here = ({ name }) => (LAYER_METHODS[name] && table.gradients.length) || (PICTURE_METHODS[name] && graphs.includes("picture")) || (name === "fastshap" && graphs.includes("explain"));
  const fast = state.data.methods.filter(here);
  const some = state.data.methods.filter(({ name }) => PASS_METHODS[name]);
  const others = hasServer() ? state.data.methods.filter(({ name, keras, needs_explainer }) => isSlow(name) && !PASS_METHODS[name] && !keras && !needs_explainer) : [];
  const groups = [[AT_ONCE, fast], ["8 to 256 passes, in this page", some], ["hundreds of passes, on this machine", others]].filter(([, list]) => list.length);
  const slow = [...some, ...others];
  $("method").replaceChildren(...groups.map(([label, list]) => element("optgroup", { label }, ...list.map(option))));
  if (![...fast, ...slow].some(({ name }) => name === state.method)) state.method = fast[0]?.name ?? slow[0]?.name;
  $("method").value = state.method;
  listBeside(fast, slow);
  fillLayers();
  $("bars").replaceChildren(...table.labels.map((label, k) => {
    const bar = element("button", { type: "button", class: "bar" }, element("canvas", { width: 72, height: 72, "aria-hidden": "true" }), element("span", {}, label), element("i", {}, element("b"), element("u")),
      element("span", { class: "p" }), element("span", { class: "delta" }));
    bar.onclick = (event) => chooseTarget(k, event.shiftKey);
    return bar;
  }));
}

// What can lie beside the map: another method, the same one at another layer, or another network.
function listBeside(fast, slow) {
  const option = (value, text) => element("option", { value }, text), group = (label, list) => (list.length ? [element("optgroup", { label }, ...list)] : []);
  const layers = state.engine.table.layers.map(([name]) => name).filter((name) => state.engine.table.gradients.includes(name)).reverse();
  $("beside").replaceChildren(option("", "nothing"),
    ...group("another method", [...fast, ...slow].map(({ name, title }) => option(`method:${name}`, title))),
    ...group("another layer", layers.map((name) => option(`layer:${name}`, name))),
    ...group("another network", otherNetworks().map(({ key, name }) => option(`network:${key}`, name))));
  $("beside").value = state.beside;
  if ($("beside").value !== state.beside) $("beside").value = state.beside = "";
}

function fillLayers() {
  const { table } = state.engine, atPicture = state.data.methods.find(({ name }) => name === state.method)?.at === "picture";
  const names = table.layers.map(([name]) => name).filter((name) => table.gradients.includes(name)).reverse();
  $("layer").replaceChildren(...names.map((name) => {
    const [height, width] = table.layers.find(([other]) => other === name)[2];
    return element("option", { value: name }, `${name} (${height} x ${width})`);
  }));
  if (!names.includes(state.layer)) state.layer = table.default;
  $("layer").value = state.layer;
  $("layer").disabled = atPicture;
}

export function chooseTarget(k, contrast) {
  const target = state.target;
  if (contrast && target.plus !== null && k !== target.plus) state.target = { plus: target.plus, minus: k, follow: false };
  else state.target = { plus: k, minus: null, follow: target.plus === k && target.minus === null ? !target.follow : false };
  if (state.target.follow) state.target.plus = argmax(state.original);
  showBars();
  updateMap();
  dispatchEvent(new Event("target"));
}

/** Draws the bars for the current logits, with what has changed since the whole face. */
export function showBars() {
  const { table } = state.engine, now = state.current?.logits ?? state.original;
  if (!now) return;
  const p = probabilities(now, table.head), before = probabilities(state.original, table.head), touched = state.hidden.some(Boolean);
  [...$("bars").children].forEach((bar, k) => {
    const [, , track, percent, delta] = bar.children, unit = weights({ plus: k, minus: null });
    track.children[0].style.width = `${100 * p[k]}%`;
    track.children[1].style.left = `${100 * before[k]}%`;
    track.children[1].hidden = !touched;
    percent.textContent = `${Math.round(100 * p[k])} %`;
    const change = logOdds(now, unit) - logOdds(state.original, unit);
    delta.textContent = touched ? signed(change) : "";
    const role = k === state.target.plus ? "for" : k === state.target.minus ? "against" : "";
    bar.className = `bar ${role}`;
    bar.setAttribute("aria-pressed", String(Boolean(role)));
    bar.setAttribute("aria-label", `${labels()[k]}, ${Math.round(100 * p[k])} percent${touched ? `, log-odds ${signed(change)}` : ""}${role ? `, ${role} the target` : ""}`);
  });
  showChange(now, touched);
}

function showChange(now, touched) {
  const before = argmax(state.original), after = argmax(now), flip = before !== after;
  const cost = logOdds(now, weights()) - logOdds(state.original, weights());
  $("change").className = flip ? "flip" : "";
  if (!touched) $("change").textContent = `The network says ${labels()[before]}.`;
  else $("change").textContent = `${flip ? `The answer changed: ${labels()[before]} \u2192 ${labels()[after]}. ` : ""}${signed(cost)} log-odds for ${targetName()}.`;
  $("unseen").hidden = !touched || state.room !== "face";
}

export const signed = (value) => (Math.abs(value) < 0.005 ? "0.00" : `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(2)}`);

/** Asks for the map of the picture as it is now; the newest request counts. A slow one begins when the picture rests. */
export const updateMap = newest(async () => {
  const { face, target } = state;
  clearTimeout(slowTimer);
  if (!face || target.plus === null || !state.method) return;
  stop($("slow"));
  const started = performance.now(), { method, layer } = state, slow = isSlow(method), [kind, value] = beside();
  const slowBeside = kind === "method" && isSlow(value);
  const map = slow ? null : await explainHere(method, layer);
  const other = kind === "network" ? await explainOn(value, slow ? "gradcam" : method, layer) : kind === "layer" && !slow ? await explainHere(method, value)
    : kind === "method" && !slowBeside ? await explainHere(value, layer) : null;
  if (state.face !== face) return;
  showMap(map && { ...map, method, layer, milliseconds: performance.now() - started }, other);
  if (slow || slowBeside) slowTimer = setTimeout(() => attempt(() => explainSlowly(face, slow, slowBeside && value)), state.slowAfter ?? SLOW_AFTER);
});

const beside = () => { const at = state.beside.indexOf(":"); return at < 0 ? ["", ""] : [state.beside.slice(0, at), state.beside.slice(at + 1)]; };
const pictureNow = () => state.current?.picture ?? state.face.picture;
const explainHere = (method, layer) => state.engine.aside("explain", pictureNow(), method, layer, weights(), state.target.minus !== null);

// What is compared: two networks, two layers or two methods.
function besideNames() {
  const [kind] = beside(), { method, layer } = state.map;
  return [{ network: state.network.name, layer, method: titleOf(method) }[kind], $("beside").selectedOptions[0].textContent];
}

function showMap(map, other) {
  state.map = map;
  state.besideMap = other;
  $("shown-as-label").hidden = !other;
  $("split-label").hidden = !other || Boolean(differenceShown());
  if (map) { keepScale(); noteMap(); testMap(); }
  if (map && !isSlow(map.method) && state.room === "face") mapClasses(pictureNow()); else forgetClassMaps();
  draw();
}

// What is hidden changes a map, not what its colours stand for: those are of the whole face's map.
function keepScale() {
  const { method, layer, map } = state.map, question = JSON.stringify([method, layer, targetWord()]), { face } = state;
  if (!state.hidden.some(Boolean) || scale.face !== face || scale.question !== question || !scale.vmax) scale = { face, question, vmax: largest(map) };
  state.map.vmax = scale.vmax;
}

async function explainSlowly(face, slow, second) {
  for (const method of [slow && state.method, second].filter(Boolean)) {
    const title = titleOf(method), asked = { method, layer: state.layer, target: state.target, picture: pictureNow() };
    $("map-note").textContent = PASS_METHODS[method] ? `${title} hides one part after the other.` : `${title} takes hundreds of passes; the picture goes to the server on this machine.`;
    $("verdict").textContent = "";
    const map = PASS_METHODS[method] ? await explainByPasses(asked, title) : await explainOnServer(asked, title);
    if (state.face !== face || state.target !== asked.target || pictureNow() !== asked.picture) return;
    if (method === second) showMap(state.map, map); else showMap({ ...map, method, layer: state.layer }, state.besideMap);
  }
}

const explainByPasses = ({ method, picture }, title) => workIn($("slow"), title, (signal, show) => {
  const token = { get cancelled() { return signal.aborted; } };
  return PASS_METHODS[method](state.engine, { picture, masks: state.face.masks, weights: weights() }, token,
    (share) => show([`${title}: ${Math.round(100 * share)} %`, share]));
});

async function explainOnServer({ method, layer, picture }, title) {
  const job = { task: "explain", network: await serverName(), method, weights: weights(), points: state.face.points, picture: pack(picture.data) };
  if (state.data.methods.find(({ name }) => name === method).at === "layer") job.layer = layer;
  const answer = await runIn($("slow"), job, ({ passes, of }) => (passes === undefined ? null
    : of ? [`${title}: ${Math.min(passes, of)} of ${of} passes`, Math.min(1, passes / of)] : [`${title}: ${passes} passes`]));
  return { map: unpack(answer.map), width: answer.width, height: answer.height, logits: answer.logits };
}

function noteMap() {
  const most = largest(state.map.map), { vmax } = state.map, note = $("map-note"), title = titleOf(state.map.method);
  if (!(most > 0)) note.textContent = `${title}: no evidence for ${targetName()}; the map is empty.`;
  else note.textContent = `${title} for ${targetName()}: ${isSigned(state.map.map) ? `red is for, blue is against; \u00b1${vmax.toPrecision(2)}` : `from 0 to ${vmax.toPrecision(2)}`}${vmax === most ? "" : `, the whole face\u2019s scale; here at most ${most.toPrecision(2)}`}.`;
  if (state.besideMap) note.textContent += ` ${besideText(besideNames()[0], besideNames()[1])}`;
  $("stage").setAttribute("aria-label", describe());
}

/** The stage in words, for those who do not see it. */
export function describe() {
  const p = probabilities(state.current?.logits ?? state.original, state.engine.table.head), best = argmax(p);
  const parts = [`Face, predicted ${labels()[best]}, ${Math.round(100 * p[best])} percent`];
  if (state.map && state.face.masks) {
    const { width, height } = state.face.picture, map = resizeMap(state.map.map, state.map.width, state.map.height, width, height);
    const total = map.reduce((sum, value) => sum + Math.abs(value), 0);
    const shares = state.face.masks.map((mask) => mask.reduce((sum, value, i) => sum + value * Math.abs(map[i]), 0) / total);
    if (total > 0) parts.push(`the map for ${targetName()} lies ${Math.round(100 * Math.max(...shares))} percent on the ${state.data.regions.names[argmax(shares)]}`);
  }
  return `${parts.join("; ")}.`;
}

// -- the test of the map: as ferviz/trust/verdict.py -------------------------------------------------------------------------------

const testMap = newest(async () => {
  verdictToken.cancelled = true;
  const token = verdictToken = {}, map = state.map, box = $("verdict");
  if (state.room !== "face") return;
  if (!state.network.verdict || state.hidden.some(Boolean)) { box.textContent = state.hidden.some(Boolean) ? "The map of a changed picture is not tested." : ""; return; }
  box.textContent = "Testing the map \u2026";
  const outcome = await judge(map, token).catch((error) => { if (error.message === "cancelled") return null; throw error; });
  if (outcome && map === state.map) { state.verdict = outcome; box.textContent = outcome.sentence; }
});

/** Whether a map knows more about what the network needs than "in the middle of the face": { outcome, margin, sentence }. */
export async function judge(map, token = {}) {
  const { steps, fills, delta, calibrated } = state.network.verdict, { width, height } = state.face.picture, head = state.engine.table.head;
  const full = resizeMap(map.map, map.width, map.height, width, height), low = Math.min(...full), high = Math.max(...full);
  const unknown = (reason) => ({ outcome: "not-assessable", margin: {}, sentence: `Not assessable: ${reason}.` });
  if (high - low <= FLAT * Math.max(Math.abs(low), Math.abs(high))) return unknown("the map is empty");
  const target = weights(), score = (logits) => targetScore(logits, target, head), whole = score(state.original);
  const counts = stepCounts(width * height, steps), all = counts[steps], picture = state.face.picture;
  const changes = counts.slice(1, -1).flatMap((count) => [[count, false], [count, true]]), margin = {};
  const ends = (await state.engine.spread("deletions", fills.map((fill) => [picture, new Int32Array(all), fill, [[all, false]]]), token)).map(([logits]) => score(logits));
  if (ends.some((hidden) => whole - hidden < MIN_GAP)) return unknown("hiding the whole face hardly changes the answer");
  for (const [number, fill] of fills.entries()) {
    const ranks = [pixelRanks(full), pixelRanks(centreBlob(width, height))];
    const parts = ranks.flatMap((order) => state.engine.parts(changes).map((part) => [picture, order, fill, part]));
    const answers = (await state.engine.spread("deletions", parts, token)).flat().map(score);
    const [own, blob] = [0, 1].map((n) => {
      const part = answers.slice(n * changes.length, (n + 1) * changes.length), hidden = ends[number];
      const deletion = [whole, ...part.filter((_, i) => i % 2 === 0), hidden], insertion = [hidden, ...part.filter((_, i) => i % 2 === 1), whole];
      return area(insertion) - area(deletion);
    });
    margin[fill] = own - blob;
    const values = Object.values(margin);
    if (!values.every((value) => value > delta) && !values.every((value) => value < -delta)) break;
  }
  const values = Object.values(margin), better = values.every((value) => value > delta), worse = values.every((value) => value < -delta);
  const words = better ? "better than a centre blob" : worse ? "worse than a centre blob" : "not distinguishable from a centre blob";
  const rough = calibrated ? "" : " The margin was not measured for this network.";
  return { outcome: better ? "better" : worse ? "worse" : "indistinguishable", margin, sentence: `Tested: ${words}.${rough}` };
}
