// The mean map of the faces of one cell, over their mean face, and which region makes the mistake.
import { $, state } from "../ui/page.js";
import { heatCanvas, isSigned, pictureCanvas } from "../ui/heat.js";
import { serverName } from "../ui/networks.js";
import { runIn, stop, unpack } from "../ui/server.js";

const MOST = 400, SIDE = 288;

export function forgetMeanMap() {
  stop($("data-work"));
  $("mean").hidden = true;
}

/** faces: numbers. cell: [label, answer]. */
export async function showMeanMap(index, faces, [label, answer]) {
  const names = index.classes, table = state.engine.table.labels;
  const weights = table.map((name) => Number(name === names[answer]) - Number(answer !== label && name === names[label]));
  forgetMeanMap();
  const method = ["fastshap", "gradcam"].find((name) => name !== "fastshap" || state.engine.graphs.includes("explain"));
  const job = { task: "maps", network: await serverName(), faces: faces.slice(0, MOST), weights, method, label: table.indexOf(names[label]) };
  const result = await runIn($("data-work"), job, ({ done, of, phrase }) => (of ? [`${phrase ?? "Maps"}: ${done} of ${of} faces`, done / of] : null));
  $("mean").hidden = false;
  const canvas = $("mean-map"), context = canvas.getContext("2d"), what = answer === label ? names[label] : `${names[answer]} rather than ${names[label]}`;
  context.clearRect(0, 0, SIDE, SIDE);
  canvas.hidden = !result.map;
  $("repair").replaceChildren();
  if (!result.map) {
    $("mean-text").textContent = `${result.faces} faces with landmarks; a mean over fewer than ${result.fewest} would say nothing, so look at the faces themselves.`;
    return;
  }
  const { width, height } = result, face = unpack(result.face), map = { map: unpack(result.map), width, height };
  context.imageSmoothingQuality = "high";
  context.drawImage(pictureCanvas({ data: face, width, height, channels: 1 }), 0, 0, SIDE, SIDE);
  context.drawImage(heatCanvas(map, 192, 0.75), 0, 0, SIDE, SIDE);
  const steady = result.agreement > 0.8 ? "two halves of the faces agree" : result.agreement > 0.4 ? "two halves of the faces agree in part" : "two halves of the faces do not agree: it says little";
  canvas.setAttribute("aria-label", `Mean map for ${what}`);
  $("mean-text").textContent = `Mean of ${result.faces} aligned faces (${result.method}${result.layer ? ` at ${result.layer}` : ""}), for ${what}: ` +
    `${isSigned(map.map) ? "red is for, blue is against" : "the brighter, the more"}; ${steady} (r = ${result.agreement.toFixed(2)}).`;
  showRepair(result.repair ?? [], answer !== label, names[label]);
}

// Which region, hidden, gives the faces their label back, or takes it from them.
function showRepair(rows, mistakes, label) {
  for (const { region, share, low, high } of rows) {
    const row = document.createElement("tr"), cells = [region, `${Math.round(100 * share)} %`, `${Math.round(100 * low)} to ${Math.round(100 * high)} %`];
    cells.forEach((text, i) => { const cell = document.createElement(i ? "td" : "th"); cell.textContent = text; if (!i) cell.scope = "row"; row.append(cell); });
    $("repair").append(row);
  }
  $("repair-text").textContent = rows.length ? `Of ${rows[0].faces} faces those that are ${mistakes ? "" : "still "}called ${label} when one region is hidden:` : "";
}
