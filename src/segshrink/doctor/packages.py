"""Runtimes and extras: what is installed, and what the rest would bring."""

import re
from collections.abc import Iterator
from importlib import import_module, metadata

from segshrink.doctor.backend import fault_text
from segshrink.formats import EXPORTED
from segshrink.quiet import quiet
from segshrink.records.examination import Extra, Runtime

_PACKAGE = "segshrink"

# Every extra of pyproject.toml but those for developers.
BRINGS = {
    "main": "all that `segshrink compress` needs with default settings, on processors",
    "keras": "Keras, without any backend",
    "tensorflow": "the default backend: the fastest on processors, and every export",
    "jax": "the backend JAX, on processors",
    "jax-cuda": "the backend JAX on NVIDIA GPUs, one or several",
    "torch": "the backend PyTorch",
    "litert": "writes .tflite files of int8; all of them run without it",
    "onnx": "writes and runs .onnx files",
    "openvino": "writes and runs OpenVINO files, on Intel hardware",
    "report": "pages, and plots of every verb",
    "search": "`segshrink search`: many recipes tried, the best kept",
    "geo": "georeferenced scenes, and polygons of what was predicted",
    "video": "videos for `segshrink predict`",
    "camera": "a camera for `segshrink predict`, and videos",
    "ray": "`--ray`: searches and predictions over many machines",
    "kerashub": "models of KerasHub as teachers, and to be pruned",
    "imagenet": "pretrained weights for the teacher efficientnet_lite",
}

_NAME = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?")
_OF_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


def examined_runtimes() -> Iterator[Runtime]:
    """The runtime of every format of exported files, imported."""
    for format in EXPORTED:
        package = format.runtime_package
        found = {"name": format.runtime_label, "package": package}
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            yield Runtime(**found, fault="is not installed")
            continue
        fault = None
        with quiet():
            # Whatever a broken installation raises is the finding.
            try:
                import_module(format.runtime_module)
            except Exception as error:
                fault = fault_text(error)
        yield Runtime(**found, version=version, fault=fault)


def examined_extras() -> Iterator[Extra]:
    """Every extra, with the packages of it that are missing."""
    for name, brings in BRINGS.items():
        yield Extra(
            name=name,
            brings=brings,
            missing=tuple(sorted(missing_packages(_PACKAGE, name))),
            install=f"pip install '{_PACKAGE}[{name}]'",
        )


def missing_packages(package: str, extra: str) -> set[str]:
    """Names of the packages that an extra of an installed package lacks."""
    try:
        known = metadata.metadata(package).get_all("Provides-Extra") or []
        requirements = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return {package}
    if extra not in known:
        # An older version is installed.
        return {f"{package}[{extra}]"}
    missing = set()
    for requirement in requirements:
        what, _, marker = requirement.partition(";")
        match = _NAME.match(what)
        if match is None or extra not in _OF_EXTRA.findall(marker):
            continue
        name, inner = match.groups()
        if name == package or _is_installed(name):
            for each in (inner or "").split(","):
                missing |= missing_packages(name, each.strip()) if each else set()
        else:
            missing.add(name)
    return missing


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
