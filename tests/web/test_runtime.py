"""The files of LiteRT.js are those that were looked at."""

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from segshrink.web.runtime import VENDOR, library, packed, runtime_name

FOR_TESTS = Path(__file__).parent / "vendor"


def entries(folder):
    contents = json.loads((folder / "contents.json").read_text(encoding="utf-8"))
    return [(folder, name, entry) for name, entry in contents["files"].items()]


def applied(base: bytes, delta: bytes) -> bytes:
    """The target of a delta, by the description in `scripts/vendor_web`."""
    count = int(np.frombuffer(delta[:4], "<i4")[0])
    adds, inserts, moves = np.frombuffer(delta[4 : 4 + 12 * count], "<i4").reshape(
        3, -1
    )
    added, source = (
        np.frombuffer(delta[4 + 12 * count :], np.uint8),
        np.frombuffer(base, np.uint8),
    )
    inserted = added[int(adds.sum()) :]
    parts, position, at = [], 0, 0
    for add, insert, move in zip(adds, inserts, moves, strict=True):
        parts.append(source[at : at + add] + added[position : position + add])
        parts.append(inserted[:insert])
        inserted, position, at = inserted[insert:], position + add, at + add + move
    return np.concatenate(parts).tobytes()


@pytest.mark.parametrize(
    ("folder", "name", "entry"), [*entries(VENDOR), *entries(FOR_TESTS)], ids=str
)
def test_each_file_has_its_checksum(folder, name, entry):
    content = gzip.decompress((folder / name).read_bytes())
    if "base" in entry:
        base = next(x for _, x, e in entries(folder) if e["source"] == entry["base"])
        content = applied(gzip.decompress((folder / base).read_bytes()), content)
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]


def test_nothing_else_lies_there():
    named = {name for _, name, _ in entries(VENDOR)}
    assert {path.name for path in VENDOR.iterdir()} == named | {
        "contents.json",
        "LICENSE",
    }


def test_packages_are_pinned_with_licence_and_checksum():
    contents = json.loads((VENDOR / "contents.json").read_text(encoding="utf-8"))
    for package in contents["packages"]:
        assert package["license"] == "Apache-2.0"
        assert package["integrity"].startswith("sha512-")
        assert package["version"] == runtime_name().removeprefix("LiteRT.js ")


def test_the_library_has_no_imports_and_asks_for_no_file():
    text = library()
    assert "loadAndCompile" in text and "createWasmLib" in text
    for word in ("\nimport ", "\nexport ", "sourceMappingURL"):
        assert word not in text
    assert packed("litert.wasm")[:2] == b"\x1f\x8b"
