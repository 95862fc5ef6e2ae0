"use strict";

const $ = (id) => document.getElementById(id);
const FACTS = JSON.parse($("model_facts").textContent);
// Canvases of phones hold no more.
const MOST_SHOWN_PX = 2048;
const MOST_PIXELS = 64e6;
const STRIP_PX = 512;

// Two modules of WebAssembly of one function each: one with SIMD, one with relaxed SIMD.
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1,
  8, 0, 65, 0, 253, 15, 253, 98, 11];
const RELAXED_SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10,
  15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11];

/** What the page shows; the classes are those of the last picture, at its full size. */
const shown = { picture: null, classMap: null, height: 0, width: 0, counts: null,
  times: null, milliseconds: 0, loaded: null, build: null };

// The bytes that the page carries.

/** The bytes of a block of the page, which is dropped then. */
async function bytesOf(id) {
  const block = $(id);
  const text = block.textContent.trim();
  block.remove();
  const packed = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text)
    : Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** What a delta of scripts/vendor_web makes of its base. */
function patched(base, delta) {
  const count = new DataView(delta.buffer).getInt32(0, true);
  const numbers = new Int32Array(delta.buffer, 4, 3 * count);
  const sum = (from) => numbers.subarray(from, from + count).reduce((a, b) => a + b, 0);
  const target = new Uint8Array(sum(0) + sum(count));
  let [added, inserted, at, to] = [4 + 12 * count, 4 + 12 * count + sum(0), 0, 0];
  for (let step = 0; step < count; step++) {
    const [add, insert, move] = [0, 1, 2].map((part) => numbers[part * count + step]);
    for (let i = 0; i < add; i++) target[to + i] = base[at + i] + delta[added + i];
    target.set(delta.subarray(inserted, inserted + insert), to + add);
    added += add;
    inserted += insert;
    to += add + insert;
    at += add + move;
  }
  return target;
}

/** Why this browser cannot run the model; null if it can. */
function obstacle() {
  const names = ["WebAssembly", "Worker", "DecompressionStream", "createImageBitmap",
    "OffscreenCanvas"];
  const missing = names.filter((name) => !(name in window));
  if (!missing.length && !WebAssembly.validate(new Uint8Array(SIMD))) {
    missing.push("SIMD in WebAssembly");
  }
  return missing.length ? `This browser lacks ${missing.join(", ")}, which the model is `
    + "run with. Any browser of 2023 or later has them." : null;
}

// The worker that runs the model.

let worker = null;
const waiting = new Map();
let asked = 0;

function ask(kind, message, transfer = []) {
  const id = ++asked;
  worker.postMessage({ kind, id, ...message }, transfer);
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

function heard({ data }) {
  if (data.kind === "progress") {
    if (data.id === asked) showProgress(data.done / data.tiles);
    return;
  }
  const { resolve, reject } = waiting.get(data.id);
  waiting.delete(data.id);
  if (data.kind === "failure") reject(new Error(data.message));
  else resolve(data.answer);
}

async function load() {
  const begin = performance.now();
  const fault = obstacle();
  if (fault) throw new Error(fault);
  const isRelaxed = WebAssembly.validate(new Uint8Array(RELAXED_SIMD));
  let [source, script, wasm, file] = await Promise.all(
    ["worker_source", "litert_js", "litert_wasm", "model_file"].map(bytesOf));
  if (!isRelaxed) {
    script = patched(script, await bytesOf("compatible_js"));
    wasm = patched(wasm, await bytesOf("compatible_wasm"));
  }
  worker = new Worker(URL.createObjectURL(
    new Blob([script, source], { type: "text/javascript" })));
  worker.onmessage = heard;
  await new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(event.message || "no worker starts"));
    const given = { wasm: wasm.buffer, file: file.buffer, signature: FACTS.signature };
    ask("open", given, [given.wasm, given.file]).then(resolve, reject);
  });
  shown.build = isRelaxed ? "relaxed SIMD" : "SIMD, without relaxed SIMD";
  shown.loaded = performance.now() - begin;
}

