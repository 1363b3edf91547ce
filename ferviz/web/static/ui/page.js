// Small helpers of every part of the page, and the state that they share.
export const $ = (id) => document.getElementById(id);
export const all = (selector) => [...document.querySelectorAll(selector)];

/** What is being looked at. `token` of a long computation is cancelled when the face changes. */
export const state = {
  data: null, engine: null, network: null, room: "face",
  face: null, original: null, current: null, hidden: null, undo: [],
  target: { plus: null, minus: null, follow: true }, method: "gradcam", layer: null, beside: "", fill: "harmonic", opacity: 0.7,
  map: null, besideMap: null, regionValues: null, regionsExact: false, latencies: [], marking: false, square: null,
};

let errorStands = false;
for (const kind of ["pointerdown", "click", "keydown", "change", "paste", "drop", "hashchange"]) addEventListener(kind, () => { errorStands = false; }, true);

/** Says a sentence to everybody, screen readers too. An error's stays until something else is asked for: what comes late from before does not replace it. */
export function say(text, isError = false) {
  if (errorStands && !isError) return;
  errorStands = isError;
  $("message").textContent = text;
  $("message").className = isError ? "error" : "";
}

/** Runs what a person asked for; an error becomes its sentence. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (error.message !== "cancelled") say(sentence(error), true);
    return undefined;
  }
}

export function sentence(error) {
  const text = String(error?.message ?? error);
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in node && typeof value !== "string") node[name] = value; else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export const labels = () => state.engine.table.labels;

/** The target's numbers, one a class: 1 for the class, -1 for the other side of a contrast. */
export function weights(target = state.target) {
  return labels().map((_, k) => (k === target.plus ? 1 : 0) - (k === target.minus ? 1 : 0));
}

export function targetName(target = state.target) {
  return labels()[target.plus] + (target.minus === null ? "" : ` rather than ${labels()[target.minus]}`);
}

/** The target as the command line writes it. */
export const targetWord = (t = state.target) => labels()[t.plus] + (t.minus === null ? "" : `-${labels()[t.minus]}`);

export const argmax = (values) => values.reduce((best, value, i) => (value > values[best] ? i : best), 0);

/** Calls the newest of many requests only: while one runs, the last one waits, and those between are dropped. */
export function newest(work) {
  let running = false, again = null;
  return async function call(...args) {
    if (running) { again = args; return; }
    running = true;
    try {
      await attempt(() => work(...args));
    } finally {
      running = false;
      if (again) { const next = again; again = null; call(...next); }
    }
  };
}
