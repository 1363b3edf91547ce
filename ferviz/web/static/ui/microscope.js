// One channel under the microscope: its dream, the faces that excite it most, where it looks, and what the answer loses without it.
import { $, argmax, attempt, element, labels, say, state, targetName } from "./page.js";
import { signed } from "./answer.js";
import { otherNetworks, serverName } from "./networks.js";
import { ask, hasData, hasServer, pack, post, runIn, stop, unpack } from "./server.js";

const SIDE = 192, BARS = 7, LEAST = 0.005;
let at = null; // { layer, channel } or { class }; a face that is changed has a picture, too
let frames = []; // of a face that is changed

export function setUpMicroscope() {
  $("dream-channel").onclick = () => attempt(dream);
  $("dream-class").onclick = () => attempt(() => { at = { class: state.target.plus }; return dream(); });
  $("morph").onclick = () => attempt(changeFace);
  $("morph-step").oninput = () => showFrame(Number($("morph-step").value));
  for (const id of ["dream-channel", "dream-class", "morph"]) $(id).hidden = !hasServer();
}

/** Takes away what is known about a channel: it was another network's. */
export function closeMicroscope() {
  at = null;
  for (const id of ["dream-progress", "channel-progress"]) stop($(id));
  $("microscope").hidden = true;
}

/** The part of the address that leads to what is dreamt of. */
const address = () => ("class" in at ? `#/network?dream=${encodeURIComponent(labels()[at.class])}` : `#/network/${encodeURIComponent(at.layer)}/${at.channel}`);

/** Looks at a channel: what is known at once, and what the labelled faces tell. */
export const lookAt = (layer, channel) => attempt(async () => {
  const picture = state.face.picture;
  at = { layer, channel };
  stop($("dream-progress"));
  $("microscope").hidden = false;
  $("channel-title").textContent = `Channel ${channel} of ${layer}`;
  $("dream").hidden = $("channel-faces").hidden = $("morph-label").hidden = true;
  $("dream-text").textContent = hasServer() ? "" : "Dreams are made by ferviz studio, or with: ferviz dream --layer " + layer + " --channel " + channel;
  await showKept(layer, channel);
  if (!isAt(layer, channel)) return;
  const change = await state.engine.call("without", picture, layer, channel);
  if (!isAt(layer, channel)) return;
  showWithout(change, "On this face");
  if (!hasData()) return;
  const job = { task: "channel", network: await serverName(), layer, channel };
  const answer = await runIn($("channel-progress"), job, ({ done, of }) => (of ? [`${layer} of ${done} of ${of} faces`, done / of] : null));
  if (isAt(layer, channel)) await showFaces(answer);
});

const isAt = (layer, channel) => at?.layer === layer && at?.channel === channel;

/** The dreams of a layer's channels that were made before the page was opened, or undefined. */
export const keptDreams = (layer) => state.network?.dreams?.[layer];

export const keptFile = (dreams, channel) => dreams.files.replace("{}", channel);

async function showKept(layer, channel) {
  const dreams = keptDreams(layer);
  if (!dreams || !(channel in dreams.first)) return;
  const bitmap = await createImageBitmap(await (await ask(keptFile(dreams, channel))).blob());
  if (!isAt(layer, channel)) return;
  $("dream").hidden = false;
  drawDream(bitmap, `The dream of channel ${channel} of ${layer}`);
  tellDream(`channel ${channel} of ${layer}`, dreams.first[channel], dreams.last[channel], dreams.predicted[channel], dreams.probability[channel]);
}

function showWithout(change, whose) {
  const box = $("channel-without");
  if (!change) { box.replaceChildren(element("p", { class: "hint" }, "What the answer loses without a channel is known for the last map only.")); return; }
  if (change.every((value) => Math.abs(value) < LEAST)) { box.replaceChildren(element("p", { class: "hint" }, `${whose}, no class\u2019s logit changes by as much as ${LEAST} without this channel.`)); return; }
  const order = change.map((value, k) => [k, value]).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, BARS), most = Math.max(...change.map(Math.abs), 1e-9);
  box.replaceChildren(element("p", { class: "hint" }, `${whose}, each class\u2019s logit without this channel:`), ...order.map(([k, value]) => {
    const track = element("i", {}, element("b", { class: value < 0 ? "against" : "for" }));
    track.firstChild.style.width = `${100 * Math.abs(value) / most}%`;
    return element("p", { class: "effect" }, element("span", {}, labels()[k]), track, element("span", {}, signed(value)));
  }));
}

async function showFaces(answer) {
  const names = Object.entries(answer.regions).sort((a, b) => b[1] - a[1]).filter(([, times]) => times > 1.15).slice(0, 3);
  const looks = names.length ? `It looks at the ${names.map(([name, times]) => `${name} (${times.toFixed(1)} times the mean)`).join(", ")}.` : "It looks at no region more than at others.";
  const sheet = async (faces) => createImageBitmap(await (await post("api/data/sheet", { faces })).blob());
  const [most, drawn] = await Promise.all([sheet(answer.most), sheet(answer.drawn)]);
  for (const [id, bitmap, faces, values] of [["channel-most", most, answer.most, answer.most_values], ["channel-drawn", drawn, answer.drawn, answer.drawn_values]]) {
    const canvas = $(id), side = bitmap.height;
    canvas.width = side * faces.length;
    canvas.height = side;
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    canvas.setAttribute("aria-label", `${faces.length} faces, mean activation ${values.map((v) => v.toFixed(2)).join(", ")}`);
    canvas.title = canvas.getAttribute("aria-label");
  }
  $("channel-faces").hidden = false;
  const best = answer.classes.map((value, k) => [value ?? -Infinity, k]).sort((a, b) => b[0] - a[0])[0];
  $("channel-text").textContent = `${looks} Of the classes, ${labels()[best[1]] ?? "one"} excites it most (mean ${best[0].toFixed(2)}, all ${answer.mean.toFixed(2)}), among ${answer.faces} faces.`;
  if (answer.removed) showWithout(answer.removed, "On average");
}

