"""Keras models in files: no code in them runs, and writing is atomic."""

import json
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import keras

from segshrink.errors import ModelError, SegshrinkWarning, UsageError, first_line
from segshrink.formats import Format, remedy_for
from segshrink.models.architecture import (
    build_architecture,
    load_weights,
    require_savable,
)
from segshrink.models.archive import BANDS_MEMBER, check_archive
from segshrink.models.causes import why
from segshrink.models.heads import with_logits
from segshrink.models.keras2 import HDF5_SUFFIXES, load_archive, load_hdf5
from segshrink.models.plain import plain_model
from segshrink.reading import irregular
from segshrink.records import atomic_write
from segshrink.records.bands import Bands

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# The earliest time that a zip archive can hold stands for every time.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_SAVE_IT = "save the model where it was made with model.save('NAME.keras')."
_MOST_BANDS_BYTES = 1 << 20


def load_model(
    path: Path | str, head: str | None = None, architecture: Path | str | None = None
) -> keras.Model:
    """Load a Keras model for inference or as a start for training.

    Code in the file (Lambda layers, custom classes) is refused, not run. The model
    comes without optimizer or loss, gives logits for two classes or more, see
    `with_logits`, and is a plain one, see `plain_model`: files of KerasHub load where
    that package is installed, and no longer need it afterwards.

    Args:
        path: a `.keras` file, or `.h5` or `.hdf5` as older Keras wrote it.
        head: the output that gives the classes, if there are several.
        architecture: a Python file whose `build()` returns the model, of which only the
            weights are read from `path`. Its code is run.

    Returns:
        The model, not compiled.

    Raises:
        ModelError: if there is no such file, it is not a Keras model, or it needs code
            that is not part of Keras, or has several outputs and no head is named.
    """
    path = Path(path)
    _check_kind(path)
    if architecture is not None:
        model = build_architecture(Path(architecture))
        load_weights(model, path)
    else:
        model = _load(path)
    return with_logits(_as_plain(model), head)


def _load(path: Path) -> keras.Model:
    try:
        if path.suffix in HDF5_SUFFIXES:
            return load_hdf5(path)
        older = load_archive(path)
        if older is not None:
            return older
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except ModelError:
        raise
    except Exception as error:
        # Keras, zipfile, h5py and json each have their own errors for a bad file.
        raise ModelError(f"{path}: {why(path, error)}") from error


def _as_plain(model: keras.Model) -> keras.Model:
    try:
        return plain_model(model)
    except ModelError:
        # It can still be run; what needs its graph says why there is none.
        return model


def save_model(
    model: keras.Model, path: Path | str, *, bands: Bands | None = None
) -> None:
    """Write the model atomically, without optimizer, loss or metrics.

    Equal models give equal bytes: the times and memory addresses that Keras puts into
    the archive are left out.

    Args:
        model: a functional or sequential model.
        path: the `.keras` file to write or replace.
        bands: bands of the images that the model was trained on, which the archive
            carries; None for plain RGB pictures.

    Raises:
        UsageError: if `path` does not end in `.keras`.
        ModelError: if the model has layers of code that the file cannot hold.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise UsageError(f"{path}: a model is saved as .keras, got {path.suffix!r}.")
    require_savable(model)
    # A new model around the same layers has no optimizer or loss.
    plain = keras.Model(
        _one_or_all(model.inputs), _one_or_all(model.outputs), name=model.name
    )
    with atomic_write(path) as partial:
        plain.save(partial)
        _make_repeatable(partial)
        if bands is not None:
            with zipfile.ZipFile(partial, "a") as archive:
                text = json.dumps(bands.as_plain())
                archive.writestr(zipfile.ZipInfo(BANDS_MEMBER, _NO_TIME), text)


def read_bands(path: Path | str) -> Bands | None:
    """Bands of the images that the model in a file was trained on; None if unknown.

    Args:
        path: a `.keras` file of `save_model`; others carry none.

    Warns:
        SegshrinkWarning: if the file carries some that do not hold.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(BANDS_MEMBER).file_size > _MOST_BANDS_BYTES:
                raise ValueError("too large")
            text = archive.read(BANDS_MEMBER)
        return Bands.model_validate_json(text)
    except (OSError, KeyError, zipfile.BadZipFile):
        return None
    except (ValueError, RuntimeError, zlib.error) as error:
        warnings.warn(
            f"{path}: the bands in it are ignored, since they do not hold "
            f"({first_line(error)}).",
            SegshrinkWarning,
            stacklevel=2,
        )
        return None


def _check_kind(path: Path) -> None:
    if not path.exists():
        raise ModelError(f"{path}: no such file. Name a .keras file.")
    other = Format.of_file(path)
    if other not in (None, Format.KERAS):
        raise ModelError(
            f"{path}: {other.label} holds no layers of Keras, which are needed here. "
            "It can be evaluated, benchmarked, predicted with, and teach; for all else "
            f"{_SAVE_IT}"
        )
    if (kind := irregular(path)) not in (None, "a folder"):
        raise ModelError(f"{path}: {kind}, where a regular file must be.")
    if kind is not None:
        raise ModelError(f"{path}: a folder. Name the .keras file itself.")
    if path.suffix == ".keras":
        right = zipfile.is_zipfile(path)
    elif path.suffix in HDF5_SUFFIXES:
        right = _starts_with(path, _HDF5_SIGNATURE)
    else:
        raise ModelError(
            f"{path}: a model must be a .keras, .h5 or .hdf5 file, got "
            f"{path.suffix or 'no suffix'!r}. "
            f"{remedy_for(path) or 'S' + _SAVE_IT[1:]}"
        )
    if not right:
        raise ModelError(
            f"{path}: not a Keras model; it may have been cut short. Copy or train it "
            "again."
        )
    if path.suffix == ".keras":
        check_archive(path)


def _starts_with(path: Path, signature: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(signature)) == signature


def _one_or_all(tensors: list[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors


def _make_repeatable(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(members["metadata.json"])
    metadata.pop("date_saved", None)
    config = json.loads(members["config.json"], object_hook=_without_address)
    members["metadata.json"] = json.dumps(metadata).encode()
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _NO_TIME), content)


def _without_address(entry: dict[str, object]) -> dict[str, object]:
    # Keras marks a precision policy that layers share by its address in memory. The
    # policy has no state, so each layer can read its own.
    if entry.get("class_name") == "DTypePolicy":
        entry.pop("shared_object_id", None)
    return entry
