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
import { enterData, setUpData } from "./data/data_room.js";
import { differenceShown } from "./ui/beside.js";
import { resizeMap } from "./ui/heat.js";
import { closeMicroscope } from "./ui/microscope.js";
import { checkNetwork, compileOnServer, noteNetwork, noteOther } from "./ui/networks.js";
import { hasData, hasServer } from "./ui/server.js";

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
  state.data.networks.forEach((network, number) => { network.server = number; });
  const record = state.data.networks[0];
  const [network, landmarks, grain, detector] = await Promise.all(
    [record.file, "models/landmarks.tflite", record.grain, "models/yunet.tflite"].map((path) => path && bytesOf(path)));
  state.engine = new Engine({ landmarks: new Uint8Array(landmarks), data: { regions: state.data.regions } });
  setUpAnswer();
  setUpRegions();
  setUpStage(stroked, under);
  setUpSources(showFace, dropNetwork, () => { if (state.room !== "face") enter("face"); });
  setUpCamera(showFace);
  setUpNetworkRoom();
  setUpTakeAlong();
  setUpData(showFace);
  $("check").onclick = checkNetwork;
  $("fill").onchange = () => { state.fill = $("fill").value; if (state.face) { changed(); measureRegions(); } };
  $("patch").onclick = () => { if (state.face) smallestPatch(); };
  for (const button of all("[data-room]").filter((node) => node.tagName === "BUTTON")) button.onclick = () => enter(button.dataset.room);
  $("about").textContent = `ferviz ${state.data.version}. Everything is computed in this page: no picture leaves it, and none is kept.` +
    (hasServer() ? " Methods of hundreds of passes, dreams and the data room are computed by ferviz on this machine, which keeps no picture either." : "");
  document.body.dataset.data = hasData() ? "yes" : "no";
  await openNetwork(new Uint8Array(network), record, grain && new Float32Array(grain), { ...link, first: true });
  await state.engine.openDetector(new Uint8Array(detector));
  say("");
  enter(link.room ?? (state.data.camera !== null || state.data.video ? "camera" : "face"));
  if (state.room !== "camera" && state.room !== "data") await openExample(link.example ?? state.data.examples[0].file);
}

async function openNetwork(bytes, record, grain, link = {}) {
  await state.engine.open(bytes, grain);
  const { table } = state.engine;
  Object.assign(state, { method: link.method ?? record.recommended.method, layer: link.layer ?? record.recommended.layer ?? table.default });
  const target = parseTarget(link.targetWord, table.labels);
  state.target = target ? { ...target, follow: false } : { plus: null, minus: null, follow: true };
  if (!table.gradients.includes(state.layer)) state.layer = table.default;
  for (const name of ["fill", "opacity"]) if (link[name] !== undefined) state[name] = link[name];
  $("fill").value = state.fill;
  $("opacity").value = 100 * state.opacity;
  noteNetwork(record, bytes, grain);
  state.engine.accelerating.then(noteProcessor);
  if (link.first) state.data.networks.slice(1).forEach(noteOther);
  listChoices();
}

// Where what takes hundreds of passes is computed, for those who wonder.
function noteProcessor() {
  const { graphics, withoutGraphics } = state.engine;
  $("processor").textContent = `Values of regions and tests of maps run on the ${graphics ? "graphics processor" : `processor (${withoutGraphics})`}.`;
}

/** A network's file that was dropped: a compiled one is opened here, others go through the server where there is one. */
async function dropNetwork(file) {
  let bytes = new Uint8Array(await file.arrayBuffer()), server;
  if (/\.(pth|pt)$/i.test(file.name)) throw new Error(`${file.name} has weights and no architecture; compile it with: ferviz compile ${file.name} --architecture CODE.py:CLASS`);
  if (!/\.ferviz$/i.test(file.name)) {
    if (!hasServer()) throw new Error("this page opens compiled networks (.ferviz); make one with: ferviz compile MODEL");
    ({ bytes, server } = await compileOnServer(file, bytes));
  }
  const record = {
    name: file.name, recommended: { method: "gradcam" }, assumed: ["its value range"], own: true, server,
    verdict: { steps: 6, fills: ["mean", "blur", "harmonic"], delta: 0.05, calibrated: false },
  };
  await openNetwork(bytes, record, null);
  closeMicroscope();
  state.stale = Boolean(state.crop); // the face was cut out for the network before
  if (state.room === "data") enterData(); else if (state.crop) await showFace(state.crop);
  say(`${file.name} is open. Its maps are unchecked: ${hasData() ? "checking with the labelled faces whether it is fed as it was trained" : "ferviz check tests with labelled faces whether it is fed as it was trained"}.`);
  if (hasData()) checkNetwork();
}

