// Convolutions over framed pictures: of 3 x 3 by Winograd's tiles, all others as a product with the fields as rows.
import { COLUMNS, FIELD, FILTER, LANES, PLACES, ROWS, TILE } from "./kernels.js";

const ENOUGH = 36; // tiles

/** Whether Winograd's tiles compute a convolution. weights: of shape (out, 3, 3, in). */
export const isTiled = ({ across, down, dilationX, dilationY }, [, height, width, channels]) =>
  across === 1 && down === 1 && dilationX === 1 && dilationY === 1 && height === 3 && width === 3 && channels % LANES === 0;

/** How many pictures' tiles go through one product: where a picture has few tiles, several share what is read of the weights. */
export const shared = (to, count) => Math.min(count, Math.ceil(ENOUGH / (to.down * to.across)));

const sizes = ({ width, height, channels }) => `${width}x${height}x${channels}`;

/** The shapes of the kernels' transforms for a convolution from some pictures to others, `group` of them at once. */
export function kernelsOf(from, to, relu, group) {
  const tiles = group * to.down * to.across, shape = ({ channels, line }) => ({ channels, line: 4 * line, step: 4 * tiles * channels });
  return { key: `${sizes(from)}to${sizes(to)}${relu ? "relu" : ""}`, input: shape(from), output: { ...shape(to), relu } };
}

/**
 * -> a function that convolves the first `count` pictures with 3 x 3 weights. network: its memory, and its kernels and room for work when they are there;
 * border: 1 where the result is as large as the picture, 0 where it is smaller.
 */
export function tiledConvolution(network, from, to, weights, bias, relu, group, border) {
  const tiles = to.down * to.across, { key } = kernelsOf(from, to, relu, group), panels = to.channels / COLUMNS, read = 4 * from.channels, written = 4 * to.channels;
  const filters = network.memory.place(transformed(weights, from.channels, to.channels)), biases = network.memory.place(bias);
  const convolve = (first, many) => {
    const { kernels, work } = network, rows = many * tiles, left = rows % ROWS, blocks = (rows - left) / ROWS;
    const { [`in${key}`]: into, [`out${key}`]: outOf, [`product${ROWS}`]: product, [`product${left}`]: rest } = kernels;
    const place = (pictures, t, before) => pictures.address(first + Math.floor(t / tiles), TILE * Math.floor(t % tiles / to.across) - before, TILE * (t % to.across) - before);
    for (let t = 0; t < rows; t++) into(place(from, t, border), work.fields + t * read, work.scratch, from.channels / LANES);
    for (let number = 0; number < PLACES; number++) {
      const fields = work.fields + number * group * tiles * read, sums = work.products + number * group * tiles * written;
      for (let panel = 0; panel < panels; panel++) {
        const filter = filters + (number * panels + panel) * COLUMNS * read, target = sums + 4 * COLUMNS * panel;
        if (blocks) product(fields, read, filter, target, written, from.channels, blocks);
        if (left) rest(fields + blocks * ROWS * read, read, filter, target + blocks * ROWS * written, written, from.channels, 1);
      }
    }
    for (let t = 0; t < rows; t++) outOf(work.products + t * written, place(to, t, 0), work.scratch, to.channels / LANES, biases);
    for (let n = first; n < first + many; n++) to.clean(n);
  };
  return (count) => { for (let n = 0; n < count; n += group) convolve(n, Math.min(group, count - n)); };
}

// Filters (out 3 3 in) -> for each place and panel of COLUMNS results the matrix (in COLUMNS).
function transformed(weights, inputs, outputs) {
  const values = new Float32Array(PLACES * inputs * outputs), half = new Float64Array(FIELD * 3), panels = outputs / COLUMNS;
  for (let o = 0; o < outputs; o++) {
    for (let c = 0; c < inputs; c++) {
      const weight = (y, x) => weights[((o * 3 + y) * 3 + x) * inputs + c];
      for (let i = 0; i < FIELD; i++) for (let x = 0; x < 3; x++) half[3 * i + x] = FILTER[i][0] * weight(0, x) + FILTER[i][1] * weight(1, x) + FILTER[i][2] * weight(2, x);
      for (let i = 0; i < FIELD; i++) {
        for (let j = 0; j < FIELD; j++) {
          const sum = half[3 * i] * FILTER[j][0] + half[3 * i + 1] * FILTER[j][1] + half[3 * i + 2] * FILTER[j][2];
          values[(((i * FIELD + j) * panels + Math.floor(o / COLUMNS)) * inputs + c) * COLUMNS + o % COLUMNS] = sum;
        }
      }
    }
  }
  return values;
}

/** How many pixels before the first one a window begins, whose results are to cover the picture: TensorFlow's "same". */
export const border = (size, count, step, window) => Math.max((count - 1) * step + window - size, 0) >> 1;

/** -> a function that computes any convolution of the first `count` pictures, its bias as one more column of the fields. weights: (out height width in). */
export function plainConvolution(network, from, to, weights, [, height, width], bias, options) {
  const { memory } = network, { same, across, down, dilationX, dilationY } = options, taps = height * width * from.channels, depth = 4 * Math.ceil((taps + 1) / 4);
  const top = same ? border(from.height, to.height, down, (height - 1) * dilationY + 1) : 0, start = same ? border(from.width, to.width, across, (width - 1) * dilationX + 1) : 0;
  const panels = to.channels / COLUMNS, packed = new Float32Array(depth * to.channels);
  for (let o = 0; o < to.channels; o++) {
    const at = (k) => (Math.floor(o / COLUMNS) * depth + k) * COLUMNS + o % COLUMNS;
    for (let k = 0; k < taps; k++) packed[at(k)] = weights[o * taps + k];
    packed[at(taps)] = bias[o];
  }
  const filters = memory.place(packed), fields = memory.room(to.width * depth), left = to.width % ROWS, blocks = (to.width - left) / ROWS;
  return (count) => {
    const { [`product${ROWS}`]: product, [`product${left}`]: rest } = network.kernels, { floats } = memory;
    for (let line = 0; line < count * to.height; line++) {
      const n = Math.floor(line / to.height), y = line % to.height;
      for (let x = 0, at = fields / 4; x < to.width; x++, at += depth) {
        let k = at;
        for (let v = 0; v < height; v++) {
          for (let u = 0; u < width; u++) {
            const row = y * down - top + v * dilationY, column = x * across - start + u * dilationX, inside = row >= 0 && column >= 0 && row < from.height && column < from.width;
            const source = inside ? from.address(n, row, column) / 4 : 0;
            for (let c = 0; c < from.channels; c++) floats[k++] = inside ? floats[source + c] : 0;
          }
        }
        floats[k] = 1;
      }
      for (let panel = 0; panel < panels; panel++) {
        const filter = filters + panel * COLUMNS * 4 * depth, target = to.address(n, y, 0) + 4 * COLUMNS * panel;
        if (blocks) product(fields, 4 * depth, filter, target, 4 * to.channels, depth, blocks);
        if (left) rest(fields + blocks * ROWS * 4 * depth, 4 * depth, filter, target + blocks * ROWS * 4 * to.channels, 4 * to.channels, depth, 1);
      }
    }
  };
}
