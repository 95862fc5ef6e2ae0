"""Locked packages: the main job's are a part of all, and no address stands there."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALL, MAIN = ROOT / "requirements.lock", ROOT / "requirements-main.lock"
_PINNED = re.compile(r"^([a-z0-9.-]+)==(\S+)(?: ; (.+?))? \\$", re.MULTILINE)


def pins(lock: Path) -> set[tuple[str, ...]]:
    """Name, version and marker of each package."""
    return {match.groups("") for match in _PINNED.finditer(lock.read_text())}


def required(project: dict, extra: str | None = None) -> set[str]:
    """Names of the packages that pyproject.toml asks for, those of `extra` as well."""
    requirements = list(project["dependencies"])
    requirements += project["optional-dependencies"].get(extra, [])
    names = set()
    for requirement in requirements:
        name, extras = re.match(r"([A-Za-z0-9_-]+)(?:\[(.+?)\])?", requirement).groups()
        if name == project["name"]:
            for inner in extras.split(","):
                names |= required(project, inner)
        else:
            names.add(name.lower().replace("_", "-"))
    return names


def test_the_main_job_runs_with_the_versions_that_are_tested():
    versions = {name_version[:2] for name_version in pins(ALL)}
    assert {name_version[:2] for name_version in pins(MAIN)} <= versions


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        (MAIN, ["main"]),
        (ALL, ["main", "openvino", "search", "geo", "ray", "jax", "dev"]),
    ],
)
def test_everything_that_is_required_is_locked(lock, extras):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = set().union(*(required(project, extra) for extra in extras))
    assert names <= {name for name, *_ in pins(lock)}, "run scripts/lock"


@pytest.mark.parametrize("lock", [ALL, MAIN], ids=lambda lock: lock.name)
def test_a_lock_says_nothing_of_where_packages_come_from(lock):
    assert "://" not in lock.read_text()
