"""The loop of a search: it proposes trials, follows them, and tells the study."""

import math
import shutil
import signal
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import Trial, TrialState

from segshrink.errors import RecipeError, RunFolderError, TrainingError
from segshrink.recipe import Recipe, recipe_yaml
from segshrink.records import read_json, write_json, write_text
from segshrink.search.files import (
    ERROR,
    GO,
    JOB,
    LOG,
    PROBE,
    RECIPE,
    RESULT,
    trial_folder,
)
from segshrink.search.following import RunningTrial, ended_view
from segshrink.search.processes import Workers, signal_all
from segshrink.search.ranking import CONFIRMED, best_of, confirmations
from segshrink.search.space import SearchRecipe, with_values
from segshrink.search.study import (
    ended,
    folder_number,
    next_trial,
    propose,
    take_up_stopped,
)
from segshrink.search.view import SearchView, TrialView, Watcher

_LOOK_SECONDS = 0.1
_SHOW_SECONDS = 1.0
_SAY_ALIVE_SECONDS = 20.0
# An untrained file this much over a limit will not come within it by a second timing.
_MARGIN = 0.03
# Killed so often from outside, it is the trial.
_MOST_STARTS = 2
# After so many failures and nothing else the fault is not that of the trials.
_MOST_FAILURES = 3


