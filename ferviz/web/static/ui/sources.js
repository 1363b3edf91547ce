// Where pictures come from: a file, the clipboard, an example, a frame of the camera. The limits are checked before decoding.
import { closeHandBox, openHandBox, setUpHandBox } from "./hand_box.js";
import { $, attempt, element, say, state } from "./page.js";

const MAX_BYTES = 8 * 2 ** 20, MAX_PIXELS = 24e6, MAX_SIDE = 2048, CROP_SIDE = 64, SQUARE_SIDE = 320, CROP_IOU = 0.6, THRESHOLD = 0.7;
let show, showMarker, current;

/** onFace: takes { canvas, rgba, width, height, points } of the face that is chosen; onMarker: called when one has to be marked by hand. */
export function setUpSources(onFace, onNetwork, onMarker) {
  show = onFace;
  showMarker = onMarker;
  const take = (file) => attempt(() => openFile(file, onNetwork));
  $("file").onchange = (event) => { if (event.target.files[0]) take(event.target.files[0]); event.target.value = ""; };
  addEventListener("paste", (event) => { const file = event.clipboardData?.files[0]; if (file) take(file); });
  addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
  addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
  setUpHandBox((box) => choose({ box, points: null, whole: true }));
  $("box").onclick = () => attempt(() => choose(whole(current.canvas)));
  $("mark").onclick = () => { openHandBox(current.canvas); $("marker").focus(); };
  for (const { file, title } of state.data.examples) {
    const button = element("button", { type: "button", title, "aria-label": `Example: ${title}` }, element("img", { src: file, alt: "", loading: "lazy" }));
    button.onclick = () => attempt(() => openExample(file));
    $("examples").append(button);
  }
}

export async function openExample(file) {
  const response = await fetch(file);
  if (!response.ok) throw new Error("the example is not there any more; is ferviz studio still running?");
  await openPicture(await response.blob());
}

async function openFile(file, onNetwork) {
  const network = /\.(ferviz|h5|hdf5|keras|pt2|pth|pt|onnx|tflite)$/i.test(file.name);
  await (network ? onNetwork(file) : openPicture(file));
}

/** A blob of a face crop: the whole picture is the face. */
export async function openCrop(blob) {
  const canvas = await decoded(blob);
  current = { canvas, faces: [whole(canvas)] };
  listFaces();
  await choose(current.faces[0]);
}

/** A blob of a picture -> its faces. */
export const openPicture = async (blob) => openCanvas(await decoded(blob));

// Size and kind are read from its first bytes, before anything is decoded.
async function decoded(blob) {
  if (blob.size > MAX_BYTES) throw new Error("the picture has more than 8 MiB; make it smaller");
  const { width, height } = pictureSize(new Uint8Array(await blob.arrayBuffer()));
  if (width * height > MAX_PIXELS) throw new Error(`the picture has ${width} x ${height} pixels; 24 million are the most`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
  } catch {
    throw new Error("the picture is damaged, or it is cut off");
  }
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale)));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}

/** A canvas with a picture -> its faces; the largest is shown. */
export async function openCanvas(canvas) {
  if (Math.min(canvas.width, canvas.height) < 8) throw new Error("the picture has too few pixels for a face");
  const faces = await findFaces(canvas);
  current = { canvas, faces };
  listFaces();
  if (!faces.length) {
    openHandBox(canvas);
    showMarker();
    say("No face was found. Draw a square around one, or press \u201cWhole picture is the face\u201d.", true);
    return;
  }
  const sizes = faces.map(({ box }) => box[2] - box[0]);
  await choose(faces[sizes.indexOf(Math.max(...sizes))]);
}

// The rules of ferviz.find_faces: what is small, or square and filled by its only face, is a face crop.
async function findFaces(canvas) {
  const { width, height } = canvas, longer = Math.max(width, height), ratio = longer / Math.min(width, height);
  if (longer <= CROP_SIDE && ratio <= 1.5) return [whole(canvas)];
  const faces = await detectFaces(canvas, THRESHOLD);
  const square = ratio <= 1.1;
  if (square && !faces.length && longer <= SQUARE_SIDE) return [whole(canvas)];
  if (square && faces.length === 1 && iou(faces[0].box, [0, 0, width, height]) >= CROP_IOU) return [whole(canvas)];
  return faces.sort((a, b) => a.box[0] + a.box[2] - b.box[0] - b.box[2]);
}

const whole = (canvas) => ({ box: [0, 0, canvas.width, canvas.height], points: null, whole: true });

