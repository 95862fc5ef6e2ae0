"""Names and colours of the classes of a file."""

from types import SimpleNamespace

import pytest

from segshrink.records.measurement import ClassColor
from segshrink.records.metadata import FileMetadata
from segshrink.runtimes import legend


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        FileMetadata(),
        FileMetadata(classes=[ClassColor(name="a", color=(1, 2, 3))]),
    ],
)
def test_classes_without_metadata_have_numbers(metadata):
    artifact = SimpleNamespace(metadata=metadata, num_classes=3)
    found = legend(artifact)
    assert [name for name, _ in found] == ["class 0", "class 1", "class 2"]
    assert len({color for _, color in found}) == 3
