// The map of an image of any size, from overlapping tiles that are blended, number for
// number as segshrink.data.sliding_window computes it: every sum is rounded to float32.
"use strict";

const OVERLAP = 0.25;

/** First pixels of the fewest tiles that overlap by at least OVERLAP. */
function startsOf(side, tile) {
  const stride = Math.max(1, Math.floor(tile * (1 - OVERLAP)));
  const last = side - tile;
  const count = Math.ceil(last / stride) + 1;
  const step = last / (count - 1);
  return Array.from({ length: count }, (_, i) =>
    i === 0 ? 0 : i === count - 1 ? last : Math.trunc(i * step));
}

/** Corners of the tiles of an image, row by row. */
function cornersOf(height, width, tile) {
  const rows = startsOf(Math.max(height, tile.height), tile.height);
  const columns = startsOf(Math.max(width, tile.width), tile.width);
  return { rows, columns };
}

/** The pixel that continues a side by reflection. */
function reflected(index, side) {
  if (index < side) return index;
  if (side === 1) return 0;
  const place = index % (2 * (side - 1));
  return place < side ? place : 2 * (side - 1) - place;
}

function ramp(length) {
  const middle = Math.ceil(length / 2);
  return Float32Array.from({ length }, (_, i) => Math.min(i + 1, length - i) / middle);
}

/** The weights of each signature, since each frame of a camera needs them. */
const WEIGHTS = new WeakMap();

/** Weights that fall from the middle of a tile to its border, one for each pixel. */
function weightsOf(tile) {
  if (WEIGHTS.has(tile)) return WEIGHTS.get(tile);
  const [rows, columns] = [ramp(tile.height), ramp(tile.width)];
  const weights = new Float32Array(tile.height * tile.width);
  rows.forEach((row, y) =>
    columns.forEach((column, x) => { weights[y * tile.width + x] = row * column; }));
  WEIGHTS.set(tile, weights);
  return weights;
}

/** Writes the pixels of a tile as the file takes them into input, float32. */
function writeInput(input, image, top, left, signature) {
  const { height, width, scale, offset, isReversed, takesChannelsFirst } = signature;
  const { pixels } = image;
  const pixelStep = takesChannelsFirst ? 1 : 3;
  const columns = Int32Array.from({ length: width },
    (_, x) => 4 * reflected(left + x, image.width));
  for (let band = 0; band < 3; band++) {
    const [factor, summand] = [scale[band], offset[band]];
    const channel = isReversed ? 2 - band : band;
    let to = band * (takesChannelsFirst ? height * width : 1);
    for (let y = 0; y < height; y++) {
      const row = 4 * reflected(top + y, image.height) * image.width + channel;
      for (let x = 0; x < width; x++, to += pixelStep) {
        input[to] = pixels[row + columns[x]] * factor + summand;
      }
    }
  }
}

const LEAST_PROBABILITY = Math.fround(1e-7);

/** The output of the file for a tile as logits, (pixels, classes). */
function logitsOf(output, signature) {
  const { height, width, channels, classes, kind, givesChannelsFirst } = signature;
  const pixels = height * width;
  if (!givesChannelsFirst && kind === "logits" && channels === classes) return output;
  const logits = new Float32Array(pixels * classes);
  const log = (value) => Math.fround(Math.log(Math.max(value, LEAST_PROBABILITY)));
  for (let pixel = 0; pixel < pixels; pixel++) {
    for (let channel = 0; channel < channels; channel++) {
      let value = output[givesChannelsFirst ? channel * pixels + pixel
        : pixel * channels + channel];
      if (kind === "softmax") value = log(value);
      if (kind === "sigmoid") value = log(value) - log(Math.fround(1 - value));
      // Of a single channel the first class is the background, whose logit is 0.
      logits[pixel * classes + channel + classes - channels] = value;
    }
  }
  return logits;
}

let kept = { sums: new Float32Array(0), totals: new Float32Array(0) };

/** Empty sums for rows of an image. Their memory is that of the image before, if this was
 * of the same size, since memory that is new is slow when it is first written. */
function bandOf(width, height, classes) {
  const pixels = width * height;
  if (kept.sums.length === pixels * classes && kept.totals.length === pixels) {
    kept.sums.fill(0);
    kept.totals.fill(0);
  } else {
    kept = { sums: new Float32Array(pixels * classes), totals: new Float32Array(pixels) };
  }
  return { width, ...kept };
}

/** Adds the logits of a tile to the sums of a band, which is as wide as the image. */
function blend(band, logits, weights, at, signature) {
  const { height, width, classes } = signature;
  const { sums, totals } = band;
  let [pixel, from] = [0, 0];
  for (let y = 0; y < height; y++) {
    let total = (at.top + y) * band.width + at.left;
    let to = total * classes;
    for (let x = 0; x < width; x++) {
      const weight = weights[pixel++];
      totals[total++] += weight;
      for (let k = 0; k < classes; k++) {
        sums[to++] += Math.fround(logits[from++] * weight);
      }
    }
  }
}

/** The class of the highest mean of each pixel of finished rows, the first of equals. */
function classify(band, rows, image, classes, classMap, first) {
  const { sums, totals } = band;
  let to = first * image.width;
  for (let y = 0; y < rows; y++) {
    let from = y * band.width * classes;
    for (let x = 0; x < image.width; x++) {
      const total = totals[y * band.width + x];
      let best = 0;
      let highest = Math.fround(sums[from++] / total);
      for (let k = 1; k < classes; k++) {
        const mean = Math.fround(sums[from++] / total);
        if (mean > highest) {
          highest = mean;
          best = k;
        }
      }
      classMap[to++] = best;
    }
  }
}

/**
 * The most likely class of every pixel.
 *
 * image: {pixels: RGBA bytes, height, width}. predict: writes the input of a tile with the
 * first function and gives the output to the second, a promise. onTile: called after each tile with how many are done and how many there are;
 * gives a promise of whether to go on. Gives null where it was told to stop.
 */
async function classesOf(image, signature, predict, onTile) {
  const { height, width, classes } = signature;
  const { rows, columns } = cornersOf(image.height, image.width, signature);
  const weights = weightsOf(signature);
  const band = bandOf(Math.max(image.width, width), height, classes);
  const classMap = new Uint8Array(image.height * image.width);
  let done = 0;
  for (const [index, top] of rows.entries()) {
    for (const left of columns) {
      await predict(
        (input) => writeInput(input, image, top, left, signature),
        (output) =>
          blend(band, logitsOf(output, signature), weights, { top: 0, left }, signature));
      done += 1;
      if (!(await onTile(done, rows.length * columns.length))) return null;
    }
    // What lies above the tiles to come is finished.
    const next = index + 1 < rows.length ? rows[index + 1] : image.height;
    classify(band, next - top, image, classes, classMap, top);
    const moved = (next - top) * band.width;
    for (const [sums, size] of [[band.sums, moved * classes], [band.totals, moved]]) {
      sums.copyWithin(0, size);
      sums.fill(0, Math.max(0, sums.length - size));
    }
  }
  return classMap;
}
