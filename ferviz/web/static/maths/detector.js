// YuNet's answers -> faces, as OpenCV's FaceDetectorYN decodes them.

const STRIDES = [8, 16, 32], MAX_OVERLAP = 0.3, TOP = 200;

/** RGBA -> (side side 3) in OpenCV's order of colours. */
export function detectorInput(rgba) {
  const out = new Float32Array(rgba.length / 4 * 3);
  for (let i = 0, k = 0; i < rgba.length; i += 4) { out[k++] = rgba[i + 2]; out[k++] = rgba[i + 1]; out[k++] = rgba[i]; }
  return out;
}

/** -> [{ box: [left, top, right, bottom], points: (5, 2), score }], best first, in pixels of the square picture. */
export function decodeFaces(answer, side, threshold) {
  const faces = [];
  for (const stride of STRIDES) {
    const cells = side / stride, [cls, obj, box, points] = ["cls", "obj", "bbox", "kps"].map((name) => answer[`${name}_${stride}`]);
    for (let i = 0; i < cells * cells; i++) {
      const score = Math.sqrt(clamp(cls[i]) * clamp(obj[i]));
      if (!(score >= threshold)) continue;
      const column = i % cells, row = Math.floor(i / cells);
      const x = (column + box[4 * i]) * stride, y = (row + box[4 * i + 1]) * stride;
      const w = Math.exp(box[4 * i + 2]) * stride, h = Math.exp(box[4 * i + 3]) * stride;
      faces.push({
        box: [x - w / 2, y - h / 2, x + w / 2, y + h / 2], score,
        points: [0, 1, 2, 3, 4].map((n) => [(points[10 * i + 2 * n] + column) * stride, (points[10 * i + 2 * n + 1] + row) * stride]),
      });
    }
  }
  return nms(faces);
}

const clamp = (value) => Math.min(Math.max(value, 0), 1);

/** Faces without those that overlap a better one. */
export function nms(faces) {
  const kept = [];
  for (const face of faces.sort((a, b) => b.score - a.score).slice(0, TOP * 5)) {
    if (kept.length < TOP && kept.every((other) => overlap(face.box, other.box) <= MAX_OVERLAP)) kept.push(face);
  }
  return kept;
}

function overlap(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]), height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const size = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  return width * height / (size(a) + size(b) - width * height);
}
