// The page: opens the network, and connects its parts.
import { Engine } from "./engine/engine.js";
import { $, all, argmax, attempt, say, sentence, state } from "./ui/page.js";
import { describe, listChoices, setUpAnswer, showBars, updateMap } from "./ui/answer.js";
import { setUpCamera, stopCamera } from "./ui/camera.js";
import { setUpNetworkRoom, showNetworkRoom } from "./ui/network_room.js";
import { measureRegions, setUpRegions, smallestPatch, stopRegions } from "./ui/regions_panel.js";
import { openExample, setUpSources } from "./ui/sources.js";
import { changed, draw, regionAt, setUpStage } from "./ui/stage.js";
import { parseTarget, readLink, setUpTakeAlong } from "./ui/take_along.js";
import { resizeMap } from "./ui/heat.js";

window.studio = state; // for tests, benchmarks, and people who like to look

async function bytesOf(path) {
  let response;
  try {
    response = await fetch(path);
  } catch {
    throw new Error("the page's files cannot be reached; is ferviz studio still running?");
  }
  if (!response.ok) throw new Error(`${path} cannot be loaded (${response.status})`);
  return response.arrayBuffer();
}

async function start() {
  state.data = JSON.parse(new TextDecoder().decode(await bytesOf("data.json")));
  const link = readLink();
  const record = state.data.networks[0];
  const [network, landmarks, grain, detector] = await Promise.all(
    [record.file, "models/landmarks.tflite", record.grain, "models/yunet.tflite"].map((path) => path && bytesOf(path)));
  state.engine = new Engine({ landmarks: new Uint8Array(landmarks), data: { regions: state.data.regions } });
  setUpAnswer();
  setUpRegions();
  setUpStage(stroked, under);
  setUpSources(showFace, dropNetwork);
  setUpCamera(showFace);
  setUpNetworkRoom();
  setUpTakeAlong();
  $("fill").onchange = () => { state.fill = $("fill").value; if (state.face) { changed(); measureRegions(); } };
  $("patch").onclick = () => { if (state.face) smallestPatch(); };
  for (const button of all("[data-room]").filter((node) => node.tagName === "BUTTON")) button.onclick = () => enter(button.dataset.room);
  $("about").textContent = `ferviz ${state.data.version}. Everything is computed in this page: no picture leaves it, and none is kept.`;
  await openNetwork(new Uint8Array(network), record, grain && new Float32Array(grain), link);
  await state.engine.openDetector(new Uint8Array(detector));
  say("");
  enter(link.room ?? (state.data.camera !== null || state.data.video ? "camera" : "face"));
  if (state.room !== "camera") await openExample(link.example ?? state.data.examples[0].file);
}

async function openNetwork(bytes, record, grain, link = {}) {
  await state.engine.open(bytes, grain);
  const { table } = state.engine;
  Object.assign(state, { network: record, method: link.method ?? record.recommended.method, layer: link.layer ?? record.recommended.layer ?? table.default });
  const target = parseTarget(link.targetWord, table.labels);
  state.target = target ? { ...target, follow: false } : { plus: null, minus: null, follow: true };
  if (!table.gradients.includes(state.layer)) state.layer = table.default;
  for (const name of ["fill", "opacity"]) if (link[name] !== undefined) state[name] = link[name];
  $("fill").value = state.fill;
  $("opacity").value = 100 * state.opacity;
  listChoices();
  const unchecked = record.assumed?.length ? ` (unchecked: ${record.assumed.join(", ")} assumed)` : "";
  $("network-name").textContent = `${table.name}: ${table.labels.length} classes, ${table.input.width} x ${table.input.height} ${table.input.channels === 1 ? "grey" : "colour"}${unchecked}`;
}

