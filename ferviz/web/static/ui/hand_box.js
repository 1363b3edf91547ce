// A square around a face, drawn by hand: where no face was found, or the wrong one. Mouse, finger or keys.
import { $, attempt, say, state } from "./page.js";

const SIDE = 576, LEAST = 8, START = 0.6, STEP = 0.02;
let canvas = null, square = null, anchor = null, take; // square: { x, y, side } in the picture's pixels

/** onBox: takes a box [left, top, right, bottom] of the picture that is marked. */
export function setUpHandBox(onBox) {
  take = onBox;
  const marker = $("marker");
  marker.onpointerdown = (event) => { marker.setPointerCapture(event.pointerId); anchor = place(event); };
  marker.onpointermove = (event) => { if (anchor) { drag(place(event)); draw(); } };
  marker.onpointerup = marker.onpointercancel = () => { anchor = null; };
  marker.onkeydown = keyed;
  $("marked").onclick = accept;
  $("unmarked").onclick = closeHandBox;
}

/** Shows a picture with a square in its middle. */
export function openHandBox(picture) {
  const side = START * Math.min(picture.width, picture.height);
  canvas = picture;
  square = { x: (picture.width - side) / 2, y: (picture.height - side) / 2, side };
  show(true);
  draw();
  $("frame").scrollIntoView({ block: "nearest" });
}

export function closeHandBox() {
  canvas = null;
  show(false);
}

// What is about the face before is hidden meanwhile, and the stage lies below.
function show(on) {
  for (const id of ["marker", "marking"]) $(id).hidden = !on;
  $("mark").hidden = $("tools").hidden = on;
  $("stage").inert = state.marking = on;
  document.body.classList.toggle("marking", on);
}

function accept() {
  const { x, y, side } = square;
  attempt(() => take([Math.round(x), Math.round(y), Math.round(x + side), Math.round(y + side)]));
}

// How the picture lies on the marker: as large as it can be, in the middle.
function layout() {
  const scale = SIDE / Math.max(canvas.width, canvas.height);
  return { scale, left: (SIDE - canvas.width * scale) / 2, top: (SIDE - canvas.height * scale) / 2 };
}

function place(event) {
  const rectangle = $("marker").getBoundingClientRect(), { scale, left, top } = layout();
  return [((event.clientX - rectangle.left) / rectangle.width * SIDE - left) / scale, ((event.clientY - rectangle.top) / rectangle.height * SIDE - top) / scale];
}

// The square between where the mouse went down and where it is, within the picture.
function drag([x, y]) {
  const [x0, y0] = [clamp(anchor[0], canvas.width), clamp(anchor[1], canvas.height)], right = x >= x0, down = y >= y0;
  const room = Math.min(right ? canvas.width - x0 : x0, down ? canvas.height - y0 : y0), side = Math.min(Math.max(Math.abs(x - x0), Math.abs(y - y0)), room);
  if (side >= LEAST) square = { x: right ? x0 : x0 - side, y: down ? y0 : y0 - side, side };
}

const clamp = (value, most) => Math.min(Math.max(value, 0), most);

function keyed(event) {
  const steps = { ArrowLeft: [-1, 0, 0], ArrowRight: [1, 0, 0], ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0], "+": [-0.5, -0.5, 1], "-": [0.5, 0.5, -1] }[event.key];
  if (event.key === "Enter") accept();
  else if (event.key === "Escape") closeHandBox();
  else if (steps) {
    const least = Math.min(canvas.width, canvas.height), step = STEP * least, side = Math.min(Math.max(square.side + steps[2] * step, LEAST), least);
    square = { side, x: clamp(square.x + steps[0] * step, canvas.width - side), y: clamp(square.y + steps[1] * step, canvas.height - side) };
    say(`Square of ${Math.round(side)} pixels at ${Math.round(square.x)}, ${Math.round(square.y)}.`);
    draw();
  } else return;
  event.preventDefault();
}

function draw() {
  const context = $("marker").getContext("2d"), { scale, left, top } = layout(), { x, y, side } = square;
  const at = [left + x * scale, top + y * scale, side * scale, side * scale];
  context.fillStyle = "#000";
  context.fillRect(0, 0, SIDE, SIDE);
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, left, top, canvas.width * scale, canvas.height * scale);
  context.fillStyle = "rgb(0 0 0 / .55)";
  context.beginPath();
  context.rect(0, 0, SIDE, SIDE);
  context.rect(...at);
  context.fill("evenodd");
  for (const [colour, width] of [["#000", 4], ["#fff", 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(...at);
  }
  $("marker").setAttribute("aria-label", `The picture, ${canvas.width} x ${canvas.height}, with a square of ${Math.round(side)} pixels at ${Math.round(x)}, ${Math.round(y)}`);
  state.square = square;
}
