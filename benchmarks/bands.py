r"""Speed of training a compact student on images of 1, 3 and 8 bands.

    python benchmarks/bands.py --work DIR [--seconds 30] [--rounds 3]

The images of all three are the same generated scenes, whose channels are repeated or
left out, as 8-bit arrays. Rounds take the numbers of bands in turn; each training is a
process of its own, which is timed after its first steps.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BANDS = (1, 3, 8)
_SCENES = {"train": 4, "val": 1, "test": 1}
_SCENE_PX = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE / "bands.json")
    arguments = parser.parse_args()
    results = []
    for number in range(arguments.rounds):
        for bands in BANDS:
            folder = made_folder(arguments.work / f"{bands} bands", bands)
            found = timed(folder, arguments.seconds)
            results.append({"round": number, "bands": bands, **found})
            print(results[-1], flush=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    arguments.out.with_suffix(".md").write_text(table(results))


def made_folder(folder: Path, bands: int) -> Path:
    import numpy as np
    from PIL import Image

    from segshrink.data import open_dataset

    if (folder / "dataset.yaml").is_file():
        return folder
    scenes = open_dataset("synthetic", scenes=6, scene_px=_SCENE_PX)
    images = [image for part in scenes.parts.values() for image in part]
    places = [part for part, count in _SCENES.items() for _ in range(count)]
    for number, (part, image) in enumerate(zip(places, images, strict=True)):
        pixels, labels = image.read()
        repeated = np.concatenate([pixels] * 3, axis=-1)[..., :bands]
        for kind in ("images", "masks"):
            (folder / part / kind).mkdir(parents=True, exist_ok=True)
        np.save(folder / part / "images" / f"{number}.npy", repeated)
        Image.fromarray(labels).save(folder / part / "masks" / f"{number}.png")
    classes = "".join(
        f"  - {{name: {name}, index: {label}}}\n"
        for label, name in enumerate(scenes.classes.names)
    )
    use = list(range(1, bands + 1))
    (folder / "dataset.yaml").write_text(
        f"classes:\n{classes}void_indices: [255]\nbands: {{use: {use}}}\n"
    )
    return folder


def timed(folder: Path, seconds: float) -> dict:
    choice = {"row": "student", "seconds": seconds, "batch": 8, "data": str(folder)}
    ended = subprocess.run(
        [sys.executable, str(HERE / "one_training.py"), json.dumps(choice)],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(ended.stdout.splitlines()[-1])


def table(results: list[dict]) -> str:
    rounds = 1 + max(x["round"] for x in results)
    lines = [
        "Training a compact student on tiles of 256 x 256 pixels, batches of 8, "
        f"medians of {rounds} rounds in turn on {os.cpu_count()} cores:",
        "",
        "| bands | tiles/s | processor ms a tile |",
        "|---:|---:|---:|",
    ]
    for bands in BANDS:
        own = [x for x in results if x["bands"] == bands]
        speed, busy = (
            statistics.median(x[key] for x in own)
            for key in ("tiles_per_second", "cpu_ms_per_tile")
        )
        lines.append(f"| {bands} | {speed:.1f} | {busy:.1f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