/** A network's file that was dropped: a compiled one is opened here, others go through the server where there is one. */
async function dropNetwork(file) {
  let bytes = new Uint8Array(await file.arrayBuffer());
  if (!/\.ferviz$/i.test(file.name)) {
    if (!state.data.server) throw new Error("this page opens compiled networks (.ferviz); make one with: ferviz compile MODEL");
    say(`Compiling ${file.name}; that takes a while \u2026`);
    const answer = await fetch(`api/compile?name=${encodeURIComponent(file.name)}`, { method: "POST", body: bytes, headers: { "Content-Type": "application/octet-stream" } })
      .catch(() => { throw new Error("the server does not answer; is ferviz studio still running?"); });
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? "the network could not be compiled");
    bytes = new Uint8Array(await answer.arrayBuffer());
  }
  const record = { name: file.name, recommended: {}, assumed: ["that it gets the input it was trained on"], verdict: { steps: 6, fills: ["mean", "blur", "harmonic"], delta: 0.05, calibrated: false }, own: true };
  record.recommended.method = "gradcam";
  await openNetwork(bytes, record, null);
  say(`${file.name} is open. Its maps are unchecked: ferviz check tests with labelled faces whether it is fed as it was trained.`);
  if (state.crop) await showFace(state.crop);
}

/** Shows a face: its answer at once, then its map, then what takes longer. */
async function showFace(crop) {
  stopRegions();
  if (state.room === "camera") enter("face");
  const started = performance.now();
  const located = await state.engine.call("face", crop.rgba, crop.width, crop.height, crop.points);
  const logits = await state.engine.call("logits", located.picture);
  const masks = await state.engine.call("masks", located.points);
  state.crop = crop;
  state.face = { ...located, canvas: crop.canvas, masks };
  Object.assign(state, { original: logits, current: null, hidden: new Float32Array(located.picture.width * located.picture.height), undo: [], map: null, besideMap: null });
  if (state.target.follow || state.target.plus === null) state.target = { plus: argmax(logits), minus: null, follow: true };
  $("undo").disabled = $("clear").disabled = true;
  showBars();
  draw();
  say(located.source === "template" && located.face < 0.15 ? "This looks like no face; the regions are a typical face\u2019s." : "");
  await updateMap();
  state.shownMilliseconds = performance.now() - started;
  if (state.room === "face") measureRegions();
  if (state.room === "network") showNetworkRoom();
}

/** After a stroke: the new answer first, then the map. */
async function stroked(since) {
  const face = state.face, touched = state.hidden.some(Boolean);
  const answer = touched ? await state.engine.call("masked", face.picture, state.hidden, state.fill) : null;
  if (face !== state.face) return;
  state.current = answer;
  showBars();
  draw();
  state.latencies.push(performance.now() - since);
  if (state.latencies.length > 1000) state.latencies.shift();
  updateMap();
}

/** The values under a place of the picture. aloud: for those who move by keys. */
function under([x, y], aloud = false) {
  const { width, height } = state.face.picture, column = Math.round(x), row = Math.round(y);
  if (column < 0 || row < 0 || column >= width || row >= height) { $("under").textContent = "\u00a0"; return; }
  const region = regionAt(x, y), parts = [`x ${column}, y ${row}`, state.data.regions.names[region]];
  if (state.map) {
    const map = resizeMap(state.map.map, state.map.width, state.map.height, width, height);
    parts.push(`map ${map[row * width + column].toPrecision(3)}`);
  }
  if (state.regionValues) parts.push(`region ${state.regionValues[region].toFixed(2)}`);
  $("under").textContent = parts.join(" \u00b7 ");
  if (aloud) say(parts.join(", "));
}

function enter(room) {
  if (room !== "camera") stopCamera();
  state.room = room;
  $("change").setAttribute("aria-live", room === "camera" ? "off" : "polite"); // thirty answers a second are no speech
  document.body.dataset.room = room;
  for (const button of all("#rooms button")) {
    if (button.dataset.room === room) button.setAttribute("aria-current", "page"); else button.removeAttribute("aria-current");
  }
  if (room === "network") showNetworkRoom();
  if (room === "face" && !state.face) attempt(() => openExample(state.data.examples[0].file));
  if (state.face && room !== "camera") { showBars(); draw(); $("stage").setAttribute("aria-label", describe()); }
}

start().then(() => { document.body.dataset.ready = "yes"; }, (error) => { say(sentence(error), true); document.body.dataset.ready = "failed"; });