class Driver:
    """Brings a study to its number of trials.

    Args:
        asked: what is searched.
        study: where the truth is kept; see `open_study`.
        out: folder of the search.
        workers: run the processes.
        watcher: is shown the search.
        teacher: model file of the teacher; None in a search of teachers.
        is_shared: whether other drivers may work on the study.
    """

    def __init__(
        self,
        asked: SearchRecipe,
        study: optuna.Study,
        out: Path,
        workers: Workers,
        watcher: Watcher,
        teacher: Path | None,
        *,
        is_shared: bool = False,
    ) -> None:
        self.is_shared = is_shared
        self.asked = asked
        self.study = study
        self.out = out
        self.workers = workers
        self.watcher = watcher
        self.teacher = teacher
        # A search folder has one driver at a time: what it left is this one's.
        self.name = f"{socket.gethostname()}:{out.resolve()}"
        self._running: dict[int, RunningTrial] = {}
        self._began = time.monotonic()
        self._shown = self._looked_for_stopped = -math.inf
        self._kept_seconds = float(study.user_attrs.get(self._seconds_key, 0.0))
        kept = study.user_attrs.get(self._scheduling_key, 0.0)
        self._scheduling_seconds = float(kept)
        self._free_since = dict.fromkeys(range(workers.count), self._began)
        self._ended_views: dict[int, TrialView] = {}
        self._fresh_seconds: list[float] = []

    @property
    def _seconds_key(self) -> str:
        return f"seconds of {self.name}"

    @property
    def _scheduling_key(self) -> str:
        return f"scheduling seconds of {self.name}"

    @property
    def seconds(self) -> float:
        """Seconds of this search by this driver, over all its starts."""
        return self._kept_seconds + time.monotonic() - self._began

    def run(self) -> None:
        """Go on until enough trials have ended.

        Raises:
            SegshrinkError: for a fault that every trial would have.
            TrainingError: if trials do nothing but fail.
        """
        # What had ended before is told from what ends now.
        self._show(force=True)
        try:
            while True:
                self._take_up_stopped()
                for running in list(self._running.values()):
                    self._follow(running)
                while self._may_begin():
                    self._begin()
                self._show()
                if not self._running:
                    break
                time.sleep(_LOOK_SECONDS)
            self._confirm_best()
        finally:
            for running in self._running.values():
                running.handle.kill()
            self._keep_seconds()

    # Beginning

    def _may_begin(self) -> bool:
        if len(self._running) >= self.workers.count:
            return False
        minutes = self.asked.search.minutes
        if minutes is not None and self.seconds > 60 * minutes:
            return False
        in_work = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return len(ended(self.study)) + len(in_work) < self.asked.search.trials

    def _take_up_stopped(self) -> None:
        if time.monotonic() - self._looked_for_stopped < _SAY_ALIVE_SECONDS:
            return
        self._looked_for_stopped = time.monotonic()
        take_up_stopped(
            self.study, self.asked, self.name, self._running, is_shared=self.is_shared
        )

    def _begin(self) -> None:
        trial = next_trial(self.study, self.asked)
        trial.set_user_attr("driver", self.name)
        values = propose(trial, self.asked)
        try:
            recipe = with_values(self.asked.recipe, values)
        except RecipeError as error:
            self._end(trial, "failed", str(error), seconds=0.0, is_by_values=True)
            return
        slot = next(
            slot
            for slot in range(self.workers.count)
            if slot not in {running.slot for running in self._running.values()}
        )
        folder = trial_folder(self.out, folder_number(trial))
        self._write_job(folder, recipe, slot)
        self._scheduling_seconds += time.monotonic() - self._free_since[slot]
        self._running[trial.number] = RunningTrial(
            trial,
            folder,
            slot,
            values,
            getattr(recipe, self.asked.search.of).training.epochs,
            self.workers.start(folder, slot),
            earlier_seconds=float(trial.user_attrs.get("seconds", 0.0)),
        )

    def _write_job(self, folder: Path, recipe: Recipe, slot: int) -> None:
        (folder / ERROR).unlink(missing_ok=True)
        write_text(folder / RECIPE, recipe_yaml(recipe))
        write_json(
            folder / JOB,
            {
                "of": self.asked.search.of,
                "teacher": None if self.teacher is None else str(self.teacher),
                "logits": None
                if self.teacher is None
                else str(self.teacher.parent / "logits"),
                "probe": self._is_probed(recipe),
                "cores": self.workers.cores(slot),
            },
        )

    def _is_probed(self, recipe: Recipe) -> bool:
        """Whether the file is made and timed before training, to reject it early."""
        search = self.asked.search
        if search.of == "teacher":
            return False
        # What several steps of pruning come to is known after their training only.
        if recipe.student.kind == "pruned" and recipe.student.pruning.steps > 1:
            return False
        limits = search.limits
        return search.objective == "front" or bool(
            limits.latency_ms or limits.size_bytes
        )

    # Following

    def _follow(self, running: RunningTrial) -> None:
        code = running.handle.poll()
        self._report(running)
        if running.trial.number not in self._running:
            return
        if code is None:
            self._say_alive(running)
            if running.waits:
                self._judge_probe(running)
        elif (running.folder / RESULT).is_file():
            self._complete(running)
        elif (running.folder / ERROR).is_file():
            self._fail(running, read_json(running.folder / ERROR))
        elif running.starts < _MOST_STARTS:
            # What it had started may still run.
            running.handle.kill()
            running.starts += 1
            self.watcher.say(
                f"trial {running.trial.number}: its process was ended "
                f"({_how(code)}); it goes on from its last checkpoint."
            )
            running.handle = self.workers.start(running.folder, running.slot)
        else:
            reason = f"its process was ended {_MOST_STARTS} times ({_how(code)})"
            self._end(running.trial, "failed", reason, seconds=running.seconds)

    def _report(self, running: RunningTrial) -> None:
        """Tell the study of new epochs, and stop the trial if it says so."""
        objective = self.asked.search.objective
        for epoch, value in running.new_epochs(objective):
            running.reported.append(value)
            if objective == "front":
                continue
            running.trial.report(value, epoch)
            is_last = epoch >= running.epochs
            # What the recipe says by itself is what everything is compared with.
            if is_last or running.trial.user_attrs.get("is_default"):
                continue
            if running.trial.should_prune():
                what = "val_loss" if objective == "val_loss" else "val_miou"
                shown = f"{what} {value:.4f} after epoch {epoch} of {running.epochs}"
                self._end(running.trial, "pruned", shown, seconds=running.seconds)
                return

    def _say_alive(self, running: RunningTrial) -> None:
        if time.monotonic() - running.said_alive < _SAY_ALIVE_SECONDS:
            return
        running.said_alive = time.monotonic()
        running.trial.set_user_attr("alive", time.time())
        running.trial.set_user_attr("seconds", round(running.seconds, 1))
        self._keep_seconds()

    # Ending

    def _judge_probe(self, running: RunningTrial) -> None:
        """Time the untrained file; let the trial train unless it is over a limit."""
        probe = read_json(running.folder / PROBE)
        limits = self.asked.search.limits
        facts = {key: probe[key] for key in ("size_bytes", "macs", "parameters")}
        over = _over("size", "bytes", probe["size_bytes"], limits.size_bytes, 0.0)
        if over is None:
            latency = self.time_alone(running.folder / probe["file"])
            facts |= self._timed(running, latency["median_ms"])
            over = _over("latency", "ms", facts["latency_ms"], self._most_ms(), _MARGIN)
        running.facts |= facts
        if over is None:
            write_json(running.folder / GO, facts)
            # Not before: a search that is stopped here would miss it.
            (running.folder / probe["file"]).unlink()
            return
        running.handle.kill()
        self._constrain(running.trial, facts)
        reason = f"{over}; not trained"
        self._end(running.trial, "skipped", reason, seconds=running.seconds, **facts)
        (running.folder / probe["file"]).unlink()

    def _most_ms(self) -> float | None:
        """The latency beyond which a student is of no use."""
        limit = self.asked.search.limits.latency_ms
        if limit is None and self.asked.search.objective == "front":
            teacher = self.study.user_attrs.get("teacher") or {}
            return teacher.get("latency_ms")
        return limit

    def _complete(self, running: RunningTrial) -> None:
        result = read_json(running.folder / RESULT)
        facts = {key: value for key, value in result.items() if value is not None}
        file = facts.pop("file", None)
        if file is not None:
            latency = self.time_alone(running.folder / file)
            facts |= {"latency": latency}
            facts |= self._timed(running, latency["median_ms"])
            facts["file"] = str((running.folder / file).relative_to(self.out))
        self._constrain(running.trial, facts)
        values = {
            "miou": [facts["miou"]],
            "val_loss": [facts.get("val_loss", float("nan"))],
            "front": [facts["miou"], facts.get("latency_ms", float("nan"))],
        }[self.asked.search.objective]
        self._end(
            running.trial, "complete", None, seconds=running.seconds, told=values,
            epochs=running.reported, **facts,
        )  # fmt: skip

    def _timed(self, running: RunningTrial, median_ms: float) -> dict[str, Any]:
        """Latency of a trial's file, over all that it was timed."""
        timings = [*running.facts.get("timings_ms", ()), median_ms]
        running.facts["timings_ms"] = timings
        return {"timings_ms": timings, "latency_ms": statistics.median(timings)}

    def _constrain(self, trial: Trial, facts: dict[str, Any]) -> None:
        for name, limit in self.asked.search.limits.model_dump().items():
            if limit is not None and name in facts:
                trial.set_constraint(name, facts[name] / limit - 1)

    def _fail(self, running: RunningTrial, error: dict[str, Any]) -> None:
        number, message = running.trial.number, error["message"]
        if (
            error["type"] in ("DatasetError", "RunFolderError", "MissingExtraError")
            or (error["is_of_system"])
        ):
            # Every other trial would meet it too.
            raise RunFolderError(f"trial {number}: {message}")
        if error["is_memory"]:
            reason = f"out of memory: {message}"
        elif error["type"] == "TrainingError":
            reason = f"diverged: {message}"
        elif error["is_ours"]:
            reason = message
        else:
            log = (running.folder / LOG).relative_to(self.out)
            reason = f"crashed ({error['type']}: {message}), see {log}"
        self._end(
            running.trial, "failed", reason, seconds=running.seconds, is_by_values=True
        )
        self._require_some_success(reason)

    def _require_some_success(self, reason: str) -> None:
        outcomes = [trial.user_attrs["outcome"] for trial in ended(self.study)]
        if len(outcomes) >= _MOST_FAILURES and set(outcomes) == {"failed"}:
            raise TrainingError(
                f"{self.out}: all {len(outcomes)} trials failed, the last since: "
                f"{reason} Mend the recipe, or narrow its space."
            )

    def _end(
        self,
        trial: Trial,
        outcome: str,
        reason: str | None,
        *,
        seconds: float,
        told: list[float] | None = None,
        is_by_values: bool = False,
        **facts: Any,
    ) -> None:
        running = self._running.pop(trial.number, None)
        if running is not None:
            running.handle.kill()
            shutil.rmtree(running.folder / "checkpoint", ignore_errors=True)
            facts = {"epochs": running.reported, **running.facts, **facts}
            if running.mious and "miou" not in facts:
                facts["best_epoch_miou"] = max(running.mious)
            self._fresh_seconds.append(seconds)
            self._free_since[running.slot] = time.monotonic()
        for name, value in {**facts, "seconds": round(seconds, 2)}.items():
            trial.set_user_attr(name, value)
        if reason is not None:
            trial.set_user_attr("reason", reason)
        trial.set_user_attr("outcome", outcome)
        if outcome == "complete":
            self.study.tell(trial, told)
        elif outcome == "failed" and not is_by_values:
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            # A sampler learns from these where not to look; it forgets failed ones.
            self.study.tell(trial, state=TrialState.PRUNED)
        self._show(force=True)

    # Timing and showing

    def time_alone(self, path: Path) -> dict[str, Any]:
        """Latency of a file while no trial of this machine computes."""
        from segshrink.measuring import measure_latency

        settings = self.asked.recipe.measuring
        others = [running.folder for running in self._running.values()]
        with _stopped(others):
            return measure_latency(
                [path],
                threads=settings.threads,
                rounds=settings.rounds,
                seed=self.asked.recipe.seed,
            )[path]

    def _confirm_best(self) -> None:
        """Time the best file again, since the best of many has had luck, too.

        Until one is within the limit by the median of all its timings.
        """
        while self.asked.search.limits.latency_ms is not None:
            best, known = best_of(self.study, self.asked), confirmations(self.study)
            if best is None or best in known:
                return
            trial = next(t for t in ended(self.study) if t.number == best)
            path = self.out / trial.user_attrs["file"]
            # With a shared database it may lie on another host.
            if not path.is_file():
                return
            known[best] = self.time_alone(path)["median_ms"]
            kept = {str(number): ms for number, ms in known.items()}
            self.study.set_user_attr(CONFIRMED, kept)
            self._show(force=True)

    def _keep_seconds(self) -> None:
        self.study.set_user_attr(self._seconds_key, round(self.seconds, 2))
        scheduling = round(self._scheduling_seconds, 3)
        self.study.set_user_attr(self._scheduling_key, scheduling)

    def _show(self, *, force: bool = False) -> None:
        if not force and time.monotonic() - self._shown < _SHOW_SECONDS:
            return
        self._shown = time.monotonic()
        self.watcher.show(self.view())

    def view(self) -> SearchView:
        """The search as it stands."""
        for trial in ended(self.study):
            if trial.number not in self._ended_views:
                self._ended_views[trial.number] = ended_view(trial, self.asked)
        views = tuple(self._ended_views[n] for n in sorted(self._ended_views))
        best = best_of(self.study, self.asked)
        wanted = self.asked.search.trials
        left = max(0, wanted - len(views))
        seconds_left = None
        if self._fresh_seconds:
            mean = sum(self._fresh_seconds) / len(self._fresh_seconds)
            spent = sum(running.seconds for running in self._running.values())
            seconds_left = max(0.0, left * mean - spent) / self.workers.count
        return SearchView(
            done=len(views),
            wanted=wanted,
            seconds=time.monotonic() - self._began,
            seconds_left=seconds_left,
            best=None if best is None else self._ended_views[best],
            running=tuple(each.view() for each in self._running.values()),
            ended=views,
        )


def _over(
    what: str, unit: str, value: float, limit: float | None, margin: float
) -> str | None:
    if limit is None or value <= limit * (1 + margin):
        return None
    # Bytes whole, milliseconds to three digits.
    shown = [f"{x:,}" if isinstance(x, int) else f"{x:.3g}" for x in (value, limit)]
    return f"{what} {shown[0]} {unit}, more than {shown[1]}"


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"{name}, out of memory?" if -code == signal.SIGKILL else name


@contextmanager
def _stopped(folders: list[Path]) -> Iterator[None]:
    """Hold the trials of some folders still, those of them on this machine."""
    signal_all(folders, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(folders, signal.SIGCONT)