// Pictures.

const EXACT = { colorSpaceConversion: "none", premultiplyAlpha: "none" };

/** The pixels of a picture, strip by strip, since canvases of phones are small. */
function pixelsOf(picture, width, height) {
  const canvas = new OffscreenCanvas(width, Math.min(STRIP_PX, height));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const pixels = new Uint8ClampedArray(4 * width * height);
  for (let top = 0; top < height; top += canvas.height) {
    const rows = Math.min(canvas.height, height - top);
    context.clearRect(0, 0, width, rows);
    context.drawImage(picture, 0, top, width, rows, 0, 0, width, rows);
    pixels.set(context.getImageData(0, 0, width, rows).data, 4 * width * top);
  }
  return pixels;
}

async function openPicture(file) {
  if (!file) return;
  stopCamera();
  say("");
  blame("");
  let picture;
  try {
    picture = await createImageBitmap(file, EXACT);
  } catch {
    blame(`${file.name}: this browser cannot read it as a picture. Choose a JPEG or PNG.`);
    return;
  }
  const { width, height } = picture;
  if (width * height > MOST_PIXELS) {
    blame(`${file.name}: has ${width} × ${height} pixels, more than a browser holds well. `
      + "Choose a smaller one, or use segshrink predict, which takes any size.");
    return;
  }
  const scale = Math.min(1, MOST_SHOWN_PX / Math.max(width, height));
  showPicture(picture, Math.max(1, Math.round(width * scale)),
    Math.max(1, Math.round(height * scale)));
  $("overlay").hidden = true;
  say(`Segmenting ${width} × ${height} pixels …`);
  try {
    const result = await segmented(picture, width, height);
    if (result === null) return;
    showProgress(null);
    showClasses(result, width, height);
    const tiles = result.times.length;
    say(`${width} × ${height} pixels${tiles > 1 ? ` in ${tiles} tiles` : ""}: `
      + `${said(result.milliseconds)}${tiles > 1 ? `, ${said(median(result.times))} a tile`
        : ""} (LiteRT.js, one thread, ${shown.build}).`);
  } catch (error) {
    showProgress(null);
    failed(error);
  }
}

function segmented(picture, width, height) {
  const pixels = pixelsOf(picture, width, height);
  const image = { pixels, width, height };
  return ask("segment", { image }, [pixels.buffer]);
}

// What is shown.

const said = (milliseconds) => milliseconds < 100 ? `${milliseconds.toFixed(1)} ms`
  : milliseconds < 10000 ? `${milliseconds.toFixed(0)} ms`
    : `${(milliseconds / 1000).toFixed(0)} s`;

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function say(text) { $("status").textContent = text; }

function blame(text) {
  $("fault").textContent = text;
  $("fault").hidden = !text;
}

function failed(error) {
  say("");
  blame(error.message);
}

function showProgress(share) {
  $("progress").hidden = share === null;
  if (share !== null) $("progress").value = share;
}

function showPicture(picture, width, height, from = null) {
  const canvas = $("photo");
  if (canvas.width !== width || canvas.height !== height) {
    [canvas.width, canvas.height] = [width, height];
  }
  const context = canvas.getContext("2d");
  if (from) context.drawImage(picture, ...from, 0, 0, width, height);
  else context.drawImage(picture, 0, 0, width, height);
  canvas.hidden = false;
  $("stage").classList.remove("empty");
}

