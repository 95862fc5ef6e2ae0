"""Models that a Python file builds, for files that hold only weights."""

import inspect
import io
import re
import shutil
import sys
import tempfile
import traceback
import types
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np

from segshrink.errors import ModelError
from segshrink.models.calls import is_graph, operations_by_path
from segshrink.models.keras2.graph import Built
from segshrink.models.keras2.reading import is_hdf5, weights_group
from segshrink.models.keras2.weights import read_weights, set_layer

# Classes of layers that such a file defines are of this module.
MODULE = "segshrink_architecture"
_FUNCTION = "build"
_TAKE_THAT = "Take the architecture that the weights were saved from."


def build_architecture(path: Path) -> keras.Model:
    """Run a Python file and the function `build()` in it.

    Args:
        path: the file. Modules beside it can be imported.

    Returns:
        What `build()` returns: a Functional or Sequential model with fresh weights.

    Raises:
        ModelError: if the file cannot be run, has no `build()`, or it returns something
            else.
    """
    if path.suffix != ".py" or not path.is_file():
        fault = "no such file" if path.suffix == ".py" else "is no Python file"
        raise ModelError(
            f"{path}: {fault}. --architecture takes a .py file whose function build() "
            "returns the Keras model."
        )
    folder = str(path.parent.resolve())
    sys.path.insert(0, folder)
    try:
        model = _run(path)()
    except ModelError:
        raise
    # What code of others raises is its own affair, and SystemExit is part of it.
    except (Exception, SystemExit) as error:
        raise ModelError(_fault(path, error)) from error
    finally:
        sys.path.remove(folder)
    if not (isinstance(model, keras.Model) and is_graph(model) and model.built):
        raise ModelError(
            f"{path}: build() must return a Functional or Sequential model that starts "
            f"with keras.Input(shape), got {type(model).__name__}."
        )
    return model


def _run(path: Path) -> Callable[[], object]:
    """The function `build` of a file, which is run for it."""
    # Not imported, which would leave a compiled file beside it. Data classes look for
    # their module among the imported ones.
    module = sys.modules[MODULE] = types.ModuleType(MODULE)
    module.__file__ = str(path)
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    build = getattr(module, _FUNCTION, None)
    if not callable(build):
        raise ModelError(
            f"{path}: has no function build(). Add one that returns the Keras model, "
            "with the classes and the size of images that the weights are for."
        )
    needed = [
        name
        for name, parameter in inspect.signature(build).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if needed:
        raise ModelError(
            f"{path}: build() is called without arguments, but it needs "
            f"{', '.join(needed)}. Give them the values that the weights are for."
        )
    return build


def _fault(path: Path, error: BaseException) -> str:
    """Where in the file an error came from, and what it says."""
    here = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == path
    ]
    if isinstance(error, SyntaxError):
        here = [error.lineno]
    line = f"line {here[-1]}: " if here else ""
    reason = " ".join(str(error).split())[:200]
    return f"{path}: {line}{type(error).__name__}: {reason}"


def load_weights(model: keras.Model, path: Path) -> None:
    """Set the weights of a model from a file of any version of Keras.

    Layers of Keras 2 files are found by name where all names are equal, and in their
    order otherwise, as Keras did.

    Args:
        model: as `build_architecture` gives it.
        path: `.weights.h5`, `.h5` or `.hdf5`, of weights or of a whole model, or
            `.keras`.

    Raises:
        ModelError: naming the layer that does not fit, and both shapes.
    """
    try:
        old = _weights_of_keras_2(path) if is_hdf5(path) else None
        if old is None:
            _load_with_keras(model, path)
        else:
            _set_all(model, old)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _weights_of_keras_2(path: Path) -> dict | None:
    with h5py.File(path, "r") as file:
        group = weights_group(file)
        return None if group is None else read_weights(group)


def _as_built(model: keras.Model) -> Built:
    """The layers of a model that have weights, by their names."""
    layers = {
        layer.name: _as_built(layer) if is_graph(layer) else layer
        for layer in model.layers
        if layer.weights
    }
    return Built(model, layers)


