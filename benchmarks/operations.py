"""Which operations of a student int8 makes faster, and which slower.

    python benchmarks/operations.py --work DIR [--rounds 40]

Each operation of the compact student that differs from the others in kind, kernel or
shape becomes two files of LiteRT, float32 and int8, whose input and output are of the
same type. All of them are run with one thread in interleaved rounds. Weights are
random, since times do not depend on them.
"""

import argparse
import json
import statistics
import time
from collections import Counter
from pathlib import Path

import numpy as np

from segshrink.records.machine import this_machine

HERE = Path(__file__).resolve().parent
_SIZE_PX, _CLASSES, _WIDTH, _STEM_STRIDE = 256, 6, 24, 2
# A sample is the mean of as many calls.
_CALLS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--out", type=Path, default=HERE / "operations.json")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    times = Counter(operations())
    files = {
        (operation, int8): written(operation, int8, arguments.work)
        for operation in times
        for int8 in (False, True)
    }
    micros = timed(files, arguments.rounds)
    machine = this_machine()
    found = {
        "network": f"compact student, width {_WIDTH}, stem of stride {_STEM_STRIDE}",
        "input": [_SIZE_PX, _SIZE_PX, 3],
        "rounds": arguments.rounds,
        "processor": machine.processor,
        "int8_dot_products": machine.int8_dot_products,
        "rows": [
            {
                "operation": operation[0],
                "kernel": operation[1],
                "stride": operation[2],
                "input": list(operation[3]),
                "channels": operation[4],
                "times": times[operation],
                "float_us": micros[operation, False],
                "int8_us": micros[operation, True],
            }
            for operation in times
        ],
    }
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    arguments.out.with_suffix(".md").write_text(table(found))


def operations() -> list[tuple]:
    """Kind, kernel, stride, shape of the input and channels of each operation."""
    from keras import layers

    from segshrink.models import compact

    network = compact(
        num_classes=_CLASSES,
        input_shape=(_SIZE_PX, _SIZE_PX, 3),
        width=_WIDTH,
        stem_stride=_STEM_STRIDE,
    )
    kinds = {
        layers.DepthwiseConv2D: "depthwise",
        layers.Conv2D: "convolution",
        layers.UpSampling2D: "bilinear doubling",
        layers.Add: "addition",
    }
    found = []
    for layer in network.layers:
        if type(layer) not in kinds:
            continue
        given = layer.input[0] if isinstance(layer.input, list) else layer.input
        kernel, stride = (
            (layer.kernel_size[0], layer.strides[0])
            if "kernel_size" in vars(layer)
            else (0, 1)
        )
        channels = layer.output.shape[-1]
        found.append((kinds[type(layer)], kernel, stride, given.shape[1:], channels))
    return found


def written(operation: tuple, int8: bool, work: Path) -> Path:
    """The file of one operation."""
    import keras
    import tensorflow as tf
    from keras import layers

    kind, kernel, stride, shape, channels = operation
    sizes = "x".join(map(str, shape))
    name = f"{kind}-{kernel}-{stride}-{sizes}-{channels}-{'int8' if int8 else 'float'}"
    path = work / f"{name.replace(' ', '-')}.tflite"
    if path.is_file():
        return path
    same = {"padding": "same", "strides": stride, "activation": "relu6"}
    images = keras.Input(shape, batch_size=1)
    result = {
        "convolution": lambda x: layers.Conv2D(channels, kernel, **same)(x),
        "depthwise": lambda x: layers.DepthwiseConv2D(kernel, **same)(x),
        "bilinear doubling": layers.UpSampling2D(2, interpolation="bilinear"),
        "addition": lambda x: layers.Add()([x, x]),
    }[kind](images)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(images, result))
    if int8:
        random = np.random.default_rng(0)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [random.normal(size=(1, *shape)).astype(np.float32)] for _ in range(4)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    path.write_bytes(converter.convert())
    return path


def timed(files: dict, rounds: int) -> dict:
    """Median microseconds of each file."""
    from ai_edge_litert.interpreter import Interpreter

    random = np.random.default_rng(0)
    runtimes = {}
    for key, path in files.items():
        runtime = Interpreter(str(path), num_threads=1)
        runtime.allocate_tensors()
        given = runtime.get_input_details()[0]
        image = random.integers(0, 100, given["shape"]).astype(given["dtype"])
        runtime.set_tensor(given["index"], image)
        runtimes[key] = runtime
    samples: dict = {key: [] for key in files}
    keys = list(files)
    for _ in range(rounds):
        for place in random.permutation(len(keys)):
            runtime = runtimes[keys[place]]
            runtime.invoke()
            start = time.perf_counter()
            for _ in range(_CALLS):
                runtime.invoke()
            samples[keys[place]].append((time.perf_counter() - start) / _CALLS * 1e6)
    return {key: statistics.median(values) for key, values in samples.items()}


def table(found: dict) -> str:
    """The rows as Markdown, those first where int8 loses most."""
    height, width, _ = found["input"]
    dots = "with" if found["int8_dot_products"] else "without"
    lines = [
        f"Operations of a {found['network']}, for {height} x {width} pixels, in LiteRT "
        f"with one thread on {found['processor']}, {dots} int8 dot products: "
        f"microseconds, medians of {found['rounds']} interleaved rounds.",
        "",
        "| operation | input | channels out | in the network | float32 | int8 "
        "| int8 / float32 |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    rows = found["rows"]
    for row in sorted(rows, key=lambda row: row["float_us"] / row["int8_us"]):
        kernel = f" {row['kernel']} x {row['kernel']}" if row["kernel"] else ""
        stride = ", stride 2" if row["stride"] == 2 else ""
        lines.append(
            f"| {row['operation']}{kernel}{stride} "
            f"| {' x '.join(map(str, row['input']))} | {row['channels']} "
            f"| {row['times']} | {row['float_us']:.0f} | {row['int8_us']:.0f} "
            f"| {row['int8_us'] / row['float_us']:.2f} |"
        )
    floats, ints = (
        sum(row["times"] * row[name] for row in rows)
        for name in ("float_us", "int8_us")
    )
    lines.append(f"| all | | | | {floats:.0f} | {ints:.0f} | {ints / floats:.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
