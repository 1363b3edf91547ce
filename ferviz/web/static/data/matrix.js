// The confusion matrix, whose numbers choose faces.
import { element } from "../ui/page.js";

/** table: a table element. chosen: [row, column] or null. choose: called with a cell. */
export function drawMatrix(table, index, predictions, chosen, choose) {
  const names = index.classes, size = names.length, counts = Array.from({ length: size }, () => new Array(size).fill(0));
  const done = predictions?.done ?? 0;
  for (let i = 0; i < done; i++) if (predictions.answers[i] >= 0) counts[index.true[i]][predictions.answers[i]] += 1;
  const focus = table.contains(document.activeElement) ? document.activeElement.dataset.cell : null;
  const head = element("tr", {}, element("td"), ...names.map((name) => element("th", { scope: "col" }, element("span", {}, name))));
  const rows = counts.map((row, i) => {
    const sum = Math.max(1, row.reduce((a, b) => a + b, 0));
    return element("tr", {}, element("th", { scope: "row" }, names[i]), ...row.map((count, k) => {
      const button = element("button", {
        type: "button", "data-cell": `${i}/${k}`, "aria-pressed": String(chosen?.[0] === i && chosen?.[1] === k),
        "aria-label": `${names[i]} called ${names[k]}: ${count} faces, ${Math.round(100 * count / sum)} percent of the label`,
      }, String(count));
      button.disabled = !count;
      button.dataset.kind = i === k ? "right" : "wrong";
      button.style.setProperty("--share", `${Math.round(100 * Math.sqrt(count / sum))}%`);
      button.onclick = () => choose([i, k]);
      return element("td", {}, button);
    }));
  });
  table.replaceChildren(element("caption", { class: "hidden" }, "Confusion matrix: labels in rows, answers in columns"), element("thead", {}, head), element("tbody", {}, ...rows));
  if (focus) table.querySelector(`[data-cell="${focus}"]`)?.focus();
}
