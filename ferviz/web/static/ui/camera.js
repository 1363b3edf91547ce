// The camera (or a video file): frame after frame is searched, answered and explained; the next frame begins when one is done.
import { probabilities } from "../maths/scores.js";
import { quickMethod, titleOf } from "./answer.js";
import { $, argmax, attempt, labels, say, state, targetName, weights } from "./page.js";
import { heatCanvas } from "./heat.js";
import { cropBox, cutOut, detectFaces } from "./sources.js";

const MAX_SIDE = 640, HISTORY = 300, SEARCH_EVERY = 5, LOST = 0.5;
const ERRORS = {
  NotAllowedError: "The camera was not allowed; allow it in the address bar, and start it again.",
  NotFoundError: "There is no camera; plug one in, or open a picture.",
  NotReadableError: "The camera is used by another program; close that, and start it again.",
  OverconstrainedError: "There is no camera of that number.",
};
let stream = null, running = false, last = null, history = [], times = [], faces = [], searching = null, onFace;

export function setUpCamera(showFace) {
  onFace = showFace;
  $("camera-start").onclick = () => (running ? stopCamera() : attempt(ask));
  $("freeze").onclick = () => attempt(freeze);
  $("full").onclick = () => attempt(() => (document.fullscreenElement ? document.exitFullscreen() : $("frame").requestFullscreen()));
  $("notice-no").onclick = () => $("notice").close();
  $("notice-yes").onclick = () => { $("notice").close(); attempt(begin); };
  if (state.data.video) $("camera-start").textContent = "Play the video";
  document.addEventListener("visibilitychange", () => { if (document.hidden) stopCamera(); });
  addEventListener("pagehide", stopCamera);
}

// Nobody is filmed before they have read what happens.
function ask() {
  if (state.data.video) return begin();
  if (!navigator.mediaDevices?.getUserMedia) throw new Error("the browser gives the camera only to pages of this machine, or over https");
  $("notice-text").textContent = state.data.notice || "The camera\u2019s picture is explained here, frame by frame.";
  return $("notice").showModal();
}

async function begin() {
  const video = $("video");
  video.hidden = false;
  try {
    if (state.data.video) {
      video.src = "video";
      video.loop = true;
    } else {
      stream = await navigator.mediaDevices.getUserMedia({ video: await wanted(), audio: false });
      stream.getVideoTracks()[0].onended = () => { stopCamera(); say("The camera was unplugged, or another program took it.", true); };
      video.srcObject = stream;
    }
    await video.play();
  } catch (error) {
    stopCamera();
    throw new Error(ERRORS[error.name] ?? `The camera could not be started (${error.name}).`);
  }
  Object.assign(state, { target: state.target.follow ? { plus: 0, minus: null, follow: true } : state.target });
  running = true;
  [history, times, faces] = [[], [], []];
  $("camera-start").textContent = "Stop";
  $("freeze").disabled = false;
  $("map-note").textContent = "Every frame\u2019s map has a scale of its own.";
  say("");
  attempt(loop).then(() => { if (running) stopCamera(); });
}

async function wanted() {
  const size = { width: { ideal: 640 }, height: { ideal: 480 } };
  if (!state.data.camera) return size;
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
  const chosen = cameras[state.data.camera];
  if (!chosen) throw Object.assign(new Error(), { name: "OverconstrainedError" });
  return { ...size, deviceId: { exact: chosen.deviceId } };
}

export function stopCamera() {
  running = false;
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  const video = $("video");
  video.pause();
  video.srcObject = null;
  video.removeAttribute("src");
  video.hidden = true;
  $("camera-start").textContent = state.data?.video ? "Play the video" : "Start the camera";
  $("rate").textContent = "";
}

async function loop() {
  const video = $("video"), frame = new OffscreenCanvas(1, 1), context = frame.getContext("2d", { willReadFrequently: true });
  for (let number = 0; running; number++) {
    const time = video.currentTime;
    const scale = Math.min(1, MAX_SIDE / Math.max(video.videoWidth, video.videoHeight));
    frame.width = Math.round(video.videoWidth * scale);
    frame.height = Math.round(video.videoHeight * scale);
    context.drawImage(video, 0, 0, frame.width, frame.height);
    await analyse(frame, number);
    if (!running) return;
    times.push(performance.now());
    if (times.length > 30) times.shift();
    state.rate = times.length > 1 ? 1000 * (times.length - 1) / (times.at(-1) - times[0]) : 0;
    $("rate").textContent = `${state.rate.toFixed(0)} explained frames a second, ${faces.length} ${faces.length === 1 ? "face" : "faces"}`;
    await nextFrame(video, time);
  }
}

