"""The record of one measured file, which reports read."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segshrink._version import __version__
from segshrink.measuring.cost import ModelSize
from segshrink.measuring.size import measure_size
from segshrink.records import this_machine
from segshrink.runtimes import Artifact


@dataclass(frozen=True)
class Subject:
    """What a measured file is within its run.

    Attributes:
        name: unique in the run, such as `"student-int8"`.
        role: `"teacher"`, `"student"`, or the baselines `"masked"` and `"alone"`.
        file: path of the file as the report shows it, relative to the run folder.
        format: `"litert"`, `"onnx"` or `"keras"`.
        precision: `"float32"` or `"int8"`.
    """

    name: str
    role: str
    file: str
    format: str
    precision: str


def measurement_record(
    subject: Subject,
    artifact: Artifact,
    *,
    model_size: ModelSize,
    latency: dict[str, Any],
    quality: dict[str, Any],
    data: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Everything known of one file, as plain data for JSON.

    Args:
        subject: what the file is.
        artifact: the file, opened; it gives runtime, version, image size and bytes.
        model_size: of the model the file was made from.
        latency: of `measure_latency`.
        quality: of `measure_quality`.
        data: `{"name", "split", "tile_px"}` of the data set.
        seed: of the run.
    """
    return {
        **asdict(subject),
        "runtime": artifact.runtime,
        "runtime_version": artifact.runtime_version,
        "size": measure_size(Path(artifact.path)),
        "model": {
            **asdict(model_size),
            "input_shape": [*artifact.input_shape, 3],
        },
        "latency": latency,
        "quality": quality,
        "data": data,
        "seed": seed,
        "machine": this_machine().as_plain(),
        "segshrink": __version__,
    }