/** Faces of a canvas in its own pixels, searched at 640 and, for faces that fill it, at 320 pixels. call: to which worker. */
export async function detectFaces(canvas, threshold, sides = [640, 320], call = (...words) => state.engine.call(...words)) {
  const longer = Math.max(canvas.width, canvas.height), found = [];
  for (const side of longer > 320 ? sides : [320]) {
    const scale = Math.min(1, side / longer);
    const small = new OffscreenCanvas(side, side), context = small.getContext("2d", { willReadFrequently: true });
    context.fillRect(0, 0, side, side);
    context.imageSmoothingQuality = "high";
    context.drawImage(canvas, 0, 0, Math.round(canvas.width * scale), Math.round(canvas.height * scale));
    const faces = await call("detect", context.getImageData(0, 0, side, side).data, side, threshold);
    for (const face of faces) {
      if (side === 320 && sides.length > 1 && longer > 320 && face.box[2] - face.box[0] < 80) continue;
      found.push({ score: face.score, box: face.box.map((v) => v / scale), points: face.points.map((p) => p.map((v) => v / scale)) });
    }
  }
  const kept = [];
  for (const face of found.sort((a, b) => b.score - a.score)) if (kept.every((other) => iou(other.box, face.box) <= 0.3)) kept.push(face);
  return kept.filter(({ box }) => Math.max(box[2] - box[0], box[3] - box[1]) >= 24);
}

function iou(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]), height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  return width <= 0 || height <= 0 ? 0 : width * height / (area(a) + area(b) - width * height);
}

/** The square that is cut out for a box, as ferviz.faces.crops.crop_box does it. */
export function cropBox([left, top, right, bottom]) {
  const side = Math.max(1, Math.round(Math.max(right - left, bottom - top)));
  const x = Math.floor((left + right - side + 1) / 2), y = Math.floor((top + bottom - side + 1) / 2);
  return [x, y, x + side, y + side];
}

/** One face of a canvas, cut out; where it extends over the edge, the nearest pixels are repeated. */
export function cutOut(canvas, face) {
  const [left, top, right, bottom] = face.whole ? face.box : cropBox(face.box);
  const width = right - left, height = bottom - top;
  const crop = new OffscreenCanvas(width, height), context = crop.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, -left, -top);
  const image = context.getImageData(0, 0, width, height);
  const clampX = (x) => Math.min(Math.max(x, Math.max(-left, 0)), Math.min(canvas.width - left, width) - 1);
  const clampY = (y) => Math.min(Math.max(y, Math.max(-top, 0)), Math.min(canvas.height - top, height) - 1);
  if (left < 0 || top < 0 || right > canvas.width || bottom > canvas.height) {
    const pixels = new Uint32Array(image.data.buffer), inside = pixels.slice();
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) pixels[y * width + x] = inside[clampY(y) * width + clampX(x)];
    context.putImageData(image, 0, 0);
  }
  const points = face.points && face.points.map(([x, y]) => [x - left, y - top]);
  return { canvas: crop, rgba: image.data, width, height, points };
}

async function choose(face) {
  for (const button of $("faces").children) button.setAttribute("aria-pressed", String(current.faces[button.dataset.face] === face));
  closeHandBox();
  await show(cutOut(current.canvas, face));
}

function listFaces() {
  $("faces").hidden = current.faces.length < 2;
  $("faces").replaceChildren(...current.faces.slice(0, 40).map((face, i) => {
    const thumb = element("canvas", { width: 52, height: 52 }), [left, top, right, bottom] = cropBox(face.box);
    thumb.getContext("2d").drawImage(current.canvas, left, top, right - left, bottom - top, 0, 0, 52, 52);
    const button = element("button", { type: "button", "data-face": String(i), "aria-label": `Face ${i + 1} of ${current.faces.length}` }, thumb);
    button.onclick = () => attempt(() => choose(face));
    return button;
  }));
}

/** Width and height from the first bytes of a PNG, JPEG or WebP. */
export function pictureSize(bytes) {
  const view = new DataView(bytes.buffer), ascii = (at, size) => String.fromCharCode(...bytes.subarray(at, at + size));
  if (bytes.length > 24 && ascii(1, 3) === "PNG") return { width: view.getUint32(16), height: view.getUint32(20) };
  if (bytes.length > 30 && ascii(0, 4) === "RIFF" && ascii(8, 4) === "WEBP") return webpSize(view, ascii(12, 4));
  if (bytes[0] === 0xFF && bytes[1] === 0xD8) {
    for (let at = 2; at + 9 < bytes.length;) {
      if (bytes[at] !== 0xFF) { at += 1; continue; }
      const marker = bytes[at + 1];
      if (marker >= 0xC0 && marker <= 0xCF && ![0xC4, 0xC8, 0xCC].includes(marker)) return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
      at += marker === 0xFF || (marker >= 0xD0 && marker <= 0xD8) ? 1 + (marker !== 0xFF) : 2 + view.getUint16(at + 2);
    }
  }
  throw new Error("this is no picture that the page opens; PNG, JPEG and WebP are");
}

function webpSize(view, kind) {
  const u24 = (at) => view.getUint8(at) | view.getUint8(at + 1) << 8 | view.getUint8(at + 2) << 16;
  if (kind === "VP8X") return { width: u24(24) + 1, height: u24(27) + 1 };
  if (kind === "VP8 ") return { width: view.getUint16(26, true) & 0x3FFF, height: view.getUint16(28, true) & 0x3FFF };
  const bits = view.getUint32(21, true);
  return { width: (bits & 0x3FFF) + 1, height: (bits >> 14 & 0x3FFF) + 1 };
}
