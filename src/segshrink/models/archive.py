"""Checks of a `.keras` archive before Keras unpacks it."""

import warnings
import zipfile
import zlib
from pathlib import Path

from segshrink.errors import ModelError, SegshrinkWarning

_NEEDED = ("metadata.json", "config.json")
_WEIGHTS = "model.weights."
# In the archive, beside what Keras reads.
BANDS_MEMBER = "segshrink-bands.json"

_MOST_JSON_BYTES = 1 << 26
# Bytes that any archive may be unpacked to, and how many times its own size: Keras does
# not compress weights, and those of a trained model hardly can be.
_UNSUSPICIOUS_BYTES = 1 << 28
_MOST_UNPACKED = 20
_AGAIN = "Copy or train it again."


def check_archive(path: Path) -> None:
    """Refuse an archive that is damaged, lacks a part, or is a bomb.

    Sizes are compared before anything is unpacked, then the checksum of each member.

    Args:
        path: a file that is a zip archive.

    Raises:
        ModelError: naming what is wrong.

    Warns:
        SegshrinkWarning: if it holds files that are no part of a model.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive.infolist())
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError) as error:
        raise ModelError(f"{path}: a damaged archive ({error}). {_AGAIN}") from error
    except (RuntimeError, NotImplementedError) as error:
        # Encrypted, or compressed in a way that Python does not know.
        raise ModelError(f"{path}: cannot be unpacked ({error}). {_AGAIN}") from error
    if damaged is not None:
        raise ModelError(f"{path}: {damaged} in it is damaged. {_AGAIN}")


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    names = [each.filename for each in members]
    if len(set(names)) < len(names):
        raise ModelError(f"{path}: an archive with two files of one name. {_AGAIN}")
    missing = [name for name in _NEEDED if name not in names]
    if not any(name.startswith(_WEIGHTS) for name in names):
        missing.append(f"{_WEIGHTS}h5")
    if missing:
        raise ModelError(
            f"{path}: an archive without {' and '.join(missing)}, which each Keras "
            "model has. Save it with model.save('NAME.keras')."
        )
    unpacked = sum(each.file_size for each in members)
    packed = path.stat().st_size
    if unpacked > max(_UNSUSPICIOUS_BYTES, _MOST_UNPACKED * packed):
        raise ModelError(
            f"{path}: {packed:,} bytes would be unpacked to {unpacked:,}, as none of a "
            f"model are. {_AGAIN}"
        )
    for each in members:
        is_json = each.filename.endswith(".json")
        if is_json and each.file_size > _MOST_JSON_BYTES:
            raise ModelError(f"{path}: {each.filename} in it is too large. {_AGAIN}")
    others = [name for name in names if not _is_of_model(name)]
    if others:
        warnings.warn(
            f"{path}: holds {', '.join(others)[:200]}, which is no part of a Keras "
            "model and is not read. If you did not put it there, ask where it is from.",
            SegshrinkWarning,
            stacklevel=4,
        )


def _is_of_model(name: str) -> bool:
    known = (*_NEEDED, BANDS_MEMBER)
    return name in known or name.startswith((_WEIGHTS, "assets/"))
