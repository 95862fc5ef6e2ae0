"""LiteRT.js as it lies beside this file: pinned, compressed, held by checksums.

`vendor/contents.json` says which packages the files are from and what their bytes
are; `scripts/vendor_web` renews them. Nothing is downloaded when a page is written or
opened.
"""

import gzip
import re
from pathlib import Path

from segshrink.reading import parse_json

VENDOR = Path(__file__).parent / "vendor"

_IMPORT = re.compile(r"^import .*;$", re.MULTILINE)
_EXPORT = re.compile(r"^export \{.*?\};$", re.MULTILINE | re.DOTALL)
_SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)


def packed(name: str) -> bytes:
    """A file of the runtime, compressed with gzip.

    Args:
        name: such as `"litert.wasm"`.
    """
    return (VENDOR / f"{name}.gz").read_bytes()


def library() -> str:
    """The modules of LiteRT.js as one script without imports and exports."""
    modules = [gzip.decompress(packed(name)) for name in ("wasm_utils.js", "core.js")]
    text = "\n".join(module.decode() for module in modules)
    for pattern in (_IMPORT, _EXPORT, _SOURCE_MAP):
        text = pattern.sub("", text)
    return text


def licence() -> str:
    """The licence of the runtime."""
    return (VENDOR / "LICENSE").read_text(encoding="utf-8")


def runtime_name() -> str:
    """Name and version of the runtime."""
    contents = parse_json((VENDOR / "contents.json").read_bytes())
    return f"LiteRT.js {contents['packages'][0]['version']}"
