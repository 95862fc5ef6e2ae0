// Runs the model beside the page, which stays responsive. The sources of LiteRT.js and
// sliding_window.js stand above this file in the same script, so that no other is loaded.
"use strict";

let model = null;
let signature = null;
let given = null;
let wanted = 0;

/** Opens the runtime and the model; the milliseconds that it took. */
async function open({ wasm, file, ...rest }) {
  const begin = performance.now();
  signature = rest.signature;
  // It tells of each accelerator that it tries as if that were an error.
  const isFault = (line) => !/^(INFO|WARNING|VERBOSE):/.test(line);
  const printErr = (line) => isFault(line) && console.error(line);
  self.Module = { wasmBinary: wasm, printErr };
  // As loadLiteRt does, without loading a script and without looking for a GPU: the
  // classes are to be those of the file on a processor.
  const litert = await createWasmLib(LiteRt, null);
  setGlobalLiteRt(litert);
  litert.setDefaultEnvironment(new Environment({ webGpuDevice: null }));
  model = await loadAndCompile(new Uint8Array(file), {
    accelerator: "wasm", cpuOptions: { numThreads: 1 },
  });
  const { height, width, takesChannelsFirst } = signature;
  const shape = takesChannelsFirst ? [1, 3, height, width] : [1, height, width, 3];
  given = new Tensor(new Float32Array(3 * height * width), shape);
  return { milliseconds: performance.now() - begin };
}

/** Calls a function with the values of a tensor where they lie, which copies nothing. */
function inPlace(tensor, mode, use) {
  const { liteRtWasm } = getGlobalLiteRt();
  const buffer = tensor.liteRtTensorBuffer;
  const place = buffer.lock(liteRtWasm.LiteRtTensorBufferLockMode[mode]);
  try {
    const count = buffer.packedSize() / Float32Array.BYTES_PER_ELEMENT;
    use(new Float32Array(liteRtWasm.HEAPU8.buffer, place, count));
  } finally {
    buffer.unlock();
  }
}

/** Runs the model for a tile; the milliseconds until its output is there to be read. */
async function predictTile(write, read) {
  const begin = performance.now();
  inPlace(given, "WRITE", write);
  const [output] = await model.run([given]);
  const milliseconds = performance.now() - begin;
  inPlace(output, "READ", read);
  output.delete();
  return milliseconds;
}

const { port1, port2 } = new MessageChannel();

/** Lets messages in between two tiles, so that another image stops this one. */
function messages() {
  return new Promise((resolve) => {
    port1.onmessage = resolve;
    port2.postMessage(null);
  });
}

/** The classes of an image, and how long they took; null if another one came. */
async function segment({ id, image }) {
  wanted = id;
  const begin = performance.now();
  const times = [];
  const predict = async (write, read) => times.push(await predictTile(write, read));
  const classMap = await classesOf(image, signature, predict, async (done, tiles) => {
    if (tiles > 1) {
      self.postMessage({ kind: "progress", id, done, tiles });
      await messages();
    }
    return wanted === id;
  });
  if (classMap === null) return null;
  const counts = new Array(signature.classes).fill(0);
  for (const index of classMap) counts[index] += 1;
  const milliseconds = performance.now() - begin;
  return { classMap, counts, times, milliseconds };
}

const ANSWERS = { open, segment };

self.onmessage = async ({ data }) => {
  const { kind, id } = data;
  try {
    self.postMessage({ kind: "answer", id, answer: await ANSWERS[kind](data) });
    // The first run takes many times as long as others; no picture is to wait for it.
    if (kind === "open") await predictTile(() => {}, () => {});
  } catch (error) {
    self.postMessage({ kind: "failure", id, message: String(error?.message ?? error) });
  }
};
