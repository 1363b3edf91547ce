// Judgements about labels that the network does not believe. They go into a file of their own; no label is ever changed.
import { say, state } from "../ui/page.js";
import { save } from "../ui/take_along.js";

/** Face -> "keep", "doubt" or "skip". */
export const decisions = new Map();

export function decide(face, word) { decisions.set(face, word); }

// A cell that a spreadsheet would take for a formula gets an apostrophe.
const cell = (value) => {
  const text = /^[=+\-@\t\r]/.test(String(value)) && typeof value !== "number" ? `'${value}` : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** The table: a row for each judgement, in the order of doubt. */
export function doubtTable(index, predictions) {
  const rows = [...decisions].map(([face, word]) => {
    const label = index.true[face], answer = predictions.answers[face];
    return [index.rows[face], index.splits[index.split[face]], index.classes[label], 1 - predictions.p(face, label),
      answer < 0 ? "" : index.classes[answer], answer < 0 ? "" : predictions.p(face, answer), word];
  });
  rows.sort((a, b) => b[3] - a[3]);
  const plain = rows.map((row) => row.map((value, i) => (i === 3 || i === 5 ? (value === "" ? "" : Number(value.toFixed(4))) : value)));
  return [["row", "split", "label", "doubt", "predicted", "probability", "judgement"], ...plain];
}

export function saveDoubts(index, predictions) {
  if (!decisions.size) throw new Error("there are no judgements yet; press keep, doubt or skip");
  const text = doubtTable(index, predictions).map((row) => row.map(cell).join(",")).join("\r\n");
  save(new Blob([`${text}\r\n`], { type: "text/csv" }), `${state.network.name.replace(/[^\w.-]+/g, "_")}_labels.csv`);
  say(`${decisions.size} judgements are saved; no label was changed.`);
}
