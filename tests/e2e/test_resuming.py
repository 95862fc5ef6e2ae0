"""A run that is stopped at any moment resumes, and ends as if undisturbed."""

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from e2e.command_line import started, succeeded
from e2e.run_files import ARTIFACTS, FILES, RECORDS, files_of
from segshrink.compression.pipeline import compress
from segshrink.progress import SilentProgress
from segshrink.recipe import load_recipe, recipe_yaml
from segshrink.runtimes import load_artifact

# The first trace of each stage, and what is not there before it has ended.
STAGES = {
    "teacher": ("teacher/checkpoint/last.npz", "teacher/record.json"),
    "student": ("student/checkpoint/last.npz", "student/record.json"),
    "export": ("artifacts/*.json", "measurements/samples/samples.json"),
    "measuring": ("measurements/quality/*.json", f"measurements/{RECORDS[-1]}.json"),
    "report": ("report/*.png", "report/index.html"),
}
_PATIENCE_SECONDS = 900


def test_run_killed_in_every_stage_ends_like_the_undisturbed_one(
    finished_run, scenes, recipe_file, tmp_path
):
    run = tmp_path / "killed run"
    command = ("compress", scenes, "--recipe", recipe_file, "--out", run)
    for trace, end in STAGES.values():
        process = started(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        _signal_at(process, signal.SIGKILL, run, trace)
        assert process.returncode == -signal.SIGKILL
        assert not (run / end).exists()
    printed = succeeded(*command)
    assert printed.endswith(f"Report: {run / 'report' / 'index.html'}\n")
    assert files_of(run) == FILES
    _assert_same_results(run, finished_run)


def _assert_same_results(run: Path, undisturbed: Path) -> None:
    same = [f"{stage}/model.keras" for stage in ("teacher", "student")]
    same += ["student/plan.json"]
    same += [f"artifacts/{name}" for name in ARTIFACTS if name.endswith(".tflite")]
    same += [f"measurements/quality/{name}.json" for name in RECORDS]
    different = [
        name
        for name in same
        if (run / name).read_bytes() != (undisturbed / name).read_bytes()
    ]
    assert different == []
    # The ONNX converter numbers its nodes by what the process has converted before.
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3))
    for name in ARTIFACTS:
        logits = [
            load_artifact(folder / "artifacts" / name).predict(image)
            for folder in (run, undisturbed)
        ]
        np.testing.assert_array_equal(*logits)
    for stage in ("teacher", "student"):
        assert _history(run / stage) == _history(undisturbed / stage)


def _history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: row[key] for key in row if key != "seconds"} for row in rows]


def _signal_at(
    process: subprocess.Popen, number: int, run: Path, trace: str
) -> tuple[str, str]:
    """Send the signal once a file matches `trace`, and wait for the end."""
    began = time.monotonic()
    try:
        while not any(run.glob(trace)):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() - began < _PATIENCE_SECONDS
            time.sleep(0.003)
        process.send_signal(number)
        return process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()


def test_ctrl_c_says_that_the_command_resumes_and_it_does(
    scenes, recipe_file, tmp_path
):
    out = tmp_path / "teacher"
    command = ("train", scenes, "--recipe", recipe_file, "--out", out)
    process = started(
        *command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_ctrl_c,
    )
    printed, errors = _signal_at(process, signal.SIGINT, out, "checkpoint/last.npz")
    assert process.returncode == 130
    assert printed == ""
    assert errors.endswith(
        "Stopped. Finished stages and epochs are kept; the same command resumes.\n"
    )
    assert "Traceback" not in errors
    assert not (out / "record.json").exists()
    epochs_kept = len(_history(out))
    succeeded(*command)
    assert files_of(out) == {
        "data.json", "recipe.yaml", "model.keras", "history.csv", "record.json"
    }  # fmt: skip
    epochs = [row["epoch"] for row in _history(out)]
    assert epochs == ["1", "2", "3", "4"]
    assert 1 <= epochs_kept < 4


