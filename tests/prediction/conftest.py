"""A model file whose predictions are known."""

import pytest

from .pictures import BrightnessArtifact


@pytest.fixture
def artifact(tmp_path):
    path = tmp_path / "brightness.tflite"
    path.write_text("one")
    return BrightnessArtifact(path)
