"""Architectures of keras.applications and KerasHub at half their channels: exact?

For each, with random weights everywhere: `plan.apply` against `plan.zero`, the file
reloaded by a fresh process that cannot import segshrink (nor keras_hub), and the LiteRT
and ONNX files against Keras. Networks of KerasHub are `kerashub_networks.py`, and are
left out where the package is not installed. Each runs in a process of its own; finished
ones are not run again.

    python benchmarks/architectures.py --out benchmarks/architectures.json
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from kerashub_networks import NETWORKS

_SIZES = {
    "InceptionV3": 75,
    "InceptionResNetV2": 75,
    "Xception": 71,
    # At 32 px their last maps are one pixel, and tf2onnx 1.17 takes a sum for a bias.
    "ResNet50V2": 64,
    "ResNet101V2": 64,
    "ResNet152V2": 64,
}
_LIMITS = {"zero": 1e-4, "reload": 1e-4, "litert": 1e-3, "onnx": 1e-3}
_RELOAD = """
import sys
sys.modules["segshrink"] = sys.modules["keras_hub"] = None
import keras, numpy as np
model = keras.models.load_model(sys.argv[1])
images = np.load(sys.argv[2])
np.save(sys.argv[3], keras.ops.convert_to_numpy(model(images, training=False)))
"""


def architectures() -> list[str]:
    """Names of the models in keras.applications, small ones first."""
    import inspect

    import keras

    apps = vars(keras.applications)
    names = [name for name in apps if inspect.isfunction(apps[name])]
    large = ("NASNetLarge", "ConvNeXtLarge", "ConvNeXtXLarge", "EfficientNetV2L")
    names = sorted(names, key=lambda name: (name in large, name))
    return names + (list(NETWORKS) if find_spec("keras_hub") else [])


def built(name: str):
    """A network with random weights."""
    import keras

    if name in NETWORKS:
        return NETWORKS[name]()
    side = _SIZES.get(name, 32)
    return getattr(keras.applications, name)(
        weights=None,
        input_shape=(side, side, 3),
        classes=10,
        classifier_activation=None,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("architectures.json"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=float, default=600, help="seconds for each")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(check(arguments.one)))
        return
    found = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    missing = [name for name in architectures() if name not in found]
    with ThreadPoolExecutor(arguments.workers) as workers:
        for name, row in workers.map(
            lambda name: (name, run_apart(name, arguments.limit)), missing
        ):
            found[name] = row
            arguments.out.write_text(json.dumps(found, indent=2) + "\n")
            arguments.out.with_suffix(".md").write_text(table(found))
    print(table(found))


def run_apart(name: str, limit: float) -> dict:
    """What `check` finds in a process of its own, or why there is nothing."""
    command = [sys.executable, __file__, "--one", name]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit, env=environment
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"not finished in {limit:.0f} s"}
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1][:300]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def check(name: str) -> dict:
    """Prune one architecture and hold everything that comes out against each other."""
    import keras
    import numpy as np

    from segshrink.measuring import count_macs
    from segshrink.models import plain_model
    from segshrink.pruning import plan_pruning

    model = built(name)
    images = np.random.default_rng(1).uniform(0, 255, (8, *model.inputs[0].shape[1:]))
    images = images.astype("float32")
    randomize(model, images)
    images = images[:2]
    start = time.perf_counter()
    plan = plan_pruning(model, keep=0.5)
    smaller = plan.apply(model)
    seconds = time.perf_counter() - start
    expected = keras.ops.convert_to_numpy(smaller(images, training=False))
    zeroed = keras.ops.convert_to_numpy(plan.zero(model)(images, training=False))
    before, after = count_macs(plain_model(model)), count_macs(smaller)
    errors = {"zero": difference(expected, zeroed)}
    with tempfile.TemporaryDirectory() as folder:
        errors["reload"] = reloaded(smaller, images, expected, Path(folder))
        unpruned = {}
        for kind, run in (("litert", run_litert), ("onnx", run_onnx)):
            errors[kind] = file_error(run, smaller, images, Path(folder))
            if not passed(kind, errors[kind]):
                # Tells a fault of pruning from one of the converter or runtime.
                unpruned[kind] = file_error(run, model, images, Path(folder))
    return {
        "parameters": [before.parameters, after.parameters],
        "macs": [before.macs, after.macs],
        "seconds": seconds,
        "groups": len(plan.groups),
        "frozen": sorted({kept.reason for kept in plan.frozen})[:8],
        "spread": float(expected.std()),
        "errors": errors,
        "unpruned": unpruned,
    }


def randomize(model, images) -> None:
    """Random biases and scales; statistics of the images, so that no signal dies."""
    import keras
    import numpy as np

    random = np.random.default_rng(0)
    for weight in model.weights:
        if "variance" in weight.path:
            continue
        values = keras.ops.convert_to_numpy(weight)
        if values.ndim == 1:
            weight.assign(values + random.normal(0, 0.1, values.shape))
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(images, training=True)
    for weight in model.weights:
        # Maps of one pixel hardly vary over a few images.
        if "variance" in weight.path:
            weight.assign(keras.ops.maximum(weight, 0.01))


def difference(found, expected) -> float:
    """Largest difference, relative to the largest value."""
    import numpy as np

    return float(np.abs(found - expected).max() / np.abs(expected).max())


def passed(check: str, error: float | str) -> bool:
    """Whether a check found a difference, and one within its limit; NaN is not."""
    return not isinstance(error, str) and error <= _LIMITS[check]


def file_error(run, model, images, folder: Path) -> float | str:
    """Difference of a file from Keras, or why there is none."""
    import keras

    expected = keras.ops.convert_to_numpy(model(images, training=False))
    try:
        return difference(run(model, images, folder), expected)
    except Exception as problem:
        return str(problem).splitlines()[0].replace(f"{folder}/", "")


def reloaded(model, images, expected, folder: Path) -> float:
    """Difference of the saved model in a process that has no segshrink."""
    import numpy as np

    model.save(folder / "model.keras")
    np.save(folder / "images.npy", images)
    files = [folder / name for name in ("model.keras", "images.npy", "out.npy")]
    subprocess.run([sys.executable, "-c", _RELOAD, *files], check=True)
    return difference(np.load(files[2]), expected)


def run_litert(model, images, folder: Path):
    """Outputs of the LiteRT file, one image at a time."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    from segshrink.export.litert import litert_float32

    interpreter = Interpreter(model_content=litert_float32(model))
    interpreter.allocate_tensors()
    given, taken = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for image in images:
        interpreter.set_tensor(given[0]["index"], image[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(taken[0]["index"])[0].copy())
    return np.array(outputs)


def run_onnx(model, images, folder: Path):
    """Outputs of the ONNX file, one image at a time."""
    import numpy as np
    import onnxruntime

    from segshrink.export.onnx import write_onnx

    path = folder / "model.onnx"
    write_onnx(model, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.array([session.run(None, {name: i[None]})[0][0] for i in images])


def table(found: dict) -> str:
    """The rows as Markdown; a check is passed within 1e-4, a file within 1e-3."""
    lines = [
        "| architecture | parameters | MACs | seconds | groups | passed |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in sorted(found.items()):
        if "failed" in row:
            lines.append(f"| {name} | | | | | failed: {row['failed']} |")
            continue
        unpruned = row.get("unpruned", {})
        marks = [mark(key, row["errors"][key], unpruned.get(key)) for key in _LIMITS]
        parameters, macs = (
            " -> ".join(f"{value / 1e6:.2f} M" for value in row[key])
            for key in ("parameters", "macs")
        )
        cells = [name, parameters, macs, f"{row['seconds']:.1f}", str(row["groups"])]
        lines.append(f"| {' | '.join(cells)} | {', '.join(marks)} |")
    return "\n".join(lines) + "\n"


def mark(check: str, error: float | str, unpruned: float | str | None) -> str:
    """The name of a passed check; of a failed one with what was found, in bold."""
    if passed(check, error):
        return check
    if isinstance(error, str):
        found = f": {textwrap.shorten(error, 90)}"
    else:
        found = f" {error:.1e}"
    too = unpruned is not None and not passed(check, unpruned)
    return f"**{check}{found}{' (unpruned fails too)' if too else ''}**"


if __name__ == "__main__":
    main()