// The next frame of the camera; of a frozen source (a video that has ended) the next one of the screen.
const nextFrame = (video, time) => new Promise((resolve) => {
  if (video.currentTime !== time || !video.requestVideoFrameCallback) { requestAnimationFrame(resolve); return; }
  const fallback = setTimeout(resolve, 100);
  video.requestVideoFrameCallback(() => { clearTimeout(fallback); resolve(); });
});

// A frame is searched every few frames, by a worker of its own; until it answers, the face is where it was.
async function search(frame) {
  const found = await detectFaces(frame, LOST, [320], (...words) => state.engine.scout(...words));
  return found.sort((a, b) => b.box[2] - b.box[0] - (a.box[2] - a.box[0]));
}

async function analyse(frame, number) {
  if (!faces.length) faces = await search(frame);
  else if (number % SEARCH_EVERY === 0 && !searching) {
    searching = search(frame).then((found) => { faces = found; }, () => {}).finally(() => { searching = null; });
  }
  if (!faces.length) { show(frame, null); return; }
  const crop = cutOut(frame, faces[0]);
  const located = await state.engine.call("face", crop.rgba, crop.width, crop.height, crop.points);
  if (state.target.follow) state.target.plus = last ? argmax(last.logits) : 0;
  const signed = state.target.minus !== null;
  const method = quickMethod(); // one of hundreds of passes is none for thirty frames a second
  const map = method ? await state.engine.call("explain", located.picture, method, state.layer, weights(), signed)
    : { map: new Float32Array(1), width: 1, height: 1, logits: await state.engine.call("logits", located.picture) };
  last = { crop, map, logits: map.logits, box: cropBox(faces[0].box) };
  show(frame, last);
}

// Draws the frame that was analysed, not the camera's newest: the map stays on the face that it explains.
function show(frame, found) {
  const stage = $("stage"), context = stage.getContext("2d"), side = stage.width;
  const scale = side / Math.max(frame.width, frame.height), left = (side - frame.width * scale) / 2, top = (side - frame.height * scale) / 2;
  context.fillStyle = "#000";
  context.fillRect(0, 0, side, side);
  context.save();
  context.translate(side, 0);
  context.scale(-1, 1); // as in a mirror; what is analysed is not mirrored
  context.drawImage(frame, left, top, frame.width * scale, frame.height * scale);
  if (found) {
    const [x0, y0, x1] = found.box, size = (x1 - x0) * scale;
    context.drawImage(heatCanvas(found.map, 96, state.opacity), left + x0 * scale, top + y0 * scale, size, size);
  }
  for (const { box } of faces) {
    context.strokeStyle = "#fff";
    context.lineWidth = 2;
    context.strokeRect(left + box[0] * scale, top + box[1] * scale, (box[2] - box[0]) * scale, (box[3] - box[1]) * scale);
  }
  context.restore();
  state.frames = (state.frames ?? 0) + 1;
  if (!found) { $("change").textContent = "No face in the picture."; return; }
  const p = probabilities(found.logits, state.engine.table.head), best = argmax(p);
  history.push(p);
  if (history.length > HISTORY) history.shift();
  drawTimeline();
  showLive(p, best);
}

function mapWords() {
  const method = quickMethod();
  if (!method) return "no map comes at once from this network";
  return `the map shows ${targetName()}${method === state.method ? "" : ` (${titleOf(method)}: the chosen method takes too long)`}`;
}

function showLive(p, best) {
  $("change").className = "";
  $("change").textContent = `${labels()[best]}; ${mapWords()}.`;
  [...$("bars").children].forEach((bar, k) => {
    bar.children[2].children[0].style.width = `${100 * p[k]}%`;
    bar.children[2].children[1].hidden = true;
    bar.children[3].textContent = `${Math.round(100 * p[k])} %`;
    bar.children[4].textContent = "";
    bar.className = `bar ${k === state.target.plus ? "for" : k === state.target.minus ? "against" : ""}`;
  });
  $("stage").setAttribute("aria-label", `Camera: ${labels()[best]}, ${Math.round(100 * p[best])} percent`);
}

function drawTimeline() {
  const canvas = $("timeline"), context = canvas.getContext("2d"), { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  const count = labels().length;
  context.lineWidth = 2;
  for (let k = 0; k < count; k++) {
    context.beginPath();
    history.forEach((p, i) => context.lineTo(width - (history.length - i) * width / HISTORY, height - 4 - p[k] * (height - 8)));
    context.strokeStyle = `hsl(${360 * k / count} 65% 50%)`;
    context.stroke();
    const now = history.at(-1)[k];
    if (now > 0.3) {
      context.fillStyle = context.strokeStyle;
      context.font = "13px system-ui";
      context.fillText(labels()[k], width - 6 - context.measureText(labels()[k]).width, now > 0.7 ? height + 14 - now * (height - 8) : height - 10 - now * (height - 8));
    }
  }
}

async function freeze() {
  if (!last) throw new Error("no face was seen yet");
  const { crop } = last;
  stopCamera();
  await onFace(crop);
}
