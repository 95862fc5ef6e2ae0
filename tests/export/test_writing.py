"""Conversion by suffix; `tests/contracts/test_exports.py` runs it for every format."""

import pytest

from export.tiny_models import tiny_unet
from segshrink.errors import ExportError
from segshrink.export.writing import write_file
from segshrink.formats import EXPORTED, Precision


@pytest.mark.parametrize("name", ["m.keras", "m.pb", "m"])
def test_a_format_without_a_writer_is_refused(name, tmp_path):
    known = ", ".join(EXPORTED)
    with pytest.raises(ExportError, match=f"{name}: the format must be one of {known}"):
        write_file(tiny_unet(), tmp_path / name, Precision.FLOAT32, None)
    assert not list(tmp_path.iterdir())
