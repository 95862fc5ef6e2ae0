"""The small print of a table: what was measured, where, and what to doubt."""

from collections.abc import Callable, Iterable, Sequence

from segshrink.records.machine import Machine
from segshrink.records.measurement import Measurement, Role
from segshrink.reporting.comparison import compare
from segshrink.reporting.run_types import RunRecords
from segshrink.reporting.units import runtime_name

_ROLE_MEANINGS = {
    Role.MASKS_ONLY: "Masks only: a baseline whose weights are set to zero but "
    "not removed.",
    Role.NO_TEACHER: "No teacher: a baseline of the student's architecture, "
    "trained without distillation.",
}


def caption_lines(records: RunRecords) -> tuple[str, ...]:
    """What was measured and how, a sentence or two a line."""
    measurements = records.measurements
    lines = [
        *_distinct(measurements, _data_line),
        *_distinct(measurements, _latency_line),
        f"Runtimes: {', '.join(_distinct(measurements, _runtime_version))}.",
        "Smaller (gzipped), faster and ΔmIoU (percentage points) are against the "
        "teacher's float file in the same runtime; above 1× is better. Accuracy, "
        "precision, recall and mIoU in %.",
    ]
    roles = {measurement.role for measurement in measurements}
    lines += [text for role, text in _ROLE_MEANINGS.items() if role in roles]
    lines += _distinct(measurements, _remedy_line)
    return tuple(lines)


def _distinct(
    measurements: Iterable[Measurement],
    describe: Callable[[Measurement], str | None],
) -> list[str]:
    """The descriptions of all measurements, each once, in the order they come."""
    texts = [describe(measurement) for measurement in measurements]
    return list(dict.fromkeys(text for text in texts if text))


def _data_line(measurement: Measurement) -> str | None:
    quality, data = measurement.quality, measurement.data
    if quality is None:
        return None
    scenes = data.split.scenes(quality.part)
    images = f"{quality.images} image{'' if quality.images == 1 else 's'}"
    # Of a split that leaks no scene is held out.
    how = "scenes" if data.split.leaks_into(quality.part) else "scenes held out"
    which = f", {how}: {listing(scenes)}" if scenes else ""
    return (
        f"Quality on the {quality.part} part of {data.name} ({images}{which}); "
        f"split from {data.split.source}."
    )


def listing(names: Sequence[str], most: int = 12) -> str:
    """Names with commas between them; of more than `most` the rest is counted."""
    rest = len(names) - most
    shown = ", ".join(names[:most])
    return f"{shown} and {rest} more" if rest > 0 else shown


def _latency_line(measurement: Measurement) -> str | None:
    latency = measurement.latency
    if latency is None:
        return None
    threads = f"{latency.threads} thread{'' if latency.threads == 1 else 's'}"
    rounds = f"{latency.rounds} rounds" if latency.rounds else "all rounds"
    return (
        f"Latency of a batch of {latency.batch}{_input_shape(measurement)} with "
        f"{threads} on {machine_text(measurement.machine)}: median (quartiles) of "
        f"{rounds}."
    )


def _input_shape(measurement: Measurement) -> str:
    shape = measurement.model.input_shape
    return f" of {shape[0]}×{shape[1]} pixels" if len(shape) >= 2 else ""


def machine_text(machine: Machine) -> str:
    """Processor, cores and system in one phrase."""
    dots = {True: ", int8 dot products", False: ", no int8 dot products", None: ""}
    cores = f", {machine.cores} cores" if machine.cores else ""
    system = f", {machine.system}" if machine.system else ""
    return f"{machine.processor}{dots[machine.int8_dot_products]}{cores}{system}"


def _runtime_version(measurement: Measurement) -> str:
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
    """What a reader must doubt; empty when there is nothing."""
    return (
        *_leaking_split(records),
        *_validation_only(records),
        *_doubtful_spread(records),
        *_several_machines(records),
        *_without_reference(records),
    )


def _leaking_split(records: RunRecords) -> list[str]:
    leaks = any(
        each.quality and each.data.split.leaks_into(each.quality.part)
        for each in records.measurements
    )
    if not leaks:
        return []
    return [
        "Leaking split: parts of the same scenes were trained on and scored, so the "
        "quality is too good and says little about new images."
    ]


def _validation_only(records: RunRecords) -> list[str]:
    parts = {each.quality.part for each in records.measurements if each.quality}
    if "val" not in parts:
        return []
    return [
        "Scored on the validation part, which chose the best epoch, so the quality is "
        "somewhat too good."
    ]


def _doubtful_spread(records: RunRecords) -> list[str]:
    doubtful = [
        f"{each.name} ({100 * each.latency.spread:.0f} %)"
        for each in records.measurements
        if each.latency and each.latency.spread_doubtful
    ]
    if not doubtful:
        return []
    return [
        "Doubtful latency: the quartiles lie far apart against the median for "
        f"{', '.join(doubtful)}. Something else kept the machine busy; measure again "
        "on a quiet one."
    ]


def _several_machines(records: RunRecords) -> list[str]:
    machines = _distinct(
        records.measurements,
        lambda each: machine_text(each.machine) if each.latency else None,
    )
    if len(machines) < 2:
        return []
    return [
        f"Latencies come from {len(machines)} machines ({'; '.join(machines)}); "
        "files of different machines are not compared."
    ]


def _without_reference(records: RunRecords) -> list[str]:
    lonely = [
        each.name
        for each in records.measurements
        if each.role != "teacher"
        and compare(each, records.measurements).reference is None
    ]
    if not lonely:
        return []
    return [
        f"No float file of the teacher in the same runtime for {', '.join(lonely)}, "
        "so no ratios."
    ]
