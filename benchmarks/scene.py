"""What `segshrink predict` takes on a georeferenced scene beyond the model itself.

Scenes of several sizes are made of one pattern, each predicted in processes of its own.
The baseline is the model alone on tiles of the same scene: a plain loop over some of
them before and after, scaled to all of them. Beside it stands the time that passed
inside the model's calls while the scene was predicted.

    python benchmarks/scene.py student.tflite --megapixels 10 1000 --rounds 3
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_PATTERN_PX = 2048
_BLOCK_PX = 512
_PIXEL_M = 0.2
_ROUGH_PX = 64
_TILES_ALONE = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--megapixels", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/scene.json"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.model, **json.loads(arguments.one))))
        return
    for record in compare(arguments):
        arguments.out.write_text(json.dumps(record, indent=2) + "\n")
        arguments.out.with_suffix(".md").write_text(table(record))
    print(table(record))


def compare(arguments: argparse.Namespace) -> Iterator[dict]:
    """Yield the record so far after every round."""
    from segshrink.records import machine_facts, sha256_of

    found: dict[str, list[dict]] = {str(size): [] for size in arguments.megapixels}
    with tempfile.TemporaryDirectory() as folder:
        scenes = {
            size: make_scene(Path(folder) / f"{size}.tif", size)
            for size in arguments.megapixels
        }
        for number in range(arguments.rounds):
            for size, scene in scenes.items():
                one = run_apart(arguments.model, scene, arguments.threads)
                found[str(size)].append(one)
                print(f"round {number + 1}: {size} MP: {one}", file=sys.stderr)
            yield {
                "what": "segshrink predict on a GeoTIFF, against the model alone",
                "machine": machine_facts(),
                "versions": versions(),
                "model": {
                    "file": arguments.model.name,
                    "sha256": sha256_of(arguments.model),
                    "threads": arguments.threads,
                },
                "scene_bytes": {str(x): y.stat().st_size for x, y in scenes.items()},
                "rounds": number + 1,
                "scenes": found,
            }


def make_scene(path: Path, megapixels: int) -> Path:
    """A square scene of one pattern over and over, written window by window."""
    import numpy as np
    import rasterio
    from PIL import Image
    from rasterio.transform import from_origin
    from rasterio.windows import Window

    generator = np.random.default_rng(0)
    rough = generator.integers(0, 256, (_ROUGH_PX, _ROUGH_PX, 3), np.uint8)
    smooth = Image.fromarray(rough).resize((_PATTERN_PX, _PATTERN_PX), Image.BICUBIC)
    noisy = np.asarray(smooth) + generator.normal(0, 4, (_PATTERN_PX, _PATTERN_PX, 3))
    pattern = np.moveaxis(np.clip(noisy, 0, 255).astype(np.uint8), -1, 0)
    side = round(math.sqrt(megapixels * 1e6))
    with (
        rasterio.Env(GDAL_CACHEMAX=64 * 2**20),
        rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=side,
            height=side,
            count=3,
            dtype="uint8",
            crs="EPSG:25832",
            transform=from_origin(400_000, 5_500_000, _PIXEL_M, _PIXEL_M),
            tiled=True,
            blockxsize=_BLOCK_PX,
            blockysize=_BLOCK_PX,
            compress="DEFLATE",
            bigtiff="IF_SAFER",
        ) as target,
    ):
        for row in range(0, side, _PATTERN_PX):
            for column in range(0, side, _PATTERN_PX):
                height = min(_PATTERN_PX, side - row)
                width = min(_PATTERN_PX, side - column)
                target.write(
                    pattern[:, :height, :width],
                    window=Window(column, row, width, height),
                )
    return path


def run_apart(model: Path, scene: Path, threads: int) -> dict:
    options = json.dumps({"scene": str(scene), "threads": threads})
    command = [sys.executable, __file__, str(model), "--one", options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{scene.name}: {done.stderr.strip()}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(model: Path, scene: str, threads: int) -> dict:
    from segshrink.prediction import find_photos, segment_files
    from segshrink.runtimes import load_artifact

    artifact = load_artifact(model, threads=threads)
    tiles = sampled_tiles(Path(scene), artifact.input_shape)
    alone = [seconds_alone(artifact, tiles)]
    calls, predict = [], artifact.predict

    def timed(images):
        began = time.perf_counter()
        logits = predict(images)
        calls.append(time.perf_counter() - began)
        return logits

    artifact.predict = timed
    with tempfile.TemporaryDirectory(dir=Path(scene).parent) as out:
        began = time.perf_counter()
        outcome = segment_files(
            artifact, find_photos([Path(scene)], Path(out)), Path(out)
        )
        seconds = time.perf_counter() - began
    if outcome.faults:
        raise SystemExit(outcome.faults[0])
    peak_bytes = highest_memory_bytes()
    artifact.predict = predict
    alone.append(seconds_alone(artifact, tiles))
    return {
        "tiles": len(calls),
        "seconds": seconds,
        "seconds_in_calls": sum(calls),
        "seconds_alone": statistics.mean(alone) * len(calls),
        "peak_bytes": peak_bytes,
    }


def sampled_tiles(scene: Path, tile_px: tuple[int, int]) -> list:
    """Tiles from all over the scene, each as a batch."""
    import numpy as np
    import rasterio
    from rasterio.windows import Window

    generator = np.random.default_rng(0)
    # A small cache, as what it leaves behind would count as memory of the prediction.
    with rasterio.Env(GDAL_CACHEMAX=2**20), rasterio.open(scene) as source:
        tiles = []
        for _ in range(_TILES_ALONE):
            row = int(generator.integers(0, source.height - tile_px[0]))
            column = int(generator.integers(0, source.width - tile_px[1]))
            window = Window(column, row, tile_px[1], tile_px[0])
            tiles.append(np.moveaxis(source.read(window=window), 0, -1)[None].copy())
    return tiles


def seconds_alone(artifact, tiles: list) -> float:
    """Mean seconds of one tile in a plain loop."""
    artifact.predict(tiles[0])
    began = time.perf_counter()
    for tile in tiles:
        artifact.predict(tile)
    return (time.perf_counter() - began) / len(tiles)


def highest_memory_bytes() -> int:
    # Not ru_maxrss, which a process inherits from the one that started it.
    status = Path("/proc/self/status").read_text()
    line = next(x for x in status.splitlines() if x.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def versions() -> dict[str, str]:
    from importlib.metadata import version

    import rasterio

    found = {name: version(name) for name in ("rasterio", "numpy", "ai-edge-litert")}
    return found | {"gdal": rasterio.__gdal_version__}


def table(record: dict) -> str:
    machine, model = record["machine"], record["model"]
    named = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    lines = [
        f"Scenes of any size: {record['what']}.",
        f"{machine['processor']}, {machine['cores']} cores; {named}. "
        f"{model['file']} with {model['threads']} thread(s); median of "
        f"{record['rounds']} interleaved rounds, each in a process of its own.",
        "",
        "| megapixels | tiles | model alone, s | in calls, s | predict, s | overhead "
        "| peak memory, MB |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for size, rounds in record["scenes"].items():
        if not rounds:
            continue
        alone, calls, seconds, peak = (
            statistics.median(each[name] for each in rounds)
            for name in ("seconds_alone", "seconds_in_calls", "seconds", "peak_bytes")
        )
        overhead = statistics.median(
            each["seconds"] / each["seconds_alone"] - 1 for each in rounds
        )
        lines.append(
            f"| {size} | {rounds[0]['tiles']:,} | {alone:.1f} | {calls:.1f} | "
            f"{seconds:.1f} | {100 * overhead:.0f} % | {peak / 1e6:.0f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
