"""What `segshrink predict` takes on a georeferenced scene beyond the model itself.

Scenes of several sizes are made of one pattern, each predicted in processes of its own.
The baseline is the model alone on tiles of the same scene: a plain loop over some of
them, scaled to all of them. It runs before, after, and every few seconds in between,
while the prediction is held and its clock too, so that both see the same machine
however that drifts.

    python benchmarks/scene.py student.tflite --megapixels 10 1000 --rounds 3
"""

import argparse
import json
import math
import signal
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
_TILES_ALONE = 50
_SECONDS_BETWEEN = 10.0


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
    from segshrink.records import sha256_of, this_machine

    found: dict[str, list[dict]] = {str(size): [] for size in arguments.megapixels}
    with tempfile.TemporaryDirectory() as folder:
        scenes = {
            size: make_scene(Path(folder) / f"{size}.tif", size)
            for size in arguments.megapixels
        }
        for number in range(arguments.rounds):
            for size, scene in scenes.items():
                one = run_interleaved(arguments.model, scene, arguments.threads)
                found[str(size)].append(one)
                print(f"round {number + 1}: {size} MP: {one}", file=sys.stderr)
            yield {
                "what": "segshrink predict on a GeoTIFF, against the model alone",
                "machine": this_machine().as_plain(),
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


def run_interleaved(model: Path, scene: Path, threads: int) -> dict:
    """Predict a scene in a process that is held while the model runs alone in this."""
    from segshrink.runtimes import load_artifact

    artifact = load_artifact(model, threads=threads)
    tiles = sampled_tiles(scene, artifact.input_shape)
    alone, holds = [seconds_alone(artifact, tiles)], []
    options = json.dumps({"scene": str(scene), "threads": threads})
    child = subprocess.Popen(
        [sys.executable, __file__, str(model), "--one", options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while True:
        try:
            printed, told = child.communicate(timeout=_SECONDS_BETWEEN)
            break
        except subprocess.TimeoutExpired:
            began = time.monotonic()
            child.send_signal(signal.SIGSTOP)
            alone.append(seconds_alone(artifact, tiles))
            child.send_signal(signal.SIGCONT)
            holds.append((began, time.monotonic()))
    if child.returncode:
        sys.exit(f"{scene.name}: {told.strip()}")
    alone.append(seconds_alone(artifact, tiles))
    one = json.loads(printed.strip().splitlines()[-1])
    began, ended = one.pop("began"), one.pop("ended")
    held = sum(min(end, ended) - max(at, began) for at, end in holds if end > began)
    return one | {
        "seconds": ended - began - held,
        "seconds_alone": statistics.mean(alone) * one["tiles"],
        "tile_ms_alone": [1000 * each for each in alone],
    }


def measure(model: Path, scene: str, threads: int) -> dict:
    """Predict a scene; the times are of the clock that all processes share."""
    from segshrink.prediction import find_photos, segment_files
    from segshrink.runtimes import load_artifact

    artifact = load_artifact(model, threads=threads)
    calls, predict = 0, artifact.predict

    def counted(images):
        nonlocal calls
        calls += 1
        return predict(images)

    artifact.predict = counted
    with tempfile.TemporaryDirectory(dir=Path(scene).parent) as out:
        photos = find_photos([Path(scene)], Path(out))
        began = time.monotonic()
        outcome = segment_files(artifact, photos, Path(out))
        ended = time.monotonic()
    if outcome.faults:
        raise SystemExit(outcome.faults[0])
    return {
        "tiles": calls,
        "began": began,
        "ended": ended,
        "peak_bytes": highest_memory_bytes(),
    }


def sampled_tiles(scene: Path, tile_px: tuple[int, int]) -> list:
    """Tiles from all over the scene, each as a batch."""
    import numpy as np
    import rasterio
    from rasterio.windows import Window

    generator = np.random.default_rng(0)
    with rasterio.open(scene) as source:
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
        f"{record['rounds']} interleaved rounds, each in a process of its own; in "
        "brackets the least and the most.",
        "",
        "| megapixels | tiles | model alone, s | predict, s | overhead "
        "| peak memory, MB |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for size, rounds in record["scenes"].items():
        if not rounds:
            continue
        alone = statistics.median(each["seconds_alone"] for each in rounds)
        seconds = statistics.median(each["seconds"] for each in rounds)
        over = [100 * (each["seconds"] / each["seconds_alone"] - 1) for each in rounds]
        peaks = [each["peak_bytes"] / 1e6 for each in rounds]
        lines.append(
            f"| {size} | {rounds[0]['tiles']:,} | {alone:.1f} | {seconds:.1f} | "
            f"{spread(over, ' %')} | {spread(peaks)} |"
        )
    return "\n".join(lines) + "\n"


def spread(values: list[float], unit: str = "") -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.0f}{unit} ({low:.0f}-{high:.0f})"


if __name__ == "__main__":
    main()
