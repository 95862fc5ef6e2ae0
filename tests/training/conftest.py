"""Context of the training runs in these tests."""

import pytest

from segshrink.training import TrainingContext


@pytest.fixture
def context(tmp_path, tiny_dataset):
    return TrainingContext(dataset=tiny_dataset, folder=tmp_path)