/** Shows a face: its answer at once, then its map, then what takes longer. Of several that are asked for, the last one is shown. */
async function showFace(crop) {
  stopRegions();
  const started = performance.now(), own = state.showing = {};
  const located = await state.engine.call("face", crop.rgba, crop.width, crop.height, crop.points);
  const logits = await state.engine.call("logits", located.picture);
  const masks = await state.engine.call("masks", located.points);
  if (state.showing !== own) return;
  Object.assign(state, { crop, stale: false });
  state.face = { ...located, canvas: crop.canvas, masks };
  Object.assign(state, { original: logits, current: null, hidden: new Float32Array(located.picture.width * located.picture.height), undo: [], map: null, besideMap: null });
  if (state.target.follow || state.target.plus === null) state.target = { plus: argmax(logits), minus: null, follow: true };
  $("undo").disabled = $("clear").disabled = true;
  dispatchEvent(new Event("hidden"));
  if (state.room === "camera" || state.room === "data") enter("face", false); // with a face, so that no example takes its place
  showBars();
  draw();
  say(located.source === "template" && located.face < 0.15 ? "This looks like no face; the regions are a typical face\u2019s." : "");
  await updateMap();
  if (state.showing !== own) return;
  state.shownMilliseconds = performance.now() - started;
  measureOnce();
  if (state.room === "network") showNetworkRoom();
}

// The regions of a face are measured when it is first seen in the first room.
function measureOnce() { if (state.room === "face" && state.measured !== state.face) measureRegions(); }

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
  if (state.besideMap) {
    const { map, width: across, height: down } = state.besideMap;
    const at = (list, w, h) => resizeMap(list, w, h, width, height)[row * width + column], less = differenceShown();
    parts.push(`beside it ${at(map, across, down).toPrecision(3)}`, ...(less ? [`difference of shares ${at(less.map, less.width, less.height).toFixed(2)}`] : []));
  }
  if (state.regionValues) parts.push(`region ${state.regionValues[region].toFixed(2)}`);
  $("under").textContent = parts.join(" \u00b7 ");
  if (aloud) say(parts.join(", "));
}

// catchUp: what the first room shows of the face comes now, if it was passed over so far.
function enter(room, catchUp = true) {
  if (room !== "camera") stopCamera();
  if (room !== state.room) { say(""); $("under").textContent = "\u00a0"; } // what was said is about the room before
  state.room = room;
  $("change").setAttribute("aria-live", room === "camera" ? "off" : "polite"); // thirty answers a second are no speech
  document.body.dataset.room = room;
  for (const button of all("#rooms button")) {
    if (button.dataset.room === room) button.setAttribute("aria-current", "page"); else button.removeAttribute("aria-current");
  }
  if (room === "network") showNetworkRoom();
  if (room === "data") enterData();
  if (room === "camera" && state.map?.channel !== undefined) $("map-note").textContent = ""; // it is about a channel
  if (state.stale && room !== "data" && room !== "camera") { attempt(() => showFace(state.crop)); return; }
  if (room === "face" && !state.face && !state.marking) attempt(() => openExample(state.data.examples[0].file));
  if (state.face && room === "face" && catchUp) {
    if (!state.map || state.map.channel !== undefined) updateMap(); // a channel lay there
    measureOnce();
  }
  if (state.face && room !== "camera" && room !== "data") { showBars(); draw(); $("stage").setAttribute("aria-label", describe()); }
}

start().then(() => { document.body.dataset.ready = "yes"; }, (error) => { say(sentence(error), true); document.body.dataset.ready = "failed"; });
