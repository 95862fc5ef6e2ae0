r"""What each remedy gives back of what int8 costs, on a model built to be hard for it.

    python benchmarks/quantization.py --work DIR [--spread 300] [--seeds 0 1 2]

A small U-Net is trained on synthetic scenes. Then the channels inside each of its
blocks are scaled by factors from 1 to SPREAD and the kernels that read them by the
inverse: the function in float32 stays the same, but the range of each tensor becomes
wide for most of its channels, and with one scale for a tensor they lose their levels.
Every remedy is measured alone, by running the int8 LiteRT file over whole images of
the test part. Training for int8 is also held against the same training in float32,
whose model is scaled and quantized afterwards. All of it goes on where it stopped.
"""

import argparse
import json
import statistics
from pathlib import Path

_TILE_PX = 128
_EPOCHS = 20
_QAT_EPOCHS = 4
_ROWS = {
    "float": "float32",
    "plain": "int8, ranges from the lowest to the highest value",
    "percentile": "the same, percentile 99.99",
    "biases": "corrected biases",
    "float_layers": "the 8 most sensitive tensors in float32",
    "longer": "trained longer in float32, then int8",
    "qat": "quantization-aware training",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--spread", type=float, default=300.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    runs = [
        run(arguments.work / f"seed-{s}", s, arguments.spread) for s in arguments.seeds
    ]
    from segshrink.records import this_machine

    found = {
        "machine": this_machine().as_plain(),
        "spread": arguments.spread,
        "runs": runs,
    }
    (arguments.out / "quantization.json").write_text(json.dumps(found, indent=2) + "\n")
    (arguments.out / "quantization.md").write_text(table(found))
    print(table(found))


def run(work: Path, seed: int, spread: float) -> dict:
    """Mean IoU of every row, and the loss of the model's scaling in float32."""
    import keras
    import numpy as np

    from segshrink.data import open_dataset, plain_tiles
    from segshrink.models import build_model, load_model
    from segshrink.quantization import FakeQuantizedModel, observed_ranges
    from segshrink.quantization.bias_correction import correct_biases
    from segshrink.quantization.sensitivity import rank_by_sensitivity
    from segshrink.quantization.structure import with_consumers
    from segshrink.quantization.training import finetuning_settings, train_quantized
    from segshrink.recipe import TrainingSettings
    from segshrink.training import TrainingContext, train

    result = work / f"result-{spread:g}.json"
    if result.is_file():
        return json.loads(result.read_text())
    dataset = open_dataset("synthetic")
    settings = TrainingSettings(epochs=_EPOCHS, tiles_per_epoch=320, batch_size=8)
    if not (work / "model.keras").is_file():
        keras.utils.set_random_seed(seed)
        fresh = build_model(
            "unet",
            num_classes=dataset.classes.num_classes,
            input_shape=(_TILE_PX, _TILE_PX, 3),
            base_filters=8,
        )
        context = TrainingContext(dataset=dataset, folder=work, seed=seed)
        train(fresh, settings, context)
    images, _ = plain_tiles(dataset.train, _TILE_PX, 64)

    def hard(path: Path) -> keras.Model:
        model = load_model(path)
        scale_channels(model, spread, np.random.default_rng(seed))
        return model

    model = hard(work / "model.keras")
    wide = observed_ranges(model, images)
    narrow = observed_ranges(model, images, percentile=99.99)
    measure = Measure(work, dataset, images)
    found = {
        "unscaled": measure(load_model(work / "model.keras"), None),
        "float": measure(model, None),
        "plain": measure(model, wide),
        "percentile": measure(model, narrow),
    }
    corrected = hard(work / "model.keras")
    correct_biases(FakeQuantizedModel(corrected, wide), images[:16])
    found["biases"] = measure(corrected, wide)
    ranked = rank_by_sensitivity(FakeQuantizedModel(model, wide), images[:16])
    kept = with_consumers(value for value, _ in ranked[:8])
    found["float_layers"] = measure(model, wide, [value.path for value in kept])

    more = finetuning_settings(settings, _QAT_EPOCHS)
    trained = load_model(work / "model.keras")
    if not (work / "longer" / "model.keras").is_file():
        context = TrainingContext(dataset=dataset, folder=work / "longer", seed=seed)
        train(trained, more, context)
    longer = hard(work / "longer" / "model.keras")
    found["longer"] = measure(longer, observed_ranges(longer, images))
    trained = hard(work / "model.keras")
    folder = work / f"int8-{spread:g}"
    context = TrainingContext(dataset=dataset, folder=folder, seed=seed)
    _, ranges = train_quantized(trained, narrow, more, context)
    found["qat"] = measure(load_model(folder / "model.keras"), ranges)
    result.write_text(json.dumps(found, indent=2) + "\n")
    print(seed, found, flush=True)
    return found


class Measure:
    """Exports a model and runs the file over the test part."""

    def __init__(self, work: Path, dataset, images) -> None:
        self.path, self.dataset, self.images = work / "measured.tflite", dataset, images

    def __call__(self, model, ranges, in_float=()) -> float:
        """Mean IoU of the file; without ranges, of a float32 one."""
        from segshrink.export import Calibration, export_model
        from segshrink.measuring import measure_quality
        from segshrink.runtimes import load_artifact

        options = {}
        if ranges is not None:
            calibration = Calibration(self.images, ranges, in_float)
            options = {"quantize": "int8", "calibration": calibration}
        export_model(model, self.path, **options)
        artifact = load_artifact(self.path, threads=2)
        part, classes = self.dataset.test, self.dataset.classes
        return measure_quality(artifact, part, classes).mean_iou


def scale_channels(model, spread: float, random) -> None:
    """Scale channels between the two convolutions of each block, and undo it after."""
    import numpy as np

    for layer in model.layers:
        if not layer.name.endswith("conv_1_norm"):
            continue
        reader = model.get_layer(layer.name.replace("conv_1_norm", "conv_2"))
        gamma, beta, mean, variance = layer.get_weights()
        factors = np.exp(random.uniform(0, np.log(spread), len(gamma)))
        layer.set_weights([gamma * factors, beta * factors, mean, variance])
        kernel, *bias = reader.get_weights()
        reader.set_weights([kernel / factors[:, None], *bias])


def table(found: dict) -> str:
    runs = found["runs"]
    lines = [
        "A U-Net (8 filters) on synthetic scenes, channels inside its blocks scaled by "
        f"up to {found['spread']:g}; mIoU in % of the LiteRT file on the test part, "
        f"mean and range over {len(runs)} seeds; recovered: share of what int8 costs. "
        f"Quantization-aware training and its control: {_QAT_EPOCHS} epochs at a tenth "
        f"of the learning rate, after {_EPOCHS} of training.",
        "",
        "| | mIoU | recovered |",
        "|---|---|---:|",
    ]
    for row, title in _ROWS.items():
        mious = [100 * run[row] for run in runs]
        share = ""
        if row not in ("float", "plain"):
            shares = [
                (run[row] - run["plain"]) / (run["float"] - run["plain"])
                for run in runs
            ]
            share = f"{100 * statistics.mean(shares):.0f} %"
        lines.append(
            f"| {title} | {statistics.mean(mious):.1f} ({min(mious):.1f} to "
            f"{max(mious):.1f}) | {share} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
