// The confusion matrix, whose numbers choose faces.
import { element } from "../ui/page.js";

/** table: a table element. chosen: [row, column] or null. choose: called with a cell. The buttons stay what they are while answers come. */
export function drawMatrix(table, index, predictions, chosen, choose) {
  const names = index.classes, counts = names.map(() => new Array(names.length).fill(0)), done = predictions?.done ?? 0;
  if (!table.rows.length) build(table, names);
  for (let i = 0; i < done; i++) if (predictions.answers[i] >= 0) counts[index.true[i]][predictions.answers[i]] += 1;
  counts.forEach((row, i) => row.forEach((count, k) => {
    const sum = Math.max(1, row.reduce((a, b) => a + b, 0)), button = table.rows[i + 1].cells[k + 1].firstChild;
    button.textContent = String(count);
    button.disabled = !count;
    button.setAttribute("aria-pressed", String(chosen?.[0] === i && chosen?.[1] === k));
    button.setAttribute("aria-label", `${names[i]} called ${names[k]}: ${count} faces, ${Math.round(100 * count / sum)} percent of the label`);
    button.style.setProperty("--share", `${Math.round(100 * Math.sqrt(count / sum))}%`);
    button.onclick = () => choose([i, k]);
  }));
}

function build(table, names) {
  const head = element("tr", {}, element("td"), ...names.map((name) => element("th", { scope: "col" }, element("span", {}, name))));
  const rows = names.map((name, i) => element("tr", {}, element("th", { scope: "row" }, name), ...names.map((_, k) =>
    element("td", {}, element("button", { type: "button", "data-cell": `${i}/${k}`, "data-kind": i === k ? "right" : "wrong" })))));
  table.replaceChildren(element("caption", { class: "hidden" }, "Confusion matrix: labels in rows, answers in columns"), element("thead", {}, head), element("tbody", {}, ...rows));
}
