"""The record of one measured file, which reports read."""

from dataclasses import dataclass
from pathlib import Path

from segshrink._version import __version__
from segshrink.data import Dataset
from segshrink.formats import Format, Output, Precision
from segshrink.measuring.size import measure_size
from segshrink.records import this_machine
from segshrink.records.measurement import (
    DataRecord,
    Export,
    Latency,
    Measurement,
    ModelCost,
    Quality,
    Role,
    SplitRecord,
)
from segshrink.runtimes import Artifact, gives_classes
from segshrink.runtimes.outputs import OutputKind


@dataclass(frozen=True)
class Subject:
    """A measured file within its run.

    Attributes:
        name: unique in the run, such as `"student-int8-litert"`.
        role: what the file is compared as.
        file: path of the file as the report shows it, relative to the run folder.
        format: format of the file.
        precision: precision of the file.
        cost: parameters and multiply-accumulates of the model behind the file.
        export: how the file differs from that model.
    """

    name: str
    role: Role
    file: str
    format: Format
    precision: Precision
    cost: ModelCost
    export: Export


def measurement_record(
    subject: Subject,
    artifact: Artifact,
    *,
    latency: Latency,
    quality: Quality,
    data: DataRecord,
    seed: int,
) -> Measurement:
    """Put together everything that was measured of one file.

    Args:
        subject: the file within its run.
        artifact: the file, opened; it gives runtime, version, image size and bytes.
        latency: result of `measure_latency`.
        quality: result of `measure_quality`.
        data: data that the quality was measured on.
        seed: seed of the run.
    """
    return Measurement(
        name=subject.name,
        role=subject.role,
        file=subject.file,
        format=subject.format,
        precision=subject.precision,
        runtime=artifact.runtime,
        runtime_version=artifact.runtime_version,
        output=_output_of(artifact),
        size=measure_size(Path(artifact.path)),
        model=subject.cost.model_copy(
            update={"input_shape": (*artifact.input_shape, artifact.num_bands)}
        ),
        latency=latency,
        quality=quality,
        data=data,
        seed=seed,
        machine=this_machine(),
        segshrink=__version__,
        export=subject.export,
    )


def _output_of(artifact: Artifact) -> Output:
    if gives_classes(artifact):
        return Output.CLASSES
    given = artifact.signature.output
    is_logits = given in (None, OutputKind.LOGITS)
    return Output.LOGITS if is_logits else Output.PROBABILITIES


def data_record(dataset: Dataset) -> DataRecord:
    """Name and split of a data set, for records."""
    split = SplitRecord.parse(dataset.split.as_record(), where=dataset.name)
    return DataRecord(name=dataset.name, split=split)
