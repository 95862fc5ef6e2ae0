"""Notes on the numbers of a search, reasons to doubt them, and its settings."""

from segshrink.records.search import SearchRecord
from segshrink.reporting.caption import LEAKING_SPLIT, machine_text
from segshrink.reporting.page import data_rows
from segshrink.reporting.search.headline import costs_text
from segshrink.reporting.search.objective import with_result
from segshrink.reporting.units import (
    counted,
    human_percent,
    human_seconds,
    runtime_name,
)

_SEEKS = {
    "miou": "most mIoU",
    "val_loss": "least validation loss",
    "front": "Pareto front of mIoU against latency",
}


def note_lines(record: SearchRecord) -> tuple[str, ...]:
    """Explanations of the numbers, a sentence or two per line."""
    if not record.trials:
        return ()
    whose = "exported file" if record.of == "student" else "model"
    scored = f"mIoU is that of the {whose} on the validation part of {record.data.name}"
    if any(trial.size_bytes or trial.latency_ms for trial in record.trials):
        scored += ", latency and size are those of the exported file"
    lines = [f"{scored}."]
    complete = len(with_result(record))
    if record.chosen:
        which = f"the best of {complete}" if complete > 1 else "what is chosen"
        is_front = record.objective == "front"
        recipe = "artifacts/trial-NUMBER.yaml" if is_front else "best.yaml"
        line = (
            "Trials are compared and chosen by the validation part, so the figures of "
            f"{which} are optimistic."
        )
        if record.data.split.test:
            line += (
                f" On the test part segshrink compress --recipe {recipe} shows what it "
                "is worth on other images."
            )
        lines.append(line)
    if complete:
        seed = "" if record.seed is None else f", with seed {record.seed}"
        lines.append(
            f"Each trial was trained once{seed}: small differences may be chance, and "
            "the order of near trials too."
        )
    if record.in_state("pruned"):
        lines.append(
            "In brackets: what a trial that was stopped early had after its last "
            "epoch, less than it might have come to."
        )
    return tuple(lines)


def warning_lines(record: SearchRecord) -> tuple[str, ...]:
    """Reasons to doubt the numbers; empty when there are none."""
    lines = []
    complete = with_result(record)
    if record.data.split.leaks_into("val"):
        lines.append(LEAKING_SPLIT)
    if record.trials and not complete:
        lines.append("No trial ran to the end, so there is nothing to choose from.")
    if complete and not any(trial.is_feasible for trial in complete):
        lines.append(
            f"No trial is within the limits of {costs_text(record.limits)}. Raise "
            "them, or widen the space towards smaller networks."
        )
    failed = len(record.in_state("failed"))
    if failed and 2 * failed >= len(record.trials):
        lines.append(
            f"{failed} of {len(record.trials)} trials failed; the table says why."
        )
    return tuple(lines)


def settings(record: SearchRecord) -> dict[str, str]:
    """Settings, data and times of the search, as far as they are known."""
    data = data_rows(record.data)
    if data["Test scenes"]:
        data["Test scenes"] += " (unseen)"
    ended, wanted = len(record.trials), record.trials_wanted or len(record.trials)
    threads, outside = record.threads, record.share_outside_trials
    timed = "" if threads is None else f", timed with {counted(threads, 'thread')}"
    scheduling, in_trials = record.scheduling_seconds, record.trial_seconds
    between, of_workers = "", "" if outside is None else " % of the workers' time"
    if scheduling is not None and in_trials:
        share = human_percent(scheduling / in_trials)
        between = f"{share} % of the time in trials"
    version = f" {record.runtime_version or ''}".rstrip()
    known = {
        "Searched": f"{_SEEKS[record.objective]} of a {record.of}",
        "Limits": costs_text(record.limits) or "none",
        "Trials": str(ended) if wanted == ended else f"{ended} of {wanted}",
        "Sampler": record.sampler,
        "Scheduler": record.scheduler,
        "Seed": "" if record.seed is None else str(record.seed),
        **data,
        "Machine": machine_text(record.machine),
        "Workers": f"{record.workers}{timed}",
        "Time": human_seconds(record.seconds),
        "Time in trials": human_seconds(in_trials),
        "Between trials": between,
        "Outside of trials": f"{human_percent(outside)}{of_workers}",
        "Runtime": f"{runtime_name(record.runtime)}{version}" if record.runtime else "",
        "Backend": record.backend or "",
        "Python": record.machine.python,
        "segshrink": record.segshrink,
    }
    return {what: value for what, value in known.items() if value}