/** Dreams of what is looked at; every picture of the way is shown as it comes. */
async function dream() {
  const own = at, what = "class" in own ? labels()[own.class] : `channel ${own.channel} of ${own.layer}`;
  $("microscope").hidden = $("dream").hidden = false;
  $("morph-label").hidden = true;
  if ("class" in own) { $("channel-title").textContent = `A dream of ${what}`; $("channel-faces").hidden = true; $("channel-without").replaceChildren(); }
  $("dream-text").textContent = "";
  history.replaceState(null, "", address());
  const job = { task: "dream", network: await serverName(), seed: 0, ...own };
  const last = await runIn($("dream-progress"), job, ({ step, of, ...rest }) => {
    if (own !== at) return null;
    if (rest.picture) paintDream(rest);
    return [step ? `Dreaming of ${what}: step ${step} of ${of}` : "Opening the network\u2019s graph \u2026", of ? step / of : undefined];
  });
  if (own !== at) return;
  paintDream(last);
  const best = argmax(last.probabilities);
  tellDream(what, last.first, last.last, best, last.probabilities[best]);
  say(`The dream of ${what} is done.`);
}

function tellDream(what, first, last, best, p) {
  $("dream-text").textContent = `What raises ${what}: ${first.toPrecision(3)} at first, ${last.toPrecision(3)} at last. The network calls the picture ${labels()[best]}, ${percent(p)}; it is no face that anybody has.`;
}

const percent = (p) => `${Math.round(100 * p)} %`;

/** Changes the face towards the class that is explained; a slider goes through the steps. Another network, if there is one, judges each. */
async function changeFace() {
  const goal = state.target.plus, own = at = { class: goal, picture: pack((state.current?.picture ?? state.face.picture).data) }, other = otherNetworks()[0];
  frames = [];
  $("microscope").hidden = $("dream").hidden = false;
  $("channel-faces").hidden = $("morph-label").hidden = true;
  $("channel-title").textContent = `This face, changed towards ${labels()[goal]}`;
  $("channel-without").replaceChildren();
  const job = { task: "dream", network: await serverName(), seed: 0, ...own, ...(other ? { judge: await serverName(other.record) } : {}) };
  await runIn($("dream-progress"), job, ({ step, of, ...rest }) => {
    if (own !== at) return null;
    if (rest.picture && frames.at(-1)?.step !== step) {
      frames.push({ step, of, goal, ...rest });
      $("morph-step").max = frames.length - 1;
      $("morph-step").value = frames.length - 1;
      $("morph-label").hidden = false;
      showFrame(frames.length - 1);
    }
    return [step ? `Changing the face: step ${step} of ${of}` : "Opening the network\u2019s graph \u2026", of ? step / of : undefined];
  });
  if (own === at) say(`The face is changed towards ${labels()[goal]}; the slider goes through the steps.`);
}

function showFrame(number) {
  const { step, of, goal, probabilities, judge, ...picture } = frames[number], best = argmax(probabilities), wanted = labels()[goal];
  paintDream(picture);
  const says = (names, p) => `${names[argmax(p)]}, ${percent(Math.max(...p))}${names[argmax(p)] === wanted || !names.includes(wanted) ? "" : ` (${wanted} ${percent(p[names.indexOf(wanted)])})`}`;
  $("dream-text").textContent = `Step ${step} of ${of}: the network says ${says(labels(), probabilities)}. ` +
    (judge ? `${judge.name}, which took no part, says ${says(judge.labels, judge.probabilities)}. ` : "No other network judges it; --compare names one. ") +
    "This is what raises the score, not how a face moves.";
  $("morph-step").setAttribute("aria-valuetext", `step ${step}, ${labels()[best]} ${percent(probabilities[best])}`);
}

function paintDream({ picture, width, height, channels }) {
  const values = unpack(picture, Uint8Array), small = new OffscreenCanvas(width, height), context = small.getContext("2d"), image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = values[channels === 1 ? i : 3 * i + c];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  state.dreamSteps = (state.dreamSteps ?? 0) + 1;
  drawDream(small, `The dream so far, for ${"class" in at ? labels()[at.class] : `channel ${at.channel} of ${at.layer}`}`);
}

function drawDream(picture, words) {
  const shown = $("dream").getContext("2d");
  shown.imageSmoothingQuality = "high";
  shown.drawImage(picture, 0, 0, SIDE, SIDE);
  $("dream").setAttribute("aria-label", words);
}

/** The class that the address asks to be dreamt of, dreamt of. */
export function dreamOfLink() {
  const word = new URLSearchParams(location.hash.split("?")[1] ?? "").get("dream"), k = labels().indexOf(word);
  if (word && k >= 0 && hasServer() && at?.class !== k) attempt(() => { at = { class: k }; return dream(); });
}

/** Names the class that the buttons are about. */
export function nameDream() {
  const name = targetName({ plus: state.target.plus ?? 0, minus: null });
  $("dream-class").textContent = `Dream of ${name}`;
  $("morph").textContent = `Change this face towards ${name}`;
}
