"""Names in an ONNX file that do not depend on what the process did before."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_COUNTED = re.compile(r"__(\d+)(?!\d)")


def renumber(path: Path) -> None:
    """Count the converter's own names from 0 in the order of the file.

    The converter numbers what it adds over all its files of a process, as in
    `conv/Transpose__35`, so that a run that was resumed would write other bytes than
    one that was not.

    Args:
        path: an ONNX file, replaced.
    """
    import onnx

    model = onnx.load(str(path))
    places: dict[str, int] = {}

    def renamed(match: re.Match[str]) -> str:
        return f"__{places.setdefault(match[1], len(places))}"

    for graph in _graphs(model.graph):
        for node in graph.node:
            node.name = _COUNTED.sub(renamed, node.name)
            for names in (node.input, node.output):
                names[:] = [_COUNTED.sub(renamed, name) for name in names]
        for named in (
            *graph.input,
            *graph.output,
            *graph.initializer,
            *graph.value_info,
        ):
            named.name = _COUNTED.sub(renamed, named.name)
    # It says in which temporary folder the converter worked.
    model.graph.ClearField("doc_string")
    onnx.save(model, str(path))


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph, and those inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)
            for inner in attribute.graphs:
                yield from _graphs(inner)