def _heed_ctrl_c() -> None:
    # Shells let what they run in the background ignore it, and so would our child.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class StopsIn(SilentProgress):
    """Presses Ctrl-C in the second step of the work of this label."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.steps_left: int | None = None

    def start(self, label: str, total: int) -> None:
        self.steps_left = 2 if label == self.label else None

    def advance(self, steps: int = 1, **facts: float | str) -> None:
        if self.steps_left is not None:
            self.steps_left -= 1
            if self.steps_left == 0:
                raise KeyboardInterrupt


@pytest.fixture(scope="module")
def run_with_baselines(finished_run, tmp_path_factory):
    """The finished run with baselines added, stopped and resumed in each of them."""
    run = tmp_path_factory.mktemp("baselines") / "run"
    for stage in ("teacher", "student"):
        os.makedirs(run / stage)
        for path in (finished_run / stage).iterdir():
            (run / stage / path.name).write_bytes(path.read_bytes())
    kept = load_recipe(finished_run / "recipe.yaml")
    recipe = kept.model_copy(
        update={
            "baselines": True,
            "export": kept.export.model_copy(update={"onnx": False}),
        }
    )
    (run / "recipe.yaml").write_text(recipe_yaml(recipe), encoding="utf-8")
    for label in ("baseline: masks only", "baseline: student without teacher"):
        with pytest.raises(KeyboardInterrupt):
            compress(recipe, run, progress=StopsIn(label))
        epochs = sorted(run.glob("baselines/*/epochs.json"))[0].read_text()
    compress(recipe, run)
    assert sorted(run.glob("baselines/*/epochs.json"))[0].read_text() == epochs
    return run


def test_baselines_leave_their_models_and_no_traces_of_timing(run_with_baselines):
    left = files_of(run_with_baselines / "baselines")
    kept = ("epochs.json", "history.csv", "model.keras", "record.json")
    assert left == {f"{name}/{file}" for name in ("masked", "alone") for file in kept}


def test_masks_only_baseline_has_as_many_weights_as_the_student(
    run_with_baselines,
):
    folder = run_with_baselines / "baselines" / "masked"
    masked = keras.models.load_model(folder / "model.keras", compile=False)
    teacher, student = (
        keras.models.load_model(
            run_with_baselines / stage / "model.keras", compile=False
        )
        for stage in ("teacher", "student")
    )
    kernels = [
        weight.numpy() for weight in masked.weights if weight.name.endswith("kernel")
    ]
    zeros = sum(int((kernel == 0).sum()) for kernel in kernels)
    left = teacher.count_params() - zeros
    # In each kernel the share is exact to one weight.
    assert left == pytest.approx(student.count_params(), abs=len(kernels))
    entries = sum(kernel.size for kernel in kernels)
    assert _record(folder)["sparsity"] == pytest.approx(zeros / entries)


def test_student_without_teacher_is_the_same_network_with_other_weights(
    run_with_baselines,
):
    alone, student = (
        keras.models.load_model(path / "model.keras", compile=False)
        for path in (
            run_with_baselines / "baselines" / "alone",
            run_with_baselines / "student",
        )
    )
    shapes = [weight.shape for weight in student.weights]
    assert [weight.shape for weight in alone.weights] == shapes
    first = [np.asarray(model.trainable_weights[0]) for model in (alone, student)]
    assert not np.allclose(*first)


def test_baselines_train_for_the_planned_epochs(run_with_baselines):
    records = {
        stage: _record(run_with_baselines / stage) for stage in ("teacher", "student")
    }
    seconds = {
        stage: record["seconds"] + record["teacher_seconds"]
        for stage, record in records.items()
    }
    expected = {"masked": seconds["student"], "alone": sum(seconds.values())}
    for name, wanted in expected.items():
        folder = run_with_baselines / "baselines" / name
        planned = json.loads((folder / "epochs.json").read_text())
        assert planned["seconds"] == pytest.approx(wanted)
        assert _record(folder)["epochs"] == planned["epochs"] == len(_history(folder))


def test_baselines_are_measured_beside_the_student(run_with_baselines):
    records = {path.stem for path in run_with_baselines.glob("measurements/*.json")}
    assert records == {
        "classes",
        "teacher-float-litert",
        "masked-float-litert",
        "alone-float-litert",
        "alone-int8-litert",
        "student-float-litert",
        "student-int8-litert",
    }
    page = (run_with_baselines / "report" / "index.html").read_text(encoding="utf-8")
    assert "masked-float-litert" in page


def _record(folder: Path) -> dict:
    return json.loads((folder / "record.json").read_text(encoding="utf-8"))
