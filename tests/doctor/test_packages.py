"""Extras and runtimes, whatever is installed."""

import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from segshrink.doctor import packages
from segshrink.doctor.packages import (
    BRINGS,
    examined_extras,
    examined_runtimes,
    missing_packages,
)

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())

REQUIREMENTS = {
    "segshrink": [
        "numpy>=2.0",
        'torch>=2.8; extra == "torch"',
        "jax[cuda13]>=0.7; extra == 'jax-cuda'",
        'segshrink[torch,jax-cuda]; extra == "all"',
    ],
    "jax": ['jaxlib>=1; extra == "cuda13"', 'plugin[with_cuda]>=1; extra == "cuda13"'],
    "jaxlib": [],
}


@pytest.fixture
def installed(monkeypatch):
    """Packages that are installed, with their requirements."""

    def look_up(name):
        if name not in REQUIREMENTS:
            raise packages.metadata.PackageNotFoundError(name)
        return REQUIREMENTS[name]

    extras = ["torch", "jax-cuda", "all", "cuda13"]
    monkeypatch.setattr(
        packages.metadata,
        "metadata",
        lambda name: SimpleNamespace(get_all=lambda key: look_up(name) and extras),
    )
    monkeypatch.setattr(packages.metadata, "requires", look_up)
    monkeypatch.setattr(packages.metadata, "version", lambda name: look_up(name) and "")


def test_every_extra_of_the_project_is_explained():
    assert set(BRINGS) | {"dev", "docs"} == set(
        PROJECT["project"]["optional-dependencies"]
    )


@pytest.mark.parametrize(
    ("extra", "missing"),
    [
        ("torch", {"torch"}),
        ("jax-cuda", {"plugin"}),
        ("all", {"torch", "plugin"}),
        ("unknown", {"segshrink[unknown]"}),
    ],
)
def test_what_an_extra_lacks(installed, extra, missing):
    assert missing_packages("segshrink", extra) == missing


def test_of_a_package_that_is_not_installed_all_is_missing(installed):
    assert missing_packages("elsewhere", "any") == {"elsewhere"}


def test_each_extra_has_a_command(installed):
    [torch] = [extra for extra in examined_extras() if extra.name == "torch"]
    assert torch.install == "pip install 'segshrink[torch]'"
    assert torch.missing == ("torch",)


def test_a_broken_runtime_is_a_line(monkeypatch):
    def broken(module):
        if module.startswith("onnxruntime"):
            raise ImportError("libgomp.so.1: cannot open\nshared object file")
        return SimpleNamespace()

    monkeypatch.setattr(packages, "import_module", broken)
    faults = {runtime.package: runtime.fault for runtime in examined_runtimes()}
    assert faults.pop("onnxruntime") == "ImportError: libgomp.so.1: cannot open"
    assert set(faults.values()) <= {None, "is not installed"}
