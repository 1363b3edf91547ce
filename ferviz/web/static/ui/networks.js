// The networks of the page: the one that is looked at, those that lie beside it, and what is known about how they are fed.
import { Engine } from "../engine/engine.js";
import { probabilities } from "../maths/scores.js";
import { resizeMap } from "./heat.js";
import { $, argmax, attempt, labels, say, state } from "./page.js";
import { ask, hasData, hasServer, runIn } from "./server.js";

const opened = []; // { key, name, record, bytes, grain, engine }: engine where it has been asked beside another one

/** Notes a network that was opened, and makes it the one that is looked at. */
export function noteNetwork(record, bytes, grain) {
  const known = opened.find((network) => network.record === record);
  if (!known) opened.push({ key: String(opened.length), name: record.name, record, bytes, grain, engine: null });
  state.network = record;
  showBadge();
}

/** Notes a network that the studio was started with, and that is opened when it is first needed. */
export function noteOther(record) { opened.push({ key: String(opened.length), name: record.name, record, bytes: null, grain: null, engine: null }); }

/** Those that can lie beside the one that is looked at. */
export const otherNetworks = () => opened.filter(({ record }) => record !== state.network);

/** The networks in the order in which they were opened: [{ key, name, record }]. */
export const allNetworks = () => opened;

async function engineOf(key) {
  const network = opened.find((other) => other.key === key);
  if (!network.engine) {
    const engine = new Engine({ landmarks: null, data: { regions: state.data.regions } });
    await engine.open(network.bytes ?? new Uint8Array(await (await ask(network.record.file)).arrayBuffer()), network.grain, true);
    network.engine = engine;
  }
  return network.engine;
}

/** The map of another network for the same face, the same hidden part and the class of the same name; says: its answer. */
export async function explainOn(key, method, layer) {
  const engine = await engineOf(key), { table } = engine, crop = state.crop, target = state.target;
  const weights = table.labels.map((label) => Number(label === labels()[target.plus]) - Number(label === labels()[target.minus]));
  if (!weights.includes(1)) throw new Error(`${table.name} has no class ${labels()[target.plus]}`);
  const located = await engine.call("face", crop.rgba, crop.width, crop.height, crop.points), { width, height } = located.picture;
  const hidden = state.hidden.some(Boolean) && resizeMap(state.hidden, state.face.picture.width, state.face.picture.height, width, height);
  const picture = hidden ? (await engine.call("masked", located.picture, hidden, state.fill)).picture : located.picture;
  const at = table.gradients.includes(layer) ? layer : table.default, can = method !== "fastshap" || engine.graphs.includes("explain");
  const map = await engine.call("explain", picture, can ? method : "gradcam", at, weights, target.minus !== null);
  const p = probabilities(map.logits, table.head), best = argmax(p);
  return { ...map, says: `${table.labels[best]}, ${Math.round(100 * p[best])} %${can ? "" : " (Grad-CAM, for it was not taught)"}` };
}

/** What the server calls the network that is looked at; one that was only dropped on the page is sent there first. */
export async function serverName(record = state.network) {
  if (record.server === undefined) {
    const { bytes } = opened.find((network) => network.record === record);
    const response = await ask(`api/compile?name=${encodeURIComponent(record.name)}`, { method: "POST", body: bytes, headers: { "Content-Type": "application/octet-stream" } });
    record.server = response.headers.get("ferviz-network");
  }
  return record.server;
}

/** Compiles a network's file on the server -> { bytes, server }. */
export async function compileOnServer(file, bytes) {
  say(`Compiling ${file.name} on this machine; that takes a while \u2026`);
  const response = await ask(`api/compile?name=${encodeURIComponent(file.name)}`, { method: "POST", body: bytes, headers: { "Content-Type": "application/octet-stream" } });
  return { bytes: new Uint8Array(await response.arrayBuffer()), server: response.headers.get("ferviz-network") };
}

/** Whether nobody has said or tested how the network is fed. */
export const isUnchecked = () => Boolean(state.network?.assumed?.length) && !state.network.checked?.right;

// What is known about how the network is fed, beside its name and on the picture.
export function showBadge() {
  const { table } = state.engine, { assumed = [], checked } = state.network, badge = $("badge");
  $("network-name").textContent = `${state.network.own ? state.network.name : table.name}: ${table.labels.length} classes, ${table.input.width} x ${table.input.height} ${table.input.channels === 1 ? "grey" : "colour"}`;
  badge.className = checked ? (checked.right ? "good" : "bad") : assumed.length ? "unknown" : "";
  badge.textContent = checked ? verdictOf(checked) : assumed.length ? `unchecked: ${assumed.join(", ")} assumed` : "";
  badge.hidden = !badge.textContent;
  $("unchecked").hidden = !isUnchecked();
  $("check").hidden = !hasData() || Boolean(checked);
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

function verdictOf(checked) {
  const rate = checked.accuracy === null ? "" : ` ${percent(checked.accuracy)} of ${checked.faces} faces right`;
  if (!checked.usable) return `no way of feeding it beats a guess (${checked.faces} faces)`;
  if (checked.right) return `fed as it was trained:${rate}`;
  const cost = checked.points === null ? "" : `: \u2212${checked.points.toFixed(0)} points`;
  return `fed wrongly${cost};${rate}; use ${checked.best}`;
}

/** Asks with the labelled faces whether the network is fed as it was trained. */
export const checkNetwork = () => attempt(async () => {
  if (!hasServer()) throw new Error("checking needs labelled faces; start the studio with --data DATA");
  const record = state.network;
  $("check").disabled = true;
  try {
    const answer = await runIn($("slow"), { task: "check", network: await serverName(record) }, ({ phrase }) => [`Checking: ${phrase ?? ""}`]);
    record.checked = answer;
    if (record === state.network) showBadge();
    say(`${record.name}: ${verdictOf(answer)}.`, !answer.right);
  } finally {
    $("check").disabled = false;
  }
});
