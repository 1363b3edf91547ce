// What the page asks of Python: a job whose events come line by line. Without a server (the exported folder) nothing is asked.
import { state } from "./page.js";

const GONE = "the server does not answer; is ferviz studio still running?";

export const hasServer = () => Boolean(state.data?.server);
export const hasData = () => hasServer() && Boolean(state.data.data);

/** Asks for a path -> the response; a refusal becomes its sentence. */
export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    throw new Error(error.name === "AbortError" ? "cancelled" : GONE);
  }
  if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error ?? `the server refuses (${response.status})`);
  return response;
}

export const post = (path, body, signal) =>
  ask(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal });

/** Does a job; onEvent takes its events. -> the last event that was more than progress. Aborting the signal ends it, on the server too. */
export async function run(job, onEvent = () => {}, signal = undefined) {
  const response = await post("api/run", job, signal), reader = response.body.getReader(), decoder = new TextDecoder();
  let text = "", last = null;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      text += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const lines = text.split("\n");
      text = lines.pop();
      for (const line of lines.filter(Boolean)) {
        const event = JSON.parse(line);
        if (event.error) throw new Error(event.error);
        if (event.end) return last;
        last = event;
        onEvent(event);
      }
      if (done) throw new Error("the server ended before it was done; try it again");
    }
  } catch (error) {
    if (error.name === "AbortError" || signal?.aborted) throw new Error("cancelled");
    throw error instanceof TypeError ? new Error(GONE) : error;
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Values that were sent as text. */
export function unpack(text, Kind = Float32Array) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  return new Kind(bytes.buffer);
}

/** A picture's values as text. */
export function pack(values) {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

const running = new Map();

/**
 * Does something long and shows in a box how far it is, with a button that ends it; what was done there before is ended.
 * work: takes a signal that says when it is ended, and a function for [words, share or nothing], or for nothing.
 */
export async function workIn(box, words, work) {
  stop(box);
  const control = new AbortController(), [bar, note, button] = box.children;
  running.set(box, control);
  box.hidden = false;
  note.textContent = words;
  bar.removeAttribute("value");
  button.onclick = () => stop(box);
  const show = (step) => {
    if (control.signal.aborted || !step) return;
    note.textContent = step[0];
    if (step[1] !== undefined) bar.value = step[1];
  };
  try {
    return await work(control.signal, show);
  } finally {
    if (running.get(box) === control) { running.delete(box); box.hidden = true; }
  }
}

/** Does a job of the server in a box. progress: takes an event -> [words, share or nothing], or nothing. */
export const runIn = (box, job, progress) => workIn(box, "Asking this machine \u2026", (signal, show) =>
  run(job, (event) => show(event.waiting ? ["Waiting for another question \u2026"] : progress(event)), signal));

/** Ends the job of a box. */
export function stop(box) {
  running.get(box)?.abort();
  running.delete(box);
  box.hidden = true;
}
