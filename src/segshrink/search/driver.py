"""The loop of a search: it proposes trials, follows them, and informs the study."""

import math
import shutil
import socket
import time
from pathlib import Path

import optuna
from optuna.trial import Trial as OptunaTrial
from optuna.trial import TrialState

from segshrink.errors import RecipeError, RunFolderError, TrainingError
from segshrink.records.measurement import Latency
from segshrink.records.search import TeacherFigures, Trial
from segshrink.records.trial import Failure, Probe, Result
from segshrink.search.clock import Clock
from segshrink.search.jobs import write_job
from segshrink.search.kept_trials import ended, ended_trials, keep
from segshrink.search.paths import (
    ERROR,
    GO,
    LOG,
    PROBE,
    RESULT,
    trial_folder,
)
from segshrink.search.processes import Workers
from segshrink.search.ranking import CONFIRMED, best_of, confirmations
from segshrink.search.reasons import (
    exit_reason,
    failure_reason,
    is_shared,
    latency_over,
    size_over,
)
from segshrink.search.resuming import folder_number, resume_stopped
from segshrink.search.running_trial import Figures, RunningTrial
from segshrink.search.sampling import next_trial, propose
from segshrink.search.space import SearchRecipe, with_values
from segshrink.search.timing import time_alone
from segshrink.search.watcher import SearchView, Watcher, ended_view

_LOOK_SECONDS = 0.1
_SHOW_SECONDS = 1.0
_ALIVE_SECONDS = 20.0
# An untrained file this much over a limit will not come within it by a second timing.
_MARGIN = 0.03
# A process that is killed from outside so often is itself the cause.
_MOST_STARTS = 2
# After so many failures and no success the fault is not that of single trials.
_MOST_FAILURES = 3


