"""What to know of a search before believing it: notes, warnings, and facts."""

from segshrink.records.search import SearchRecord
from segshrink.reporting.caption import listing, machine_text
from segshrink.reporting.search.headline import limits_text
from segshrink.reporting.search.objective import counted
from segshrink.reporting.units import (
    MISSING,
    human_percent,
    human_seconds,
    runtime_name,
)

_SEEKS = {
    "miou": "most mIoU",
    "val_loss": "least validation loss",
    "front": "front of mIoU against latency",
}


def note_lines(record: SearchRecord) -> tuple[str, ...]:
    """How the numbers are to be read, a sentence or two a line."""
    if not record.trials:
        return ()
    lines = [_what_is_scored(record)]
    if record.chosen:
        lines.append(_optimism(record))
    if counted(record):
        lines.append(_one_training(record))
    if record.in_state("pruned"):
        lines.append(
            "In brackets: what a trial that was stopped early had after its last "
            "epoch, less than it might have come to."
        )
    return tuple(lines)


def _what_is_scored(record: SearchRecord) -> str:
    whose = "exported file" if record.of == "student" else "model"
    text = f"mIoU is that of the {whose} on the validation part of {record.data.name}"
    if any(trial.size_bytes or trial.latency_ms for trial in record.trials):
        text += ", latency and size are those of the exported file"
    return f"{text}."


def _optimism(record: SearchRecord) -> str:
    count = len(counted(record))
    of_how_many = f"the best of {count}" if count > 1 else "what is chosen"
    is_front = record.objective == "front"
    recipe = "artifacts/trial-NUMBER.yaml" if is_front else "best.yaml"
    return (
        "Trials are compared and chosen by the validation part, so the figures of "
        f"{of_how_many} are optimistic. On the test part segshrink compress --recipe "
        f"{recipe} shows what it is worth on other images."
    )


def _one_training(record: SearchRecord) -> str:
    seed = "" if record.seed is None else f", with seed {record.seed}"
    return (
        f"Each trial was trained once{seed}: small differences may be chance, and the "
        "order of near trials too."
    )


def warning_lines(record: SearchRecord) -> tuple[str, ...]:
    """What a reader must doubt; empty when there is nothing."""
    lines = []
    complete = counted(record)
    if record.data.split.leaks_into("val"):
        lines.append(
            "Leaking split: parts of the same scenes were trained on and scored, so "
            "the quality is too good and says little about new images."
        )
    if record.trials and not complete:
        lines.append("No trial ran to the end, so there is nothing to choose from.")
    if complete and not any(trial.is_feasible for trial in complete):
        lines.append(
            f"No trial is within the limits of {limits_text(record.limits)}. Raise "
            "them, or widen the space towards smaller networks."
        )
    failed = len(record.in_state("failed"))
    if failed and 2 * failed >= len(record.trials):
        lines.append(
            f"{failed} of {len(record.trials)} trials failed; the table says why."
        )
    return tuple(lines)


def facts(record: SearchRecord) -> list[tuple[str, str]]:
    """How it was searched, as (what, value); what is not known is left out."""
    split, outside = record.data.split, record.share_outside_trials
    known = [
        ("Searched", f"{_SEEKS[record.objective]} of a {record.of}"),
        ("Limits", limits_text(record.limits) or "none"),
        ("Trials", _trials(record)),
        ("Sampler", record.sampler),
        ("Scheduler", record.scheduler),
        ("Seed", "" if record.seed is None else str(record.seed)),
        ("Data", record.data.name),
        ("Tile size", f"{record.data.tile_px} pixels" if record.data.tile_px else ""),
        ("Split source", split.source),
        ("Training scenes", listing(split.train)),
        ("Validation scenes", listing(split.val)),
        ("Test scenes", f"{listing(split.test)} (unseen)" if split.test else ""),
        ("Machine", machine_text(record.machine)),
        ("Workers", _workers(record)),
        ("Time", human_seconds(record.seconds)),
        ("Time in trials", human_seconds(record.trial_seconds)),
        ("Between trials", _between(record)),
        ("Outside of trials", MISSING if outside is None else _share(outside)),
        ("Runtime", _runtime(record)),
        ("Backend", record.backend or ""),
        ("Python", record.machine.python),
        ("segshrink", record.segshrink),
    ]
    return [(what, value) for what, value in known if value]


def _trials(record: SearchRecord) -> str:
    ended = len(record.trials)
    if not record.trials_wanted or record.trials_wanted == ended:
        return str(ended)
    return f"{ended} of {record.trials_wanted}"


def _workers(record: SearchRecord) -> str:
    if record.threads is None:
        return str(record.workers)
    return f"{record.workers}, timed with {_threads(record.threads)}"


def _threads(threads: int) -> str:
    return f"{threads} thread{'' if threads == 1 else 's'}"


def _between(record: SearchRecord) -> str:
    if record.scheduling_seconds is None or not record.trial_seconds:
        return ""
    share = human_percent(record.scheduling_seconds / record.trial_seconds)
    return f"{share} % of the time in trials"


def _share(outside: float) -> str:
    return f"{human_percent(outside)} % of the workers' time"


def _runtime(record: SearchRecord) -> str:
    if not record.runtime:
        return ""
    return f"{runtime_name(record.runtime)} {record.runtime_version or ''}".strip()
