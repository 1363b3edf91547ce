// Taking it along: a link, the same as a command and as Python, and files. No picture is in a link, and no path in a file.
import { probabilities } from "../maths/scores.js";
import { $, all, attempt, element, labels, say, state, targetName, targetWord } from "./page.js";
import { describe } from "./answer.js";
import { linkedLayer } from "./network_room.js";
import { isUnchecked } from "./networks.js";
import { paint } from "./stage.js";

const SIDE = 576;

export function setUpTakeAlong() {
  const actions = { link: () => copy(link(), "The link"), command: () => copy(command(), "The command"), python: () => copy(python(), "The Python"), png, svg, json, html };
  for (const button of all("[data-take]")) button.onclick = () => attempt(actions[button.dataset.take]);
}

function link() {
  const words = new URLSearchParams({ method: state.method, layer: state.layer, fill: state.fill, opacity: state.opacity });
  if (!state.target.follow) words.set("target", targetWord());
  return `${location.origin}${location.pathname}#/${state.room}?${words}`;
}

/** What the address asks for: { room, method, layer, fill, opacity, target }. Whatever is not known is left out. */
export function readLink() {
  const [path, query = ""] = location.hash.slice(2).split("?"), words = new URLSearchParams(query), link = {};
  const room = path.split("/")[0];
  if (["face", "camera", "network", "data"].includes(room) && (room !== "data" || state.data.data)) link.room = room;
  linkedLayer();
  if (state.data.methods.some(({ name }) => name === words.get("method"))) link.method = words.get("method");
  if (words.get("layer")) link.layer = words.get("layer");
  if (["harmonic", "blur", "mean", "grey"].includes(words.get("fill"))) link.fill = words.get("fill");
  const opacity = Number(words.get("opacity"));
  if (words.get("opacity") && opacity >= 0 && opacity <= 1) link.opacity = opacity;
  link.targetWord = words.get("target");
  return link;
}

/** A target from its word ("happy" or "happy-sad"), or undefined. */
export function parseTarget(word, names) {
  const plus = names.find((name) => word === name || word?.startsWith(`${name}-`));
  if (plus === undefined) return undefined;
  const minus = word === plus ? null : names.indexOf(word.slice(plus.length + 1));
  return minus === -1 ? undefined : { plus: names.indexOf(plus), minus };
}

const model = () => (state.network.name === "bundled" ? null : state.network.name);

function command() {
  const words = ["ferviz", "explain", "face.png", "--method", state.method, "--layer", state.layer, "--target", targetWord()];
  if (model()) words.push("--model", model());
  return words.map((word) => (/^[\w.+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}

function python() {
  const text = JSON.stringify;
  return `import ferviz\n\nmodel = ferviz.load_model(${model() ? text(model()) : ""})\nfaces = ferviz.find_faces("face.png")\n` +
    `explanation = ferviz.explain(model, faces, method=${text(state.method)}, layer=${text(state.layer)}, target=${text(targetWord())})\n` +
    "print(explanation.raw)\nexplanation.save(\"explained.png\")\n";
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} is copied: ${text.split("\n")[0]}`);
  } catch {
    say(`${what}, to copy by hand: ${text}`);
  }
}

const withoutFace = () => $("without-face").checked;

function needFace() {
  if (!state.face) throw new Error("there is no face yet; open a picture");
}

export function save(blob, name) {
  const address = URL.createObjectURL(blob), anchor = element("a", { href: address, download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
  say(`${name} is saved.`);
}

function picture() {
  needFace();
  const canvas = element("canvas", { width: SIDE, height: SIDE });
  paint(canvas, false, !withoutFace());
  return canvas;
}

const png = () => new Promise((resolve) => { picture().toBlob((blob) => { save(blob, "ferviz.png"); resolve(); }); });

const escaped = (text) => String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

// The picture with the classes' bars beside it; letters stay letters.
function drawing() {
  const p = probabilities(state.current?.logits ?? state.original, state.engine.table.head), row = 34;
  const bars = labels().map((label, k) => `<text x="${SIDE + 130}" y="${60 + row * k}" text-anchor="end">${escaped(label)}</text>` +
    `<rect x="${SIDE + 140}" y="${44 + row * k}" width="${200 * p[k]}" height="20" fill="${k === state.target.plus ? "#b3362b" : "#7f98ae"}"/>` +
    `<text x="${SIDE + 350}" y="${60 + row * k}">${Math.round(100 * p[k])} %</text>`).join("");
  const notes = [$("map-note").textContent, $("verdict").textContent, $("unseen").hidden ? "" : "A picture that no network saw.",
    isUnchecked() ? `Unchecked network: ${state.network.assumed.join(", ")} assumed.` : ""].filter(Boolean);
  const text = notes.map((note, i) => `<text x="0" y="${SIDE + 24 + 22 * i}">${escaped(note)}</text>`).join("");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIDE + 410} ${SIDE + 90}" width="${SIDE + 410}" font-family="sans-serif" font-size="16" role="img" aria-label="${escaped(describe())}">` +
    `<image href="${picture().toDataURL("image/png")}" width="${SIDE}" height="${SIDE}"/>${bars}${text}</svg>`;
}

function svg() {
  needFace();
  save(new Blob([drawing()], { type: "image/svg+xml" }), "ferviz.svg");
}

/** The record of what is shown: raw values, so that maps compare. */
export function record() {
  const { table } = state.engine, logits = state.current?.logits ?? state.original, rows = (values, width) =>
    Array.from({ length: values.length / width }, (_, y) => Array.from(values.slice(y * width, (y + 1) * width), (v) => Number(v.toPrecision(6))));
  const named = (values, names) => Object.fromEntries(names.map((name, i) => [name, Number(values[i].toPrecision(6))]));
  return {
    schema_version: 1, command: "studio", model: { name: state.network.name, sha256: table.sha256, assumed: state.network.assumed ?? [], checked: state.network.checked ?? null },
    method: state.method, layer: state.layer, target: targetWord(), probabilities: named(probabilities(logits, table.head), labels()),
    logits: named(logits, labels()), logits_of_the_whole_face: named(state.original, labels()),
    raw: state.map && rows(state.map.map, state.map.width), regions: state.regionsExact && named(state.regionValues, state.data.regions.names),
    landmarks: withoutFace() ? null : { points: state.face.points, source: state.face.source }, verdict: state.verdict ?? null,
    hidden: state.hidden.some(Boolean) ? { fill: state.fill, share: rows(state.hidden, state.face.picture.width) } : null,
    accelerator: state.engine.graphics ? "webgpu" : "wasm", command_line: command(), versions: { ferviz: state.data.version },
  };
}

function json() {
  needFace();
  save(new Blob([JSON.stringify(record(), null, 1)], { type: "application/json" }), "ferviz.json");
}

function html() {
  needFace();
  const text = JSON.stringify(record()).replaceAll("<", "\\u003c");
  save(new Blob([`<!doctype html><html lang="en"><meta charset="utf-8"><title>ferviz: ${escaped(targetName())}</title>` +
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:\"><meta name=\"viewport\" content=\"width=device-width\">" +
    `<h1>${escaped(targetName())}</h1>${drawing()}<h2>The same on the command line</h2><pre>${escaped(command())}</pre>` +
    `<h2>The same in Python</h2><pre>${escaped(python())}</pre><script type="application/json" id="record">${text}</script></html>`], { type: "text/html" }), "ferviz.html");
}