class Driver:
    """Brings a study to its number of trials.

    Args:
        search_recipe: the recipe and its section `search`.
        study: the single source of truth; see `open_study`.
        out: folder of the search.
        workers: run the processes.
        watcher: shows the search.
        teacher: model file of the teacher; None in a search of teachers.
        is_shared: whether other drivers may work on the study.
    """

    def __init__(
        self,
        search_recipe: SearchRecipe,
        study: optuna.Study,
        out: Path,
        workers: Workers,
        watcher: Watcher,
        teacher: Path | None,
        *,
        is_shared: bool = False,
    ) -> None:
        self.is_shared = is_shared
        self.search_recipe = search_recipe
        self.settings = search_recipe.search
        self.study = study
        self.out = out
        self.workers = workers
        self.watcher = watcher
        self.teacher = teacher
        # A search folder has one driver at a time, so its name finds what it left.
        self.name = f"{socket.gethostname()}:{out.resolve()}"
        self._running: dict[int, RunningTrial] = {}
        self._clock = Clock(study, self.name, workers.count)
        self._last_shown = self._last_resumed = -math.inf
        self._fresh_seconds: list[float] = []

    def run(self) -> None:
        """Work until enough trials have ended.

        Raises:
            SegshrinkError: for a fault that every trial would have.
            TrainingError: if all trials fail.
        """
        # The watcher thereby learns which trials had ended before.
        self._show(force=True)
        try:
            while True:
                self._resume_stopped()
                for running in list(self._running.values()):
                    self._follow(running)
                while self._may_begin():
                    self._begin()
                for slot in self._free_slots():
                    self.workers.release(slot)
                self._show()
                if not self._running:
                    break
                time.sleep(_LOOK_SECONDS)
            self._confirm_best()
        finally:
            for running in self._running.values():
                running.handle.kill()
            self._clock.keep()

    # Beginning

    def _may_begin(self) -> bool:
        if len(self._running) >= self.workers.count:
            return False
        minutes = self.settings.minutes
        if minutes is not None and self._clock.seconds > 60 * minutes:
            return False
        states = (TrialState.RUNNING,)
        in_progress = self.study.get_trials(deepcopy=False, states=states)
        return len(ended(self.study)) + len(in_progress) < self.settings.trials

    def _resume_stopped(self) -> None:
        if time.monotonic() - self._last_resumed < _ALIVE_SECONDS:
            return
        self._last_resumed = time.monotonic()
        resume_stopped(
            self.study,
            self.search_recipe,
            self.name,
            self._running,
            is_shared=self.is_shared,
        )

    def _begin(self) -> None:
        trial = next_trial(self.study, self.search_recipe)
        trial.set_user_attr("driver", self.name)
        values = propose(trial, self.search_recipe)
        try:
            recipe = with_values(self.search_recipe.recipe, values)
        except RecipeError as error:
            record = Trial(
                number=trial.number, state="failed", reason=str(error), seconds=0.0
            )
            self._end(trial, record, is_by_values=True)
            return
        slot = self._free_slots()[0]
        folder = trial_folder(self.out, folder_number(trial))
        cores = self.workers.cores(slot)
        write_job(folder, recipe, self.settings, teacher=self.teacher, cores=cores)
        self._clock.occupy(slot)
        self._running[trial.number] = RunningTrial(
            trial,
            folder,
            slot,
            values,
            getattr(recipe, self.settings.of).training.epochs,
            self.workers.start(folder, slot),
            earlier_seconds=float(trial.user_attrs.get("seconds", 0.0)),
            figures=Figures.permitted(folder),
        )

    def _free_slots(self) -> list[int]:
        taken = {running.slot for running in self._running.values()}
        return [slot for slot in range(self.workers.count) if slot not in taken]

    # Following

    def _follow(self, running: RunningTrial) -> None:
        code = running.handle.poll()
        self._report(running)
        if running.trial.number not in self._running:
            return
        if code is None:
            self._sign_of_life(running)
            if running.waits:
                self._judge_probe(running)
        elif (running.folder / RESULT).is_file():
            self._complete(running)
        elif (running.folder / ERROR).is_file():
            self._fail(running, Failure.read(running.folder / ERROR))
        elif running.starts < _MOST_STARTS:
            # Processes that it had started may still run.
            running.handle.kill()
            running.starts += 1
            self.watcher.say(
                f"trial {running.trial.number}: its process was ended "
                f"({exit_reason(code)}); it resumes from its last checkpoint."
            )
            running.handle = self.workers.start(running.folder, running.slot)
        else:
            reason = f"its process was ended {_MOST_STARTS} times ({exit_reason(code)})"
            self._end(running.trial, running.ended("failed", reason))

    def _report(self, running: RunningTrial) -> None:
        """Report new epochs to the study, and stop the trial if the pruner says so."""
        objective = self.settings.objective
        for epoch, value in running.new_epochs(objective):
            running.reported.append(value)
            if objective == "front":
                continue
            running.trial.report(value, epoch)
            is_last = epoch >= running.epochs
            # Everything is compared with the recipe's own values, so they finish.
            if is_last or running.trial.user_attrs.get("is_default"):
                continue
            if running.trial.should_prune():
                name = "val_loss" if objective == "val_loss" else "val_miou"
                reason = f"{name} {value:.4f} after epoch {epoch} of {running.epochs}"
                self._end(running.trial, running.ended("pruned", reason))
                return

    def _sign_of_life(self, running: RunningTrial) -> None:
        if time.monotonic() - running.last_alive < _ALIVE_SECONDS:
            return
        running.last_alive = time.monotonic()
        running.trial.set_user_attr("alive", time.time())
        running.trial.set_user_attr("seconds", round(running.seconds, 1))
        self._clock.keep()

    def _judge_probe(self, running: RunningTrial) -> None:
        """Time the untrained file; let the trial train unless it is over a limit."""
        probe = Probe.read(running.folder / PROBE)
        file = running.folder / probe.file
        running.figures.take(probe)
        over = size_over(probe.size_bytes, self.settings.limits.size_bytes)
        if over is None:
            latency_ms = self.time_alone(file).median_ms
            running.figures.timings_ms.append(latency_ms)
            over = latency_over(latency_ms, self._latency_limit_ms(), _MARGIN)
        if over is None:
            running.figures.permission().write(running.folder / GO)
            # Not earlier: a search that is stopped before it needs the file again.
            file.unlink()
            return
        self._constrain(running)
        skipped = running.ended("skipped", f"{over}; not trained")
        self._end(running.trial, skipped)
        file.unlink()

    def _latency_limit_ms(self) -> float | None:
        """Latency beyond which a student is useless: the limit, or the teacher's."""
        limit = self.settings.limits.latency_ms
        kept = self.study.user_attrs.get("teacher")
        if limit is None and self.settings.objective == "front" and kept:
            return TeacherFigures.parse(kept, where=self.out).latency_ms
        return limit

    # Ending

    def _complete(self, running: RunningTrial) -> None:
        result = Result.read(running.folder / RESULT)
        running.figures.take(result)
        latency = file = None
        if result.file is not None:
            path = running.folder / result.file
            latency = self.time_alone(path)
            if result.remedy is not None:
                # Layers may compute in float32 that the untrained file had in int8.
                running.figures.timings_ms.clear()
            running.figures.timings_ms.append(latency.median_ms)
            file = str(path.relative_to(self.out))
        self._constrain(running)
        record = running.ended("complete", result=result, latency=latency, file=file)
        missing = math.nan
        values = {
            "miou": [result.miou],
            "val_loss": [missing if result.val_loss is None else result.val_loss],
            "front": [result.miou, record.latency_ms or missing],
        }
        self._end(running.trial, record, objectives=values[self.settings.objective])

    def _constrain(self, running: RunningTrial) -> None:
        limits, figures = self.settings.limits, running.figures
        if limits.latency_ms and figures.latency_ms:
            share = figures.latency_ms / limits.latency_ms
            running.trial.set_constraint("latency_ms", share - 1)
        if limits.size_bytes and figures.size_bytes:
            share = figures.size_bytes / limits.size_bytes
            running.trial.set_constraint("size_bytes", share - 1)

    def _fail(self, running: RunningTrial, failure: Failure) -> None:
        if is_shared(failure):
            raise RunFolderError(f"trial {running.trial.number}: {failure.message}")
        reason = failure_reason(failure, (running.folder / LOG).relative_to(self.out))
        self._end(running.trial, running.ended("failed", reason), is_by_values=True)
        outcomes = [trial.user_attrs["outcome"] for trial in ended(self.study)]
        if len(outcomes) >= _MOST_FAILURES and set(outcomes) == {"failed"}:
            raise TrainingError(
                f"{self.out}: all {len(outcomes)} trials failed, the last one with: "
                f"{reason} Correct the recipe, or narrow its space."
            )

    def _end(
        self,
        trial: OptunaTrial,
        record: Trial,
        *,
        objectives: list[float] | None = None,
        is_by_values: bool = False,
    ) -> None:
        """Keep the record of a trial, and tell the study that it ended.

        Args:
            trial: as the study has it.
            record: what is kept of it.
            objectives: of a complete trial.
            is_by_values: whether a failed trial would fail again with its values.
        """
        running = self._running.pop(trial.number, None)
        if running is not None:
            running.handle.stop()
            shutil.rmtree(running.folder / "checkpoint", ignore_errors=True)
            self._fresh_seconds.append(record.seconds)
            self._clock.release(running.slot)
        keep(trial, record)
        if record.state == "complete":
            self.study.tell(trial, objectives)
        elif record.state == "failed" and not is_by_values:
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            # A sampler learns from pruned trials where not to look; it ignores failed.
            self.study.tell(trial, state=TrialState.PRUNED)
        self._show(force=True)

    def time_alone(self, path: Path) -> Latency:
        """Latency of a file while no trial of this machine computes."""
        others = [running.folder for running in self._running.values()]
        return time_alone(path, self.search_recipe.recipe, others)

    def _confirm_best(self) -> None:
        """Time the best file again, since the best of many was lucky too.

        Repeats until the best is within the limit by the median of all its timings.
        """
        while self.settings.limits.latency_ms is not None:
            best = best_of(self.study, self.search_recipe)
            known = confirmations(self.study)
            if best is None or best in known:
                return
            trials = ended_trials(self.study, self.search_recipe)
            file = next(trial.file for trial in trials if trial.number == best)
            # With a shared database the file may lie on another host.
            if file is None or not (self.out / file).is_file():
                return
            known[best] = self.time_alone(self.out / file).median_ms
            kept = {str(number): ms for number, ms in known.items()}
            self.study.set_user_attr(CONFIRMED, kept)
            self._show(force=True)

    # Showing

    def _show(self, *, force: bool = False) -> None:
        if not force and time.monotonic() - self._last_shown < _SHOW_SECONDS:
            return
        self._last_shown = time.monotonic()
        self.watcher.show(self.view())

    def view(self) -> SearchView:
        """The current state of the search."""
        trials = ended_trials(self.study, self.search_recipe)
        views = {trial.number: ended_view(trial) for trial in trials}
        best = best_of(self.study, self.search_recipe)
        return SearchView(
            done=len(views),
            wanted=self.settings.trials,
            seconds=self._clock.seconds_since_start,
            seconds_left=self._seconds_left(len(views)),
            best=None if best is None else views[best],
            running=tuple(each.view() for each in self._running.values()),
            ended=tuple(views.values()),
        )

    def _seconds_left(self, done: int) -> float | None:
        if not self._fresh_seconds:
            return None
        mean = sum(self._fresh_seconds) / len(self._fresh_seconds)
        spent = sum(running.seconds for running in self._running.values())
        left = max(0, self.settings.trials - done)
        return max(0.0, left * mean - spent) / self.workers.count
