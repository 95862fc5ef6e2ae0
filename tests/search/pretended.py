"""Trials that only pretend: their files appear, but nothing is trained."""

import csv
import signal
from dataclasses import dataclass, field

from segshrink.recipe import load_recipe
from segshrink.records import write_text
from segshrink.records.measurement import Latency
from segshrink.records.trial import Failure, Job, Probe, Result
from segshrink.search.driver import Driver
from segshrink.search.kept_trials import ended
from segshrink.search.paths import ERROR, GO, HISTORY, JOB, PROBE, RECIPE, RESULT
from segshrink.search.space import parse_search_recipe
from segshrink.search.study import open_study
from segshrink.search.watcher import SilentWatcher

RATE = "student.training.learning_rate"
WIDTH = "student.model.width"


def small_search(**search):
    """A search of compact students over learning rate and width."""
    return parse_search_recipe(
        {
            "seed": 3,
            "data": {"scenes": 3, "scene_px": 64, "tile_px": 32},
            "teacher": {"model": {"base_filters": 4, "levels": 1}},
            "student": {"kind": "compact", "training": {"epochs": 4}},
            "search": {
                "trials": 6,
                "scheduler": "none",
                "space": {
                    RATE: {"float": [1e-4, 1e-1], "log": True},
                    WIDTH: {"int": [8, 64], "step": 8},
                },
                **search,
            },
        }
    )


def miou_of(recipe):
    """Best near a rate of 0.003, and better the wider."""
    rate, width = recipe.student.training.learning_rate, recipe.student.model.width
    return round(0.5 + width / 640 - abs(rate - 3e-3), 6)


def latency_of(recipe):
    return float(recipe.student.model.width)


@dataclass
class Pretending:
    """A trial whose every look at it brings an epoch, and after the last a result."""

    folder: object
    log: list
    fails: dict = field(default_factory=dict)
    killed: bool = False

    def poll(self):
        recipe = load_recipe(self.folder / RECIPE)
        job = Job.read(self.folder / JOB)
        number = int(self.folder.name)
        if number in self.fails:
            failure = self.fails[number]
            if isinstance(failure, int):
                return failure
            failure.write(self.folder / ERROR)
            return 1
        if job.probe and not (self.folder / GO).is_file():
            if not (self.folder / PROBE).is_file():
                write_text(self.folder / "probe.tflite", str(latency_of(recipe)))
                size = 1000 * recipe.student.model.width
                probe = Probe(
                    file="probe.tflite", size_bytes=size, macs=7, parameters=5
                )
                probe.write(self.folder / PROBE)
            return None
        rows = rows_of(self.folder)
        if len(rows) < recipe.student.training.epochs:
            epoch = len(rows) + 1
            miou = miou_of(recipe) * epoch / recipe.student.training.epochs
            write_rows(self.folder, [*rows, {"epoch": epoch, "val_miou": miou}])
            return None
        write_text(self.folder / "student.tflite", str(latency_of(recipe)))
        Result(
            file="student.tflite",
            miou=miou_of(recipe),
            val_loss=1.0,
            size_bytes=1000 * recipe.student.model.width,
        ).write(self.folder / RESULT)
        return 0

    def stop(self):
        self.kill()

    def kill(self):
        if not self.killed:
            self.log.append(("end", self.folder.name))
        self.killed = True


def rows_of(folder):
    path = folder / HISTORY
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_rows(folder, rows):
    lines = ["epoch,val_miou", *(f"{r['epoch']},{r['val_miou']}" for r in rows)]
    write_text(folder / HISTORY, "\n".join(lines) + "\n")


class PretendingWorkers:
    """Starts pretended trials; `fails` maps folder numbers to exit codes or errors."""

    def __init__(self, count=1, fails=None):
        self.count = count
        self.log = []
        self.fails = fails or {}

    def cores(self, slot):
        return [slot]

    def start(self, folder, slot):
        self.log.append(("start", folder.name))
        return Pretending(folder, self.log, self.fails)

    def release(self, slot):
        pass

    def close(self):
        self.log.append(("close", ""))


def steady(milliseconds):
    """A latency without spread."""
    return Latency(
        threads=1, median_ms=milliseconds, p25_ms=milliseconds, p75_ms=milliseconds
    )


class QuickDriver(Driver):
    """Reads the latency of a pretended file instead of timing it."""

    def time_alone(self, path):
        return steady(float(path.read_text()))


class Said(SilentWatcher):
    def __init__(self):
        self.lines, self.views = [], []

    def say(self, text):
        self.lines.append(text)

    def show(self, view):
        self.views.append(view)


def drive(search_recipe, out, workers=None, watcher=None, study=None, teacher=None):
    """Run a search of pretended trials; (study, driver)."""
    study = study or open_study(search_recipe, out, None)
    if teacher is not None:
        study.set_user_attr("teacher", teacher)
    driver = QuickDriver(
        search_recipe,
        study,
        out,
        workers or PretendingWorkers(),
        watcher or Said(),
        out / "teacher" / "model.keras",
    )
    driver.run()
    return study, driver


def error(kind, message, *, is_ours=True, **facts):
    return Failure(type=kind, message=message, is_ours=is_ours, **facts)


def outcomes(study):
    return [trial.user_attrs["outcome"] for trial in ended(study)]


KILLED = -signal.SIGKILL