def _set_all(model: keras.Model, weights: dict) -> None:
    layers = _as_built(model).layers
    named = {name.replace("/", "_"): values for name, values in weights.items()}
    if set(named) == set(layers):
        pairs = [(name, layers[name], named[name]) for name in layers]
    elif len(weights) == len(layers):
        in_order = zip(layers.items(), weights.values(), strict=True)
        pairs = [(name, layer, values) for (name, layer), values in in_order]
    else:
        lacking = [name for name in layers if name not in named]
        more = [name for name in named if name not in layers]
        raise ModelError(
            f"has weights of {len(weights)} layers, but build() makes {len(layers)} "
            f"layers with weights; not in the file: {_few(lacking)}; not of build(): "
            f"{_few(more)}. {_TAKE_THAT}"
        )
    for name, layer, values in pairs:
        set_layer(name, layer, values)


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + ", ..." * (len(names) > 3) or "none"


def _load_with_keras(model: keras.Model, path: Path) -> None:
    """Let Keras 3 read what it wrote, and check that nothing was left over."""
    with tempfile.TemporaryDirectory(prefix="segshrink-weights-") as folder:
        # Keras knows the kinds of files by their endings.
        ending = ".keras" if path.suffix == ".keras" else ".weights.h5"
        link = Path(folder) / f"file{ending}"
        shutil.copyfile(path, link)
        try:
            # What it warns of is an error here, which is told.
            with warnings.catch_warnings(action="ignore"):
                model.load_weights(link)
        except Exception as error:
            # h5py, zipfile and Keras each have their own errors.
            raise ModelError(_why(model, error)) from error
        held = _count_values(link)
    if held != model.count_params():
        raise ModelError(
            f"holds {held:,} weights, but build() makes a model of "
            f"{model.count_params():,}. {_TAKE_THAT}"
        )


def _why(model: keras.Model, error: Exception) -> str:
    """The layer and the shapes of an error of Keras, which are far inside it."""
    text = " ".join(str(error).split())
    shapes = re.search(
        r"variable\.shape=(\([^)]*\)).*?Received: value\.shape=(\([^)]*\))"
        r".*?path=([\w/.\-]+)",
        text,
    )
    if shapes:
        ours, theirs, place = shapes.groups()
        layer, _, weight = place.rpartition("/")
        return (
            f"layer {layer!r}: its {weight} is {ours}, but the file has {theirs}. "
            f"{_TAKE_THAT}"
        )
    count = re.search(
        r"Layer '([^']+)' expected (\d+) variables, but received (\d+)", text
    )
    if count:
        name, ours, theirs = count.groups()
        fault = f"layer {name!r} has {ours} weights, but the file holds {theirs}"
        return f"{fault}. {_TAKE_THAT}"
    return f"its weights cannot be read ({text[:160]}). {_TAKE_THAT}"


def _count_values(path: Path) -> int:
    """Numbers among the weights of a file of Keras 3, without those of an optimizer."""
    source: Path | io.BytesIO = path
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            source = io.BytesIO(archive.read("model.weights.h5"))
    total = 0

    def count(name: str, item: object) -> None:
        nonlocal total
        # Seeds are whole numbers without a sign.
        if isinstance(item, h5py.Dataset) and item.dtype != np.uint32:
            if not name.startswith("optimizer"):
                total += int(np.prod(item.shape))

    with h5py.File(source, "r") as file:
        file.visititems(count)
    return total


def require_savable(model: keras.Model) -> None:
    """Refuse a model whose file could not be opened again without its code.

    Raises:
        ModelError: naming the layer.
    """
    for path, operation in operations_by_path(model).items():
        is_lambda = isinstance(operation, keras.layers.Lambda)
        if is_lambda or type(operation).__module__ == MODULE:
            raise ModelError(
                f"{model.name}: layer {path!r} ({type(operation).__name__}) is Python "
                "code, without which a .keras file of the model could not be opened. "
                "Build it of layers of Keras and functions of keras.ops."
            )
