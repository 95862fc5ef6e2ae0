r"""Seconds and memory to open a folder of many images, first and second time.

    python benchmarks/opening.py --work DIR [--pairs 10000] [--rounds 3]

Each opening is a process of its own, whose imports are not counted. The folder holds
images of 512 x 512 pixels as JPEG and masks of indices as PNG, in train, val and test;
its files were just written, so that the system holds them in memory. The first opening
finds no survey of the folder in the cache, the second finds the one of the first.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
_DIFFERENT = 50
_SIDE_PX = 512
_SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}

_OPEN = """
import json, resource, sys, time
from segshrink.data import open_dataset
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began, busy = time.perf_counter(), time.process_time()
dataset = open_dataset(sys.argv[1])
print(json.dumps({
    "seconds": time.perf_counter() - began,
    "cpu_seconds": time.process_time() - busy,
    "images": sum(map(len, dataset.parts.values())),
    "mb_before": before / 1024,
    "mb_peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE / "opening.json")
    arguments = parser.parse_args()
    folder = made_folder(arguments.work / f"{arguments.pairs} pairs", arguments.pairs)
    results = []
    for number in range(arguments.rounds):
        cache = arguments.work / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        for time in ("first", "second"):
            found = opened(folder, cache)
            results.append({"round": number, "time": time, **found})
            print(results[-1], flush=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    arguments.out.with_suffix(".md").write_text(table(results, arguments.pairs))


def made_folder(folder: Path, pairs: int) -> Path:
    """Copies of a few different generated scenes, under many names."""
    import numpy as np
    from PIL import Image

    from segshrink.data import open_dataset

    if (folder / "whole").is_file():
        return folder
    scenes = open_dataset("synthetic", scenes=_DIFFERENT, scene_px=_SIDE_PX)
    sources = folder / "sources"
    sources.mkdir(parents=True, exist_ok=True)
    images = [image for part in scenes.parts.values() for image in part]
    for number, image in enumerate(images):
        pixels, labels = image.read()
        Image.fromarray(pixels).save(sources / f"{number}.jpg", quality=90)
        Image.fromarray(np.minimum(labels, 254)).save(sources / f"{number}.png")
    for number in range(pairs):
        ends = np.cumsum(list(_SHARES.values())) * pairs
        part = list(_SHARES)[int(np.searchsorted(ends, number, side="right"))]
        for kind, suffix in (("images", ".jpg"), ("masks", ".png")):
            place = folder / "data" / part / kind / f"{number:06}{suffix}"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(sources / f"{number % _DIFFERENT}{suffix}", place)
    (folder / "whole").write_text("")
    return folder


def opened(folder: Path, cache: Path) -> dict:
    ended = subprocess.run(
        [sys.executable, "-c", _OPEN, str(folder / "data")],
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ended.stdout.splitlines()[-1])


def table(results: list[dict], pairs: int) -> str:
    lines = [
        f"Opening {pairs:,} images of {_SIDE_PX} x {_SIDE_PX} pixels and their masks, "
        f"medians of {1 + max(x['round'] for x in results)} rounds on "
        f"{os.cpu_count()} cores:",
        "",
        "| time | seconds | processor seconds | memory before, MB | peak, MB |",
        "|---|---:|---:|---:|---:|",
    ]
    for time in ("first", "second"):
        own = [x for x in results if x["time"] == time]
        seconds, busy, before, peak = (
            statistics.median(x[key] for x in own)
            for key in ("seconds", "cpu_seconds", "mb_before", "mb_peak")
        )
        lines.append(
            f"| {time} | {seconds:.1f} | {busy:.1f} | {before:.0f} | {peak:.0f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
