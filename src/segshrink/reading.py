"""Reading of small files that a user names: bounded, and nothing in them is believed.

Sizes, depths and aliases are checked before memory is asked for, so that no file can
hold up a verb or fill the machine.
"""

import json
import os
import re
import stat
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import yaml

MOST_YAML_BYTES = 1 << 20
MOST_JSON_BYTES = 1 << 26

_MOST_DEPTH = 40
# Nodes that all aliases of a file stand for together.
_MOST_REPEATED = 10_000
_MOST_DIGITS = 400
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_OWN_DESCRIPTORS = ("/dev/stdin", "/dev/fd/")
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


# What numpy.load raises for a damaged array or archive; which one depends on where the
# damage is.
DAMAGED_ARRAY = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    SyntaxError,
    MemoryError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


class ReadingFault(ValueError):
    """A file that is not read; the message goes on after its name and a colon."""


def holds_truth(value: Any) -> bool:
    """Whether plain data is true or false, or a list with one of them in it.

    Pydantic takes them for 1 and 0 where numbers are wanted.
    """
    if isinstance(value, list | tuple):
        return any(map(holds_truth, value))
    return isinstance(value, bool)


def irregular(path: Path | str) -> str | None:
    """The kind of what a path names if that is no regular file, such as `"a pipe"`.

    Devices never end, and pipes may never begin; files of `/proc` have no size.

    Raises:
        OSError: if there is no such file.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        return _KINDS.get(stat.S_IFMT(status.st_mode), "no file")
    return "a file of the kernel" if _is_of_proc(status) else None


def _is_of_proc(status: os.stat_result) -> bool:
    try:
        return status.st_dev == os.stat("/proc/self").st_dev
    except OSError:  # only Linux has it
        return False


def read_small(path: Path | str, most_bytes: int) -> bytes:
    """The content of a regular file, or of a pipe that the shell opened for us.

    Args:
        path: the file; `/dev/stdin` and the names of `<(command)` may be pipes.
        most_bytes: largest size that is read.

    Raises:
        ReadingFault: if it is something else, or larger.
        OSError: if it cannot be read.
    """
    kind = irregular(path)
    is_pipe = kind == "a pipe" and os.fspath(path).startswith(_OWN_DESCRIPTORS)
    if kind is not None and not is_pipe:
        raise ReadingFault(f"cannot be read: {kind}, where a regular file must be.")
    with Path(path).open("rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ReadingFault(
            f"larger than {_shown(most_bytes)}, which is the most that is read of such "
            "a file. Name another, or shorten it."
        )
    return content


def _shown(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def read_yaml(path: Path | str) -> Any:
    """The content of a YAML file of at most `MOST_YAML_BYTES`.

    Raises:
        ReadingFault: if it is not what `parse_yaml` takes, or too large.
        UnicodeDecodeError: if it is not UTF-8.
        OSError: if it cannot be read.
    """
    return parse_yaml(read_small(path, MOST_YAML_BYTES).decode())


def read_json_or_yaml(path: Path) -> Any:
    """The content of a file, JSON if its name ends in `.json`, and else YAML.

    Raises:
        ReadingFault: if it is neither, or too large.
        UnicodeDecodeError: if it is not UTF-8.
        OSError: if it cannot be read.
    """
    if path.suffix.lower() != ".json":
        return read_yaml(path)
    return parse_json(read_small(path, MOST_JSON_BYTES))


def parse_json(content: bytes) -> Any:
    """Data from JSON.

    Raises:
        ReadingFault: if it is not JSON, gives a key twice or is nested too deeply.
        UnicodeDecodeError: if it is not UTF-8.
    """
    try:
        data = json.loads(content.decode(), object_pairs_hook=_each_key_once)
        if _ESCAPED_SURROGATE.search(content):
            # Half of a character of UTF-16 can be neither printed nor written.
            json.dumps(data, ensure_ascii=False).encode()
    except RecursionError:
        raise ReadingFault("not JSON. It is nested too deeply.") from None
    except UnicodeEncodeError:
        raise ReadingFault("not JSON. It has half of a character.") from None
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        raise ReadingFault(f"not JSON. {error}") from None
    return data


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"The key {twice!r:.60} is given twice. Drop one.")
    return entries


def parse_yaml(text: str) -> Any:
    """Data from YAML: one document, of plain types.

    Raises:
        ReadingFault: if it is not YAML, gives a key twice, is nested deeper than 40, or
            repeats too much by aliases.
    """
    try:
        return yaml.load(text, _Loader)
    except ReadingFault:
        raise
    # A tag whose value does not fit raises whatever its constructor happens to.
    except Exception as error:
        is_told = isinstance(error, yaml.YAMLError)
        reason = str(error) if is_told else f"A value does not fit its tag: {error!r}"
        raise ReadingFault(f"not YAML. {reason}") from None


class _Loader(yaml.SafeLoader):
    """SafeLoader that bounds depth and aliases, and takes each key once."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._composed = self._repeated = 0
        self._sizes: dict[str, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node, counting what its aliases stand for."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            # An alias within its own anchor has no size yet: it would have no end.
            if event.anchor in self.anchors and event.anchor not in self._sizes:
                raise _fault(event.start_mark, "an alias repeats what it is in")
            self._count(self._sizes.get(event.anchor or "", 0), event.start_mark)
            return super().compose_node(parent, index)
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise _fault(event.start_mark, f"nested deeper than {_MOST_DEPTH}")
        before = self._composed + self._repeated
        self._composed += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if event.anchor is not None:
            self._sizes[event.anchor] = self._composed + self._repeated - before
        return node

    def _count(self, nodes: int, mark: Any) -> None:
        self._repeated += nodes
        if self._repeated > _MOST_REPEATED:
            raise _fault(mark, f"aliases repeat more than {_MOST_REPEATED:,} nodes")

    def compose_scalar_node(self, anchor: Any) -> Any:
        """Compose a value; half of a character of UTF-16 is none."""
        node = super().compose_scalar_node(anchor)
        try:
            node.value.encode()
        except UnicodeEncodeError:
            raise _fault(node.start_mark, "half of a character") from None
        if node.tag.endswith(":int") and len(node.value) > _MOST_DIGITS:
            raise _fault(node.start_mark, f"a number of over {_MOST_DIGITS} digits")
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Compose a mapping, in which each key occurs once."""
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            spelled = key.tag, key.value
            if spelled in seen and not key.tag.endswith(":merge"):
                text = f"the key {key.value!r:.60} is given twice; drop one"
                raise _fault(key.start_mark, text)
            seen.add(spelled)
        return node


def _fault(mark: Any, text: str) -> ReadingFault:
    return ReadingFault(
        f"not YAML. Line {mark.line + 1}, column {mark.column + 1}: {text}."
    )
