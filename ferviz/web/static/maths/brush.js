// The brush: which share of each pixel is hidden, 0..1, changed in place.

/** A disc with an edge that is one pixel soft. hidden: (h w); size: its radius in pixels of a face of 48. */
export function dab(hidden, width, height, x, y, size, erase) {
  const radius = radiusOf(width, height, size) + (erase ? 1 : 0); // what a dab has hidden, one at the same place shows again, soft edge and all
  for (let row = Math.max(0, Math.floor(y - radius - 1)); row <= Math.min(height - 1, Math.ceil(y + radius + 1)); row++) {
    for (let column = Math.max(0, Math.floor(x - radius - 1)); column <= Math.min(width - 1, Math.ceil(x + radius + 1)); column++) {
      const share = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(column - x, row - y))), i = row * width + column;
      hidden[i] = erase ? Math.min(hidden[i], 1 - share) : Math.max(hidden[i], share);
    }
  }
}

/** Dabs from one place to another, a pixel apart; the first place itself was dabbed before. */
export function stroke(hidden, width, height, [x0, y0], [x1, y1], size, erase) {
  const steps = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0)));
  for (let i = 1; i <= steps; i++) dab(hidden, width, height, x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps, size, erase);
}

/** The brush's radius in pixels of a picture. */
export function radiusOf(width, height, size) {
  return size * Math.min(width, height) / 48;
}

/** A square of `side` pixels that is hidden altogether, whose left upper corner is at [x, y]. */
export function squareAt([x, y], side, width, height) {
  const hidden = new Float32Array(width * height);
  for (let row = y; row < y + side; row++) hidden.fill(1, row * width + x, row * width + x + side);
  return hidden;
}
