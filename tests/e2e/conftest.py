"""The things a user has: a folder of images, a recipe and a finished run."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from e2e.command_line import started
from e2e.scenes import RECIPE, write_scenes


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder of this test session that all its processes see."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def scenes(shared) -> Path:
    """A data set of six scenes; tests read it and must not write into it."""
    return _made_once(shared / "städtische szenen", write_scenes)


@pytest.fixture(scope="session")
def recipe_file(shared) -> Path:
    return _made_once(shared / "tiny.yaml", lambda path: path.write_text(RECIPE))


@pytest.fixture(scope="session")
def finished_run(shared, scenes, recipe_file) -> Path:
    """The folder of an undisturbed `segshrink compress`, with what it said."""

    def run(folder: Path) -> None:
        process = started(
            "compress", scenes, "--recipe", recipe_file, "--out", folder,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        out, errors = process.communicate(timeout=900)
        assert process.returncode == 0, errors
        folder.with_suffix(".printed").write_text(out, encoding="utf-8")
        folder.with_suffix(".told").write_text(errors, encoding="utf-8")

    return _made_once(shared / "finished run", run)


@pytest.fixture
def own_scenes(scenes, tmp_path) -> Path:
    """A copy of the data set that a test may spoil."""
    return Path(shutil.copytree(scenes, tmp_path / "own scenes"))


@pytest.fixture
def own_run(finished_run, tmp_path) -> Path:
    """A copy of the finished run, times included, that a test may go on with."""
    return Path(shutil.copytree(finished_run, tmp_path / "own run"))


def _made_once(path: Path, make) -> Path:
    """`path`, made by the first of several processes that ask for it."""
    with open(path.with_name(f"{path.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = path.with_name(f"{path.name}.done")
        if not done.exists():
            make(path)
            done.touch()
    return path