/** Paints each pixel of the overlay in the colour of its class. */
function paint(classMap, height, width) {
  const canvas = $("overlay");
  const scale = Math.min(1, MOST_SHOWN_PX / Math.max(width, height));
  const shownWidth = Math.max(1, Math.round(width * scale));
  const shownHeight = Math.max(1, Math.round(height * scale));
  [canvas.width, canvas.height] = [shownWidth, shownHeight];
  const context = canvas.getContext("2d");
  const painted = context.createImageData(shownWidth, shownHeight);
  const colors = new Uint8ClampedArray(FACTS.classes.flatMap((x) => [...x.color, 255]));
  for (let y = 0, to = 0; y < shownHeight; y++) {
    const row = Math.floor((y + 0.5) * height / shownHeight) * width;
    for (let x = 0; x < shownWidth; x++, to += 4) {
      const index = 4 * classMap[row + Math.floor((x + 0.5) * width / shownWidth)];
      for (let k = 0; k < 4; k++) painted.data[to + k] = colors[index + k];
    }
  }
  context.putImageData(painted, 0, 0);
}

function showClasses(result, width, height) {
  Object.assign(shown, result, { width, height });
  paint(result.classMap, height, width);
  for (const id of ["overlay", "divider", "controls"]) $(id).hidden = false;
  $("photo").setAttribute("aria-label", describe(result.counts));
  result.counts.forEach((count, index) => {
    const share = count / (width * height);
    $(`share_${index}`).textContent = `${(100 * share).toFixed(1)} %`;
    $(`bar_${index}`).style.width = `${100 * share}%`;
  });
}

function describe(counts) {
  const whole = counts.reduce((a, b) => a + b, 0);
  const largest = counts.map((count, index) => [count / whole, FACTS.classes[index].name])
    .sort(([a], [b]) => b - a).filter(([share]) => share > 0).slice(0, 3);
  return `The picture, mostly ${largest.map(([share, name]) =>
    `${name} (${Math.round(100 * share)} %)`).join(", ")}`;
}

function showLegend() {
  for (const [index, { name, color }] of FACTS.classes.entries()) {
    const row = $("legend").insertRow();
    const heading = document.createElement("th");
    const swatch = document.createElement("span");
    heading.scope = "row";
    swatch.className = "swatch";
    swatch.style.background = `rgb(${color.join(" ")})`;
    heading.append(swatch, name);
    const share = document.createElement("td");
    [share.className, share.id, share.textContent] = ["number", `share_${index}`, "–"];
    const bar = document.createElement("span");
    const filled = document.createElement("span");
    bar.className = "bar";
    bar.setAttribute("aria-hidden", "true");
    [filled.id, filled.style.width] = [`bar_${index}`, "0"];
    bar.append(filled);
    row.append(heading, share);
    row.insertCell().append(bar);
  }
}

function showFacts() {
  for (const [name, value] of Object.entries(FACTS.facts)) {
    const [term, meaning] = [document.createElement("dt"), document.createElement("dd")];
    [term.textContent, meaning.textContent] = [name, value];
    $("facts").append(term, meaning);
  }
}

// Controls.

function drawControls() {
  const split = $("split").value;
  $("overlay").style.clipPath = `inset(0 0 0 ${split}%)`;
  $("divider").style.left = `calc(${split}% - 1px)`;
  $("overlay").style.opacity = $("opacity").value / 100;
  $("split_said").textContent = `${split} % before`;
  $("opacity_said").textContent = `${$("opacity").value} %`;
}

function dragDivider(event) {
  if ($("controls").hidden || !(event.buttons & 1)) return;
  const { left, width } = $("stage").getBoundingClientRect();
  const share = (event.clientX - left) / width;
  $("split").value = Math.round(100 * Math.min(1, Math.max(0, share)));
  drawControls();
}

