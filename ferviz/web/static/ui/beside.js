// What lies beside the map: two halves with a line between them, or the one map less the other.
import { difference } from "../maths/difference.js";
import { largest } from "./heat.js";
import { $, state } from "./page.js";

const ALIKE = 0.05; // shares of the largest value; what differs by less is no colour
let latest = {};

/** The map less the one beside it, where this is asked for and both are there: as of `difference`, with vmax, the end of its scale; else null. */
export function differenceShown() {
  const { map, besideMap } = state;
  if (!map || !besideMap || $("shown-as").value !== "difference") return null;
  if (latest.map !== map || latest.besideMap !== besideMap) {
    const less = difference(map, besideMap);
    latest = { map, besideMap, less: { ...less, vmax: Math.max(ALIKE, largest(less.map)) } };
  }
  return latest.less;
}

/** What the two maps are, in words. first, second: their names. */
export function besideText(first, second) {
  const less = differenceShown(), says = state.besideMap.says ? `, which says ${state.besideMap.says}` : "";
  if (!less) return `Right of the line: ${second}${says}.`;
  const empty = [[state.map, first], [state.besideMap, second]].filter(([map]) => !(largest(map.map) > 0)).map(([, name]) => ` The map of ${name} is empty.`);
  const alike = Number.isNaN(less.correlation) ? "" : ` The two correlate by ${less.correlation.toFixed(2)}.`;
  return `The difference: red where ${first} has more, blue where ${second}${says}${says && ","} has more; \u00b1${less.vmax.toPrecision(2)}. ` +
    `Each map is on the cells of the coarser one (${less.width} x ${less.height}), divided by its largest value.${alike}${empty.join("")}`;
}
