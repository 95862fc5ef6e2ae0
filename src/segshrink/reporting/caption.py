"""Small print of a table: where its numbers come from, and reasons to doubt them."""

from collections.abc import Callable, Iterable, Sequence

from segshrink.formats import Output
from segshrink.metrics import quality_interval
from segshrink.records.machine import Machine
from segshrink.records.measurement import Measurement, Role
from segshrink.reporting.comparison import reference_of
from segshrink.reporting.doubts import doubts_of_teacher
from segshrink.reporting.run_records import RunRecords
from segshrink.reporting.units import counted, runtime_name

LEAKING_SPLIT = (
    "Leaking split: parts of the same scenes were trained on and scored, so the "
    "quality is too good and says little about new images."
)
_ROLE_MEANINGS = {
    Role.MASKS_ONLY: "Masks only: a baseline whose weights are set to zero but not "
    "removed.",
    Role.NO_TEACHER: "No teacher: a baseline of the student's architecture, trained "
    "without distillation.",
}

_OUTPUTS = {
    Output.PROBABILITIES: "they give probabilities, and their latency includes the "
    "softmax",
    Output.CLASSES: "they give the class of each pixel alone, and their latency "
    "includes the search for it; average precision needs a score and is left empty",
}


def caption_lines(records: RunRecords) -> tuple[str, ...]:
    """Data, machine and runtimes of the numbers, a sentence or two per line."""
    measurements = records.measurements
    roles = {measurement.role for measurement in measurements}
    return (
        *distinct(measurements, _data_line),
        *distinct(measurements, _latency_line),
        f"Runtimes: {', '.join(distinct(measurements, runtime_text))}.",
        "Smaller (gzipped), faster and ΔmIoU (percentage points) are against the "
        "teacher's float file in the same runtime; above 1× is better. Accuracy, "
        "precision, recall and mIoU in %.",
        *_interval_lines(records),
        *(text for role, text in _ROLE_MEANINGS.items() if role in roles),
        *_unlabelled_lines(records),
        *_output_lines(measurements),
        *distinct(measurements, _remedy_line),
    )


def _interval_lines(records: RunRecords) -> list[str]:
    found = [quality_interval(each.quality) for each in records.measurements]
    interval = next(filter(None, found), None)
    if interval is None:
        return []
    line = (
        "In brackets behind mIoU and ΔmIoU: interval of 95 % by bootstrap over the "
        f"{interval.count} {interval.units}."
    )
    scenes = {
        x.scene for m in records.measurements if m.quality for x in m.quality.by_image
    }
    if (
        interval.units == "images"
        and 1 < interval.count
        and len(scenes) < interval.count
    ):
        line += " Images of one scene are alike, so that the true one is wider."
    return [line]


def _unlabelled_lines(records: RunRecords) -> list[str]:
    if not records.unlabelled:
        return []
    return [
        f"The student also learned from {counted(records.unlabelled, 'image')} without "
        "labels, on which only its teacher counts."
    ]


def _output_lines(measurements: Sequence[Measurement]) -> list[str]:
    """Lines about the output of files, where it is not logits."""
    lines = []
    for output, what in _OUTPUTS.items():
        names = [each.name for each in measurements if each.output == output]
        if names:
            given = len(names) < len(measurements)
            who = f"{', '.join(names)}:" if given else "All files:"
            lines.append(f"{who} {what}.")
    return lines


def distinct(
    measurements: Iterable[Measurement], describe: Callable[[Measurement], str | None]
) -> list[str]:
    """The descriptions of all measurements, each once, in the order they come."""
    texts = [describe(measurement) for measurement in measurements]
    return list(dict.fromkeys(text for text in texts if text))


def _data_line(measurement: Measurement) -> str | None:
    quality, data = measurement.quality, measurement.data
    if quality is None:
        return None
    scenes = data.split.scenes(quality.part)
    # A split that leaks holds no scene out.
    how = "scenes" if data.split.leaks_into(quality.part) else "scenes held out"
    which = f", {how}: {listing(scenes)}" if scenes else ""
    return (
        f"Quality on the {quality.part} part of {data.name} "
        f"({counted(quality.images, 'image')}{which}); split from {data.split.source}."
    )


def listing(names: Sequence[str], most: int = 12) -> str:
    """Names with commas between them; of more than `most` the rest is counted."""
    rest = len(names) - most
    shown = ", ".join(names[:most])
    return f"{shown} and {rest} more" if rest > 0 else shown


def _latency_line(measurement: Measurement) -> str | None:
    latency, shape = measurement.latency, measurement.model.input_shape
    if latency is None:
        return None
    of_pixels = f" of {shape[0]}×{shape[1]} pixels" if len(shape) >= 2 else ""
    rounds = f"{latency.rounds} rounds" if latency.rounds else "all rounds"
    return (
        f"Latency of a batch of {latency.batch}{of_pixels} with "
        f"{counted(latency.threads, 'thread')} on {machine_text(measurement.machine)}: "
        f"median (quartiles) of {rounds}."
    )


def machine_text(machine: Machine) -> str:
    """Processor, cores and system in one phrase."""
    dots = {True: ", int8 dot products", False: ", no int8 dot products", None: ""}
    cores = f", {machine.cores} cores" if machine.cores else ""
    system = f", {machine.system}" if machine.system else ""
    return f"{machine.processor}{dots[machine.int8_dot_products]}{cores}{system}"


def runtime_text(measurement: Measurement) -> str:
    """Name and version of the runtime."""
    return f"{runtime_name(measurement.runtime)} {measurement.runtime_version}".strip()


def _remedy_line(measurement: Measurement) -> str | None:
    remedy = measurement.export.remedy
    if remedy is None:
        return None
    return (
        f"{measurement.name} was made with {remedy}, since a plain "
        f"{measurement.precision} file lost too much mIoU."
    )


def warning_lines(records: RunRecords) -> tuple[str, ...]:
    """Reasons to doubt the numbers; empty when there are none."""
    scored = [(q.part, m.data.split) for m in records.measurements if (q := m.quality)]
    lines = []
    if any(split.leaks_into(part) for part, split in scored):
        lines.append(LEAKING_SPLIT)
    if any(part == "val" for part, _ in scored):
        lines.append(
            "Scored on the validation part, which chose the best epoch, so the quality "
            "is somewhat too good."
        )
    doubtful = [
        f"{each.name} ({100 * each.latency.spread:.0f} %)"
        for each in records.measurements
        if each.latency and each.latency.spread_doubtful
    ]
    if doubtful:
        lines.append(
            "Doubtful latency: the quartiles lie far apart against the median for "
            f"{', '.join(doubtful)}. Something else kept the machine busy; measure "
            "again on a quiet one."
        )
    doubts = [doubt.sentence for doubt in doubts_of_teacher(records)]
    return (*doubts, *lines, *_not_comparable(records))


def _not_comparable(records: RunRecords) -> list[str]:
    """Files of several machines, and files without a teacher beside them."""
    lines = []
    machines = distinct(
        records.measurements,
        lambda each: machine_text(each.machine) if each.latency else None,
    )
    if len(machines) > 1:
        lines.append(
            f"Latencies come from {len(machines)} machines ({'; '.join(machines)}); "
            "files of different machines are not compared."
        )
    others = [each for each in records.measurements if each.role is not Role.TEACHER]
    lonely = [
        each.name for each in others if reference_of(each, records.measurements) is None
    ]
    if lonely:
        lines.append(
            "No float file of the teacher in the same runtime for "
            f"{', '.join(lonely)}, so no ratios."
        )
    return lines
