"""A format that is added is known wherever one is looked up."""

from typing import get_args, get_type_hints

import keras
import pytest

from segshrink.export import export_model, exporting, metadata, output, writing
from segshrink.formats import _TRAITS, EXPORTED, Format, Precision
from segshrink.quantization.fake_quantized_layers import LARGEST_WEIGHT
from segshrink.records.metadata import FileMetadata
from segshrink.reporting.plots import theme
from segshrink.runtimes import loading

INT8 = {each for each in EXPORTED if Precision.INT8 in each.precisions}
TABLES: dict[str, tuple[dict, set[Format]]] = {
    "formats._TRAITS": (_TRAITS, set(Format)),
    "export.writing._WRITERS": (writing._WRITERS, set(EXPORTED)),
    "export.metadata._WRITERS": (metadata._WRITERS, set(EXPORTED)),
    "export.metadata._READERS": (metadata._READERS, set(EXPORTED)),
    "export.exporting._CONVERTERS": (exporting._CONVERTERS, set(EXPORTED)),
    "export.output._ENDS": (output._ENDS, set(EXPORTED)),
    "export.exporting._QUANTIZERS": (exporting._QUANTIZERS, INT8),
    "quantization.fake_quantized_layers.LARGEST_WEIGHT": (LARGEST_WEIGHT, INT8),
    "runtimes.loading._OPENERS": (loading._OPENERS, set(Format)),
    "reporting.plots.theme._MARKERS": (theme._MARKERS, set(Format)),
}


@pytest.mark.parametrize(("table", "formats"), TABLES.values(), ids=TABLES)
def test_a_table_has_every_format(table, formats):
    assert set(table) == formats


def test_the_markers_of_plots_differ_and_are_in_the_order_of_reports():
    assert list(theme._MARKERS) == list(Format)
    assert len(set(theme._MARKERS.values())) == len(Format)


def test_type_checkers_know_the_names_that_export_model_takes():
    names = {"keras": keras, "FileMetadata": FileMetadata}
    hints = get_type_hints(export_model, localns=names)
    assert _names(hints["format"]) == set(EXPORTED)
    assert _names(hints["quantize"]) == set(Precision) - {Precision.FLOAT32}


def _names(hint: object) -> set[str]:
    """Strings that a union of literals and other types holds."""
    return {x for part in get_args(hint) for x in get_args(part)}
