// The picture in the middle: the face, its map, what is hidden, and the brush.
import { $, all, newest, say, state } from "./page.js";
import { heatCanvas, pictureCanvas } from "./heat.js";
import { differenceShown } from "./beside.js";
import { dab, radiusOf, stroke } from "../maths/brush.js";

const SIDE = 576, SHADE = 0.6;
let tool = "paint", cursor = null, painting = false, onStroke, onUnder, regionHeat = null, showRegions = false, lit = null;

/** stroked: called when the hidden part has changed; under: called with a place of the picture. */
export function setUpStage(stroked, under) {
  onStroke = newest(stroked);
  onUnder = under;
  const stage = $("stage");
  for (const button of all("[data-tool]")) button.onclick = () => chooseTool(button.dataset.tool);
  $("tools").onkeydown = nextTool;
  stage.onpointerdown = (event) => { if (!editable()) return; stage.setPointerCapture(event.pointerId); if (tool !== "region") beginStroke(); painting = true; move(event); };
  stage.onpointermove = move;
  stage.onpointerup = stage.onpointercancel = () => { painting = false; };
  stage.onpointerleave = () => { cursor = null; draw(); };
  stage.onkeydown = keyed;
  $("undo").onclick = undo;
  $("clear").onclick = () => { if (!state.face) return; beginStroke(); state.hidden.fill(0); changed(); };
  $("opacity").oninput = () => { state.opacity = $("opacity").value / 100; draw(); };
  $("split").oninput = draw;
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "z" && state.room === "face") { event.preventDefault(); undo(); }
  });
}

const editable = () => state.face && state.room === "face" && tool !== "read";

export function chooseTool(name) {
  tool = name;
  for (const button of all("[data-tool]")) {
    button.setAttribute("aria-checked", String(button.dataset.tool === name));
    button.tabIndex = button.dataset.tool === name ? 0 : -1;
  }
}

// Of several that exclude each other the arrow keys choose, and Tab goes on.
function nextTool(event) {
  const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key], tools = all("[data-tool]"), at = tools.indexOf(event.target);
  if (!step || at < 0) return;
  const next = tools[(at + step + tools.length) % tools.length];
  chooseTool(next.dataset.tool);
  next.focus();
  event.preventDefault();
}

function beginStroke() {
  state.undo.push(state.hidden.slice());
  if (state.undo.length > 50) state.undo.shift();
}

function undo() {
  if (!state.undo.length) return;
  state.hidden = state.undo.pop();
  changed();
}

/** Takes a hidden part from elsewhere (a region, the smallest patch), as one step that can be undone. */
export function setHidden(hidden) {
  beginStroke();
  state.hidden = hidden;
  changed();
}

export function changed() {
  $("undo").disabled = !state.undo.length;
  $("clear").disabled = !state.hidden.some(Boolean);
  dispatchEvent(new Event("hidden"));
  onStroke(performance.now());
}

// Pixels of the network's picture from a place on the stage.
function place(event) {
  const rectangle = $("stage").getBoundingClientRect(), { width, height } = state.face.picture;
  return [(event.clientX - rectangle.left) / rectangle.width * width - 0.5, (event.clientY - rectangle.top) / rectangle.height * height - 0.5];
}

function move(event) {
  if (!state.face || state.room !== "face") return;
  const before = cursor;
  cursor = place(event);
  onUnder(cursor);
  if (painting && tool === "region") { toggleRegion(...cursor); painting = false; } else if (painting) line(before ?? cursor, cursor);
  draw();
}

const size = () => Number($("size").value);

function line(from, to) {
  const { width, height } = state.face.picture;
  stroke(state.hidden, width, height, from, to, size(), tool === "erase");
  changed();
}

function toggleRegion(x, y) {
  const region = regionAt(x, y);
  if (region !== null) dispatchEvent(new CustomEvent("region", { detail: region }));
}

/** The region that has most of a pixel, or null. */
export function regionAt(x, y) {
  const { masks, picture: { width, height } } = state.face, column = Math.round(x), row = Math.round(y);
  if (!masks || column < 0 || row < 0 || column >= width || row >= height) return null;
  return masks.reduce((best, mask, r) => (mask[row * width + column] > masks[best][row * width + column] ? r : best), 0);
}

