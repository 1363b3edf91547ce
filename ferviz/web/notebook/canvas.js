// The canvas of a notebook: a face to paint on, its map, its regions, and what the network answers. Python computes.
import { element, state } from "../static/ui/page.js";
import { heatCanvas, pictureCanvas } from "../static/ui/heat.js";
import { dab, radiusOf, stroke } from "../static/maths/brush.js";

const LONGEST = 384, OPACITY = 0.7;

const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

function render({ model, el }) {
  const { labels, regions, height, width, channels, colormaps } = model.get("facts");
  state.data = { colormaps };
  const scale = LONGEST / Math.max(height, width), masks = bytes(model.get("masks")), count = height * width;
  const painted = new Float32Array(count), hiddenRegions = new Set();
  let tool = "paint", size = 4.5, cursor = null, painting = false, dirty = false, photo = null;

  const canvas = element("canvas", { width: Math.round(width * scale), height: Math.round(height * scale), role: "img" });
  const tools = ["paint", "erase"].map((name) => {
    const button = element("button", { type: "button" }, name === "paint" ? "Paint" : "Erase");
    button.onclick = () => { tool = name; mark(); };
    return button;
  });
  const range = element("input", { type: "range", min: "1", max: "16", step: "0.5", value: "4.5", "aria-label": "Size of the brush" });
  const clear = element("button", { type: "button" }, "Show all");
  const chips = regions.map((name) => {
    const button = element("button", { type: "button" }, name);
    button.onclick = () => { if (!hiddenRegions.delete(name)) hiddenRegions.add(name); changed(); };
    return button;
  });
  const bars = labels.map((label) => {
    const bar = element("button", { type: "button", class: "bar" }, element("span", {}, label), element("i", {}, element("b"), element("u")), element("span", {}));
    bar.onclick = () => { model.set("target", label); changed(); };
    return bar;
  });
  const caption = element("p", { class: "caption" }), message = element("p", { class: "message", role: "status" });
  el.replaceChildren(element("div", { class: "ferviz-canvas" },
    element("div", {}, canvas, element("div", { class: "tools" }, ...tools, range, clear)),
    element("div", {}, element("div", { class: "bars", role: "group", "aria-label": "Classes; one is explained" }, ...bars), caption,
      element("p", { class: "label" }, "Hide"), element("div", { class: "tools", role: "group", "aria-label": "Regions to hide" }, ...chips), message)));

  range.oninput = () => { size = Number(range.value); draw(); };
  clear.onclick = () => { painted.fill(0); hiddenRegions.clear(); changed(); };
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    painting = true;
    cursor = place(event);
    dab(painted, width, height, ...cursor, size, tool === "erase");
    changed();
  };
  canvas.onpointermove = (event) => {
    const before = cursor;
    cursor = place(event);
    if (painting) { stroke(painted, width, height, before, cursor, size, tool === "erase"); changed(); } else draw();
  };
  canvas.onpointerup = canvas.onpointercancel = () => { painting = false; };
  canvas.onpointerleave = () => { cursor = null; draw(); };

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * width - 0.5, (event.clientY - box.top) / box.height * height - 0.5];
  }

  // One question at a time: while Python answers, strokes gather, and the newest state is asked about next.
  function changed() {
    dirty = true;
    ask();
    mark();
    draw();
  }

  function ask() {
    const answer = model.get("answer");
    if (!dirty || answer.number !== model.get("asked")) return;
    dirty = false;
    model.set("painted", new DataView(Uint8Array.from(painted, (share) => Math.round(255 * share)).buffer));
    model.set("regions", regions.filter((name) => hiddenRegions.has(name)));
    model.set("asked", answer.number + 1);
    model.save_changes();
  }

  // What Python says is hidden holds, unless something was painted since it was asked.
  function answered() {
    if (!dirty) {
      bytes(model.get("painted")).forEach((share, i) => { painted[i] = share / 255; });
      hiddenRegions.clear();
      for (const name of model.get("regions")) hiddenRegions.add(name);
    }
    ask();
    mark();
    draw();
  }

  function mark() {
    const { probabilities, original, caption: words, notes, error } = model.get("answer"), target = model.get("target");
    tools.forEach((button, i) => button.setAttribute("aria-pressed", String(tool === ["paint", "erase"][i])));
    chips.forEach((button, i) => button.setAttribute("aria-pressed", String(hiddenRegions.has(regions[i]))));
    clear.disabled = !hiddenRegions.size && !painted.some(Boolean);
    message.textContent = error ? `${error[0].toUpperCase()}${error.slice(1)}.` : "";
    if (error) return;
    bars.forEach((bar, k) => {
      const [, track, percent] = bar.children;
      track.children[0].style.width = `${100 * probabilities[k]}%`;
      track.children[1].style.left = `${100 * original[k]}%`;
      percent.textContent = `${Math.round(100 * probabilities[k])} %`;
      bar.setAttribute("aria-pressed", String(labels[k] === target));
      bar.setAttribute("aria-label", `${labels[k]}, ${Math.round(100 * probabilities[k])} percent, ${Math.round(100 * original[k])} with the whole face`);
    });
    caption.textContent = [words, ...notes].join("; ");
    canvas.setAttribute("aria-label", `The face with ${words}; the network says ${labels[probabilities.indexOf(Math.max(...probabilities))]}`);
  }

  // Hidden at once as the page knows it, filled as Python last did.
  function hidden() {
    const shares = Float32Array.from(painted), chosen = regions.map((name, r) => [name, r]).filter(([name]) => hiddenRegions.has(name));
    for (let i = 0; i < count; i++) {
      let sum = 0;
      for (const [, r] of chosen) sum += masks[r * count + i] / 255;
      shares[i] = Math.max(shares[i], Math.min(sum, 1));
    }
    return shares;
  }

  let waiting = false;
  function draw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; paint(); });
  }

  function paint() {
    const context = canvas.getContext("2d"), { picture, map, height: rows, width: columns, vmax } = model.get("answer");
    context.imageSmoothingQuality = "high";
    if (photo) context.drawImage(photo, 0, 0, canvas.width, canvas.height);
    const shares = hidden();
    if (picture && shares.some(Boolean)) {
      context.drawImage(pictureCanvas({ data: bytes(picture), width, height, channels }, shares), 0, 0, canvas.width, canvas.height);
    }
    if (map) {
      const values = new Float32Array(bytes(map).slice().buffer);
      context.drawImage(heatCanvas({ map: values, width: columns, height: rows }, 192, OPACITY, vmax), 0, 0, canvas.width, canvas.height);
    }
    if (cursor) ring(context);
  }

  function ring(context) {
    for (const [colour, line] of [["#000", 3], ["#fff", 1.5]]) {
      context.beginPath();
      context.arc((cursor[0] + 0.5) * canvas.width / width, (cursor[1] + 0.5) * canvas.height / height, Math.max(3, radiusOf(width, height, size) * scale), 0, 2 * Math.PI);
      context.strokeStyle = colour;
      context.lineWidth = line;
      context.stroke();
    }
  }

  createImageBitmap(new Blob([bytes(model.get("photo"))], { type: "image/png" })).then((bitmap) => { photo = bitmap; draw(); });
  model.on("change:answer", answered);
  answered();
  return () => model.off("change:answer", answered);
}

export default { render };