/** Saves what the stage shows as a PNG. */
function save() {
  const [photo, overlay] = [$("photo"), $("overlay")];
  const canvas = new OffscreenCanvas(photo.width, photo.height);
  const context = canvas.getContext("2d");
  const from = photo.width * $("split").value / 100;
  context.drawImage(photo, 0, 0);
  context.beginPath();
  context.rect(from, 0, photo.width - from, photo.height);
  context.clip();
  context.globalAlpha = $("opacity").value / 100;
  context.imageSmoothingEnabled = false;
  context.drawImage(overlay, 0, 0, photo.width, photo.height);
  canvas.convertToBlob().then((blob) => {
    const link = document.createElement("a");
    [link.href, link.download] = [URL.createObjectURL(blob), "segmented.png"];
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

// The live camera. A frame is cut to the shape of a tile and scaled to it.

let camera = null;

function stopCamera() {
  for (const track of camera?.srcObject?.getTracks() ?? []) track.stop();
  camera = null;
  $("camera").setAttribute("aria-pressed", "false");
}

const REFUSALS = {
  NotAllowedError: "The browser did not lend its camera. Allow it beside the address; a "
    + "page that was opened as a file may need to be on a web server with https.",
  NotFoundError: "There is no camera.",
};

async function toggleCamera() {
  if (camera) {
    stopCamera();
    say("The camera is off.");
    return;
  }
  blame("");
  if (!navigator.mediaDevices?.getUserMedia) {
    blame("This browser lends its camera only to pages from a web server with https. "
      + "Choose a picture, or take a photo.");
    return;
  }
  try {
    const stream = await navigator.mediaDevices.getUserMedia(
      { video: { facingMode: "environment" } });
    const video = document.createElement("video");
    Object.assign(video, { srcObject: stream, muted: true, playsInline: true });
    await video.play();
    camera = video;
  } catch (error) {
    blame(REFUSALS[error.name] ?? `The camera cannot be used (${error.message}).`);
    return;
  }
  $("camera").setAttribute("aria-pressed", "true");
  say("The camera is on; classes follow the picture.");
  watch(camera).catch((error) => { stopCamera(); failed(error); });
}

async function watch(video) {
  const { width, height } = FACTS.signature;
  const tile = new OffscreenCanvas(width, height);
  const context = tile.getContext("2d", { willReadFrequently: true });
  const times = [];
  for (let frame = 0; camera === video; frame++) {
    const scale = Math.min(video.videoWidth / width, video.videoHeight / height);
    const [w, h] = [width * scale, height * scale];
    const from = [(video.videoWidth - w) / 2, (video.videoHeight - h) / 2, w, h];
    context.drawImage(video, ...from, 0, 0, width, height);
    const picture = await createImageBitmap(video);
    const begin = performance.now();
    const result = await segmented(tile, width, height);
    if (camera !== video || result === null) return;
    showPicture(picture, Math.round(w), Math.round(h), from);
    picture.close();
    showClasses(result, width, height);
    times.push(performance.now() - begin);
    // Said now and then, so that a screen reader is not talked over.
    if (frame % 100 === 0) {
      say(`Live: ${said(median(times.slice(-100)))} a frame (LiteRT.js, one thread, `
        + `${shown.build}).`);
    }
    await new Promise(requestAnimationFrame);
  }
}

function listen() {
  for (const id of ["choose", "take"]) {
    $(id).addEventListener("change", ({ target }) => {
      openPicture(target.files[0]);
      target.value = "";
    });
  }
  $("camera").addEventListener("click", toggleCamera);
  $("save").addEventListener("click", save);
  for (const id of ["split", "opacity"]) $(id).addEventListener("input", drawControls);
  for (const kind of ["pointerdown", "pointermove"]) {
    $("stage").addEventListener(kind, dragDivider);
  }
  window.addEventListener("dragover", (event) => {
    event.preventDefault();
    $("stage").classList.add("target");
  });
  window.addEventListener("dragleave", () => $("stage").classList.remove("target"));
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    $("stage").classList.remove("target");
    openPicture(event.dataTransfer.files[0]);
  });
}

function usable(isUsable) {
  for (const id of ["choose", "take", "camera"]) $(id).disabled = !isUsable;
}

showLegend();
showFacts();
drawControls();
usable(false);
const ready = load().then(() => {
  listen();
  usable(true);
  say(`Ready: loaded in ${(shown.loaded / 1000).toFixed(1)} s.`);
}, failed);