function keyed(event) {
  if (!state.face || state.room !== "face") return;
  const { width, height } = state.face.picture, steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  cursor ??= [width / 2, height / 2];
  if (steps[event.key]) {
    const [x, y] = steps[event.key];
    cursor = [Math.min(Math.max(cursor[0] + x, 0), width - 1), Math.min(Math.max(cursor[1] + y, 0), height - 1)];
    onUnder(cursor, true);
  } else if (event.key === " " || event.key === "Enter") {
    if (tool === "region") toggleRegion(...cursor); else { beginStroke(); dab(state.hidden, width, height, ...cursor, size(), event.shiftKey || tool === "erase"); changed(); }
  } else if (event.key === "[" || event.key === "]") {
    $("size").value = size() + (event.key === "]" ? 1 : -1);
    say(`Brush of ${$("size").value} pixels.`);
  } else return;
  event.preventDefault();
  draw();
}

/** Shows the regions' exact values in the place of the map. map: as of explain, or null. */
export function showRegionMap(map, on) {
  regionHeat = map;
  showRegions = on;
  draw();
}

/** Shows where a region is by darkening everything else; null: shows all. */
export function spotlight(region) {
  lit = region;
  draw();
}

/** Draws the stage anew, at the next frame of the screen. */
let waiting = false;
export function draw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; paint($("stage")); });
}

/** Paints the face with all that lies over it. For the stage, and for files. */
export function paint(canvas, withCursor = true, withFace = true) {
  const context = canvas.getContext("2d");
  if (!state.face || state.room === "camera") return;
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#808080";
  if (withFace) context.drawImage(state.face.canvas, 0, 0, SIDE, SIDE); else context.fillRect(0, 0, SIDE, SIDE);
  if (withFace && state.current && state.hidden.some(Boolean)) context.drawImage(pictureCanvas(state.current.picture, state.hidden), 0, 0, SIDE, SIDE);
  const map = showRegions && regionHeat ? regionHeat : state.map;
  const beside = state.room === "face" && !showRegions ? state.besideMap : null, less = beside && differenceShown(), at = beside ? SIDE * $("split").value / 100 : SIDE;
  if (less) context.drawImage(heatCanvas(less, 192, state.opacity, less.vmax, true), 0, 0, SIDE, SIDE);
  else if (map) clipped(context, 0, at, () => context.drawImage(heatCanvas(map, 192, state.opacity, map.vmax), 0, 0, SIDE, SIDE));
  if (beside && !less) {
    clipped(context, at, SIDE, () => context.drawImage(heatCanvas(beside, 192, state.opacity), 0, 0, SIDE, SIDE));
    context.fillStyle = "#fff";
    context.fillRect(at - 1, 0, 2, SIDE);
  }
  if (!withCursor || state.room !== "face") return;
  if (lit !== null) context.drawImage(shade(state.face.masks[lit], state.face.picture), 0, 0, SIDE, SIDE);
  if (cursor && tool !== "read") ring(context);
}

// Black where a mask is not.
function shade(mask, { width, height }) {
  const black = { data: new Float32Array(width * height), width, height, channels: 1 };
  return pictureCanvas(black, mask.map((share) => SHADE * (1 - share)));
}

function clipped(context, from, to, work) {
  context.save();
  context.beginPath();
  context.rect(from, 0, to - from, SIDE);
  context.clip();
  work();
  context.restore();
}

function ring(context) {
  const { width, height } = state.face.picture, unit = SIDE / width;
  const radius = tool === "region" ? 5 : Math.max(3, radiusOf(width, height, size()) * unit);
  for (const [colour, line] of [["#000", 3], ["#fff", 1.5]]) {
    context.beginPath();
    context.arc((cursor[0] + 0.5) * unit, (cursor[1] + 0.5) * SIDE / height, radius, 0, 2 * Math.PI);
    context.strokeStyle = colour;
    context.lineWidth = line;
    context.stroke();
  }
}
