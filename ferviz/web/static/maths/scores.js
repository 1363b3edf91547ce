// Scores of targets, Shapley values over regions, and the test of a map: arithmetic on the network's answers.

/** Softmax or sigmoid of logits. */
export function probabilities(logits, head) {
  if (head === "sigmoid") return logits.map((value) => 1 / (1 + Math.exp(-value)));
  const greatest = Math.max(...logits), powers = logits.map((value) => Math.exp(value - greatest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((value) => value / sum);
}

/** The log-odds of a class against all others; of any other target its weighted sum of logits. */
export function logOdds(logits, weights) {
  let score = 0;
  weights.forEach((weight, k) => { score += weight * logits[k]; });
  const used = weights.filter((weight) => weight !== 0);
  if (used.length !== 1 || used[0] !== 1) return score;
  const others = logits.filter((_, k) => weights[k] === 0), greatest = Math.max(...others);
  return score - Math.log(others.reduce((sum, value) => sum + Math.exp(value - greatest), 0)) - greatest;
}

/** How far the network says what the target says, 0..1: a class's probability, or the one side of a contrast. */
export function targetScore(logits, weights, head) {
  if (weights.some((w) => w < 0) && weights.some((w) => w > 0)) {
    return 1 / (1 + Math.exp(-weights.reduce((sum, weight, k) => sum + weight * logits[k], 0)));
  }
  return probabilities(logits, head).reduce((sum, p, k) => sum + p * weights[k], 0);
}

/**
 * Shapley values from the scores of sets; bit r of a set's number says that r is seen. Exact where all 2^count sets are scored. Before that
 * an estimate: what r adds is averaged over the sizes of sets that are scored (undefined: not yet), each of which has to be complete, and
 * what the averages miss of the whole is divided among all.
 */
export function shapleyValues(scores, count) {
  const values = averages(scores, count), missed = missedOf(values, scores);
  return scores.some(Number.isNaN) ? values.map((value) => value + missed / count) : values;
}

/** What an estimate's averages miss of the whole: how far it can be trusted. */
export const missedBy = (scores, count) => missedOf(averages(scores, count), scores);

const missedOf = (values, scores) => scores.at(-1) - scores[0] - values.reduce((a, b) => a + b);

function averages(scores, count) {
  const members = (set) => { let n = 0; for (let s = set; s; s &= s - 1) n += 1; return n; };
  return Array.from({ length: count }, (_, r) => {
    const sums = new Float64Array(count), sets = new Float64Array(count);
    for (let set = 0; set < 1 << count; set++) {
      const added = set & 1 << r ? NaN : scores[set | 1 << r] - scores[set];
      if (!Number.isNaN(added)) { sums[members(set)] += added; sets[members(set)] += 1; }
    }
    const means = [...sums].map((sum, size) => sum / sets[size]).filter((mean) => !Number.isNaN(mean));
    return means.reduce((sum, mean) => sum + mean, 0) / means.length;
  });
}

/** The map "in the middle of the face": a centred Gaussian. */
export function centreBlob(width, height, sigma = 0.25) {
  return Float32Array.from({ length: width * height }, (_, i) => {
    const x = ((i % width + 0.5) / width - 0.5) / sigma, y = ((Math.floor(i / width) + 0.5) / height - 0.5) / sigma;
    return Math.exp(-(x * x + y * y) / 2);
  });
}

const shuffles = new Map();

// SplitMix64's numbers, sorted: the order of equal values, the same as in Python.
function shuffled(count) {
  if (!shuffles.has(count)) {
    const mask = (1n << 64n) - 1n;
    const keys = Array.from({ length: count }, (_, i) => {
      let state = BigInt(i + 1) * 0x9E3779B97F4A7C15n & mask;
      state = (state ^ state >> 30n) * 0xBF58476D1CE4E5B9n & mask;
      state = (state ^ state >> 27n) * 0x94D049BB133111EBn & mask;
      return [state ^ state >> 31n, i];
    });
    keys.sort(([a], [b]) => (a < b ? -1 : 1));
    shuffles.set(count, keys.map(([, i]) => i));
  }
  return shuffles.get(count);
}

/** Each pixel's place in the order of falling values. */
export function pixelRanks(map) {
  const order = shuffled(map.length).slice().sort((a, b) => map[b] - map[a]);
  const ranks = new Int32Array(map.length);
  order.forEach((pixel, place) => { ranks[pixel] = place; });
  return ranks;
}

/** How many pixels are hidden at each of steps + 1 steps, the same from either end. */
export function stepCounts(pixels, steps) {
  const counts = Array.from({ length: steps + 1 }, (_, i) => Math.floor(i * pixels / steps)), half = (steps + 1) >> 1;
  for (let i = 0; i < half; i++) counts[steps - i] = pixels - counts[i];
  return counts;
}

/** Area under a curve over 0..1 by the trapezoidal rule. */
export const area = (curve) => curve.slice(1).reduce((sum, value, i) => sum + (value + curve[i]) / 2, 0) / (curve.length - 1);
