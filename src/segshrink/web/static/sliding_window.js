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

/** Weights that fall from the middle of a tile to its border, one for each pixel. */
function weightsOf(tile) {
  const [rows, columns] = [ramp(tile.height), ramp(tile.width)];
  const weights = new Float32Array(tile.height * tile.width);
  rows.forEach((row, y) =>
    columns.forEach((column, x) => { weights[y * tile.width + x] = row * column; }));
  return weights;
}

/** The pixels of a tile as the file takes them, float32. */
function inputOf(image, top, left, signature) {
  const { height, width, scale, offset, isReversed, takesChannelsFirst } = signature;
  const input = new Float32Array(height * width * 3);
  const [pixelStep, bandStep] = takesChannelsFirst ? [1, height * width] : [3, 1];
  for (let y = 0; y < height; y++) {
    const row = reflected(top + y, image.height) * image.width;
    for (let x = 0; x < width; x++) {
      const from = 4 * (row + reflected(left + x, image.width));
      const to = (y * width + x) * pixelStep;
      for (let band = 0; band < 3; band++) {
        const value = image.pixels[from + (isReversed ? 2 - band : band)];
        input[to + band * bandStep] = value * scale[band] + offset[band];
      }
    }
  }
  return input;
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

/** Adds the logits of a tile to the sums of a band, which is as wide as the image. */
function blend(band, logits, weights, at, signature) {
  const { height, width, classes } = signature;
  for (let y = 0; y < height; y++) {
    let from = y * width;
    let to = (at.top + y) * band.width + at.left;
    for (let x = 0; x < width; x++, from++, to++) {
      const weight = weights[from];
      band.totals[to] += weight;
      for (let k = 0; k < classes; k++) {
        band.sums[to * classes + k] += Math.fround(logits[from * classes + k] * weight);
      }
    }
  }
}

/** The class of the highest mean of each pixel of finished rows, the first of equals. */
function classify(band, rows, image, classes, classMap, first) {
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < image.width; x++) {
      const pixel = y * band.width + x;
      let best = 0;
      let highest = Math.fround(band.sums[pixel * classes] / band.totals[pixel]);
      for (let k = 1; k < classes; k++) {
        const mean = Math.fround(band.sums[pixel * classes + k] / band.totals[pixel]);
        if (mean > highest) [highest, best] = [mean, k];
      }
      classMap[(first + y) * image.width + x] = best;
    }
  }
}

/**
 * The most likely class of every pixel.
 *
 * image: {pixels: RGBA bytes, height, width}. predict: input of a tile to its output, a
 * promise. onTile: called after each tile with how many are done and how many there are;
 * gives a promise of whether to go on. Gives null where it was told to stop.
 */
async function classesOf(image, signature, predict, onTile) {
  const { height, width, classes } = signature;
  const { rows, columns } = cornersOf(image.height, image.width, signature);
  const weights = weightsOf(signature);
  const band = { width: Math.max(image.width, width) };
  band.sums = new Float32Array(height * band.width * classes);
  band.totals = new Float32Array(height * band.width);
  const classMap = new Uint8Array(image.height * image.width);
  let done = 0;
  for (const [index, top] of rows.entries()) {
    for (const left of columns) {
      const output = await predict(inputOf(image, top, left, signature));
      blend(band, logitsOf(output, signature), weights, { top: 0, left }, signature);
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
