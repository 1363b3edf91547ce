// Thousands of faces: only those that are seen are in the page, and their pictures come as sheets from the server.
import { element } from "../ui/page.js";
import { post } from "../ui/server.js";

const SIDE = 52, GAP = 4, MAX_SHEETS = 40;

export class FaceGrid {
  /** box: scrolls. describe: (face) -> { label, kind }. choose: (face). open: (face). */
  constructor(box, { describe, choose, open }) {
    Object.assign(this, { box, describe, choose, open, faces: [], index: null, sheets: new Map(), cells: new Map(), active: 0, firstPaint: null });
    this.field = element("div", { class: "field" });
    box.append(this.field);
    box.onscroll = () => this.draw();
    new ResizeObserver(() => this.draw()).observe(box);
    box.onkeydown = (event) => this.#keyed(event);
  }

  /** Shows faces by their numbers, from the first on. */
  show(faces, index) {
    this.index = index;
    this.faces = faces;
    this.sheets.clear();
    this.active = 0;
    this.box.scrollTop = 0;
    for (const cell of this.cells.values()) cell.remove();
    this.cells.clear();
    this.draw();
  }

  get columns() { return Math.max(1, Math.floor((this.box.clientWidth - GAP) / (SIDE + GAP))); }

  /** Draws what is seen: cells that went out of sight are taken away. */
  draw() {
    if (!this.index || !this.box.clientWidth) return;
    const { columns } = this, rows = Math.ceil(this.faces.length / columns), height = SIDE + GAP;
    this.field.style.height = `${rows * height + GAP}px`;
    const first = Math.max(0, Math.floor(this.box.scrollTop / height) - 1) * columns;
    const last = Math.min(this.faces.length, (Math.ceil((this.box.scrollTop + this.box.clientHeight) / height) + 1) * columns);
    for (const [place, cell] of this.cells) if (place < first || place >= last) { cell.remove(); this.cells.delete(place); }
    for (let place = first; place < last; place++) this.#cell(place, columns);
    const size = this.index.sheet;
    for (let sheet = Math.floor(first / size); sheet * size < last; sheet++) this.#load(sheet);
  }

  /** Writes anew what is known about the faces that are seen. */
  refresh() { for (const [place, cell] of this.cells) this.#label(cell, place); }

  #cell(place, columns) {
    let cell = this.cells.get(place);
    if (!cell) {
      cell = element("button", { type: "button", class: "cell" }, element("canvas", { width: this.index.cell, height: this.index.cell }));
      cell.onclick = () => { this.#activate(place); this.choose(this.faces[place]); };
      cell.ondblclick = () => this.open(this.faces[place]);
      this.cells.set(place, cell);
      this.field.append(cell);
      this.#label(cell, place);
      this.#paint(cell, place);
    }
    this.#mark(cell, place === this.active);
    cell.style.left = `${GAP + (place % columns) * (SIDE + GAP)}px`;
    cell.style.top = `${GAP + Math.floor(place / columns) * (SIDE + GAP)}px`;
  }

  #label(cell, place) {
    const { label, kind } = this.describe(this.faces[place]);
    cell.setAttribute("aria-label", label);
    cell.title = label;
    cell.dataset.kind = kind;
  }

  #paint(cell, place) {
    const { sheet, cell: side, columns } = this.index, bitmap = this.sheets.get(Math.floor(place / sheet))?.bitmap, at = place % sheet;
    if (!bitmap) return;
    cell.firstChild.getContext("2d").drawImage(bitmap, at % columns * side, Math.floor(at / columns) * side, side, side, 0, 0, side, side);
    cell.dataset.drawn = "yes";
  }

  async #load(sheet) {
    if (this.sheets.has(sheet)) return;
    const entry = {}, faces = this.faces, size = this.index.sheet;
    this.sheets.set(sheet, entry);
    if (this.sheets.size > MAX_SHEETS) this.sheets.delete(this.sheets.keys().next().value);
    try {
      const response = await post("api/data/sheet", { faces: [...faces.slice(sheet * size, (sheet + 1) * size)] });
      entry.bitmap = await createImageBitmap(await response.blob());
    } catch {
      this.sheets.delete(sheet); // asked for again at the next look
      return;
    }
    if (faces !== this.faces) return;
    for (const [place, cell] of this.cells) if (Math.floor(place / size) === sheet) this.#paint(cell, place);
    this.firstPaint ??= performance.now();
  }

  #activate(place) {
    const before = this.cells.get(this.active);
    if (before) this.#mark(before, false);
    this.active = place;
    const height = SIDE + GAP, top = Math.floor(place / this.columns) * height;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    if (top + height > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = top + height - this.box.clientHeight + GAP;
    this.draw();
    const cell = this.cells.get(place);
    this.#mark(cell, true);
    cell.focus({ preventScroll: true });
  }

  #mark(cell, active) {
    cell.tabIndex = active ? 0 : -1;
    if (active) cell.setAttribute("aria-current", "true"); else cell.removeAttribute("aria-current");
  }

  /** Goes on to the next face. */
  next() { if (this.active + 1 < this.faces.length) { this.#activate(this.active + 1); this.choose(this.faces[this.active]); } }

  #keyed(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, PageUp: -8 * this.columns, PageDown: 8 * this.columns, Home: -Infinity, End: Infinity };
    if (event.key === "Enter" && this.faces.length) this.open(this.faces[this.active]);
    else if (!(event.key in steps) || !this.faces.length) return;
    else {
      this.#activate(Math.min(Math.max(this.active + steps[event.key], 0), this.faces.length - 1));
      this.choose(this.faces[this.active]);
    }
    event.preventDefault();
  }
}
