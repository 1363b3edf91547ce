// The network room: its layers in a strip, the channels of one as a grid, and one channel over the face.
import { $, attempt, element, newest, say, state } from "./page.js";
import { drawGrey } from "./heat.js";
import { dreamOfLink, keptDreams, keptFile, lookAt, nameDream, setUpMicroscope } from "./microscope.js";
import { draw } from "./stage.js";

const SHOWN = 128;
let layer = null, dreaming = false;

export function setUpNetworkRoom() {
  setUpMicroscope();
  addEventListener("hashchange", () => { if (location.hash.startsWith("#/network/")) openLink(); });
}

/** Draws the room for the face that is looked at. */
export const showNetworkRoom = newest(async () => {
  const { face } = state, address = location.hash;
  if (!face || state.room !== "network") return;
  nameDream();
  const { table } = state.engine, names = table.layers.map(([name]) => name).filter((name) => table.activations.includes(name));
  const shown = layer = names.includes(layer) ? layer : table.default;
  const strip = element("div", { class: "row strip", role: "group", "aria-label": "Layers" }, ...names.map((name) => {
    const shape = table.layers.find(([other]) => other === name)[2];
    const button = element("button", { type: "button", "aria-pressed": String(name === shown), title: `${shape.join(" x ")}` }, name);
    button.onclick = () => { layer = name; showNetworkRoom(); };
    return button;
  }));
  const dreams = keptDreams(shown);
  if (dreams) {
    const button = element("button", { type: "button", "aria-pressed": String(dreaming) }, "Dreams of the channels");
    button.onclick = () => { dreaming = !dreaming; showNetworkRoom(); };
    strip.append(button);
  }
  const { values, width, height, channels } = await state.engine.call("activation", face.picture, shown);
  if (state.face !== face || state.room !== "network") return; // somebody has gone on meanwhile
  const low = Math.min(0, values.reduce((a, b) => Math.min(a, b))), high = values.reduce((a, b) => Math.max(a, b));
  const tiles = Array.from({ length: Math.min(channels, SHOWN) }, (_, channel) => {
    const map = Float32Array.from({ length: width * height }, (_, i) => values[i * channels + channel]);
    const canvas = element("canvas", {}), mean = map.reduce((a, b) => a + b) / map.length, open = () => showChannel(shown, channel, map, width, height);
    drawGrey(canvas, map, width, height, low, high);
    const button = element("button", { type: "button", "aria-label": `Channel ${channel} of ${shown}, mean ${mean.toFixed(2)}` },
      dreaming && dreams && channel in dreams.first ? element("img", { src: keptFile(dreams, channel), alt: "", loading: "lazy" }) : canvas, String(channel));
    button.onclick = open;
    return { button, open };
  });
  $("grid").replaceChildren(strip, ...tiles.map(({ button }) => button));
  $("map-note").textContent = `${shown}: ${channels} channels of ${height} x ${width}, all on one scale, from ${low.toPrecision(2)} to ${high.toPrecision(2)}. Click one to lay it over the face.`;
  if (location.hash !== address) return; // what the address asked for is not asked for any more
  const wanted = Number(address.split("/")[3]);
  if (address.startsWith(`#/network/${encodeURIComponent(shown)}/`) && tiles[wanted]) tiles[wanted].open();
  else dreamOfLink();
});

function showChannel(layer, channel, map, width, height) {
  state.map = { map, width, height, method: state.method, layer, channel };
  history.replaceState(null, "", `#/network/${encodeURIComponent(layer)}/${channel}`);
  say(`Channel ${channel} of ${layer} lies over the face; this address leads here.`);
  draw();
  lookAt(layer, channel);
}

function openLink() {
  layer = decodeURIComponent(location.hash.split("/")[2]);
  attempt(() => showNetworkRoom());
}

/** The layer that the address names. */
export function linkedLayer() {
  if (location.hash.startsWith("#/network/")) layer = decodeURIComponent(location.hash.split("/")[2]);
}
