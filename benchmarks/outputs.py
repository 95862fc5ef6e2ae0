"""What files of logits, probabilities and classes cost, and what they score.

    python benchmarks/outputs.py --model runs/demo/student/model.keras --work DIR

Every file of a model, for images of --size, is run with one thread in interleaved
rounds: alone, and until the class of each pixel is known, for which those of logits are
searched by NumPy. It is the time of the processor that is measured, which other work on
the machine hardly changes. The mIoU is that of whole images, whose tiles overlap:
classes vote where logits are blended. Files that lie in DIR are taken as they are.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np

from segshrink.data import open_dataset, plain_tiles
from segshrink.export import export_model, fixed_input_shape, with_input_size
from segshrink.formats import Output, Precision
from segshrink.measuring import measure_quality
from segshrink.models import load_model
from segshrink.records.machine import this_machine
from segshrink.runtimes import load_artifact, predict_classes

HERE = Path(__file__).resolve().parent
_FILES = (
    ("tflite", Precision.FLOAT32),
    ("tflite", Precision.INT8),
    ("onnx", Precision.FLOAT32),
    ("onnx", Precision.INT8),
    ("xml", Precision.FLOAT32),
    ("xml", Precision.INT8),
)
_WARMUP = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--out", type=Path, default=HERE / "outputs.json")
    arguments = parser.parse_args()
    trained, dataset = load_model(arguments.model), open_dataset(arguments.data)
    model = with_input_size(trained, arguments.size, arguments.size)
    arguments.work.mkdir(parents=True, exist_ok=True)
    images, _ = plain_tiles(dataset.train, fixed_input_shape(model), 64)
    artifacts = {}
    for suffix, precision in _FILES:
        for output in Output:
            path = arguments.work / f"{precision}-{output}.{suffix}"
            if not path.is_file():
                export_model(
                    model,
                    path,
                    quantize=None if precision is Precision.FLOAT32 else precision,
                    calibration=images if precision.is_calibrated else None,
                    output=output,
                )
            artifacts[suffix, precision, output] = load_artifact(path)
    times = timed(artifacts, images[0], arguments.rounds)
    rows = [
        {
            "format": suffix,
            "precision": precision,
            "output": output,
            "runtime": f"{artifact.runtime} {artifact.runtime_version}",
            "bytes_out": bytes_out(artifact),
            **times[suffix, precision, output],
            "mean_iou": measure_quality(
                artifact, dataset.test, dataset.classes
            ).mean_iou,
        }
        for (suffix, precision, output), artifact in artifacts.items()
    ]
    machine = this_machine()
    found = {
        "model": model.name,
        "input": list(model.inputs[0].shape[1:]),
        "classes": dataset.classes.num_classes,
        "data": dataset.name,
        "rounds": arguments.rounds,
        "processor": machine.processor,
        "cores": machine.cores,
        "rows": rows,
    }
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    arguments.out.with_suffix(".md").write_text(table(found))


def timed(artifacts: dict, image: np.ndarray, rounds: int) -> dict:
    """Median milliseconds of each file alone, and until the classes are known."""
    given = {key: each.signature.as_input(image) for key, each in artifacts.items()}
    calls = {}
    for key, artifact in artifacts.items():
        calls[key, "file_ms"] = lambda a=artifact, x=given[key]: a.run(x)
        calls[key, "classes_ms"] = lambda a=artifact: predict_classes(a, image[None])
    samples: dict = {key: [] for key in calls}
    random = np.random.default_rng(0)
    for call in calls.values():
        for _ in range(_WARMUP):
            call()
    for _ in range(rounds):
        for place in random.permutation(len(calls)):
            key = list(calls)[place]
            start = time.process_time()
            calls[key]()
            samples[key].append((time.process_time() - start) * 1000)
    return {
        key: {
            name: statistics.median(samples[key, name])
            for name in ("file_ms", "classes_ms")
        }
        for key in artifacts
    }


def bytes_out(artifact) -> int:
    """Bytes that the file gives for one image."""
    shape = (*artifact.input_shape, artifact.num_bands)
    image = np.zeros(shape, np.uint8)
    return int(artifact.run(artifact.signature.as_input(image)).nbytes)


def table(found: dict) -> str:
    """The rows as Markdown."""
    height, width, _ = found["input"]
    lines = [
        f"Files of one student for {height} x {width} pixels and {found['classes']} "
        f"classes, on the test part of {found['data']}: milliseconds of the processor "
        f"with one thread ({found['processor']}, {found['cores']} cores, medians of "
        f"{found['rounds']} interleaved rounds) of the file alone, and until the class "
        "of each pixel is known; bytes that it gives for an image; mIoU of whole "
        "images.",
        "",
        "| file | output | file, ms | to classes, ms | bytes out | mIoU |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for row in found["rows"]:
        precision = Precision(row["precision"]).label
        lines.append(
            f"| .{row['format']} {precision} | {row['output']} | {row['file_ms']:.2f} "
            f"| {row['classes_ms']:.2f} | {row['bytes_out']:,} "
            f"| {row['mean_iou']:.4f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
