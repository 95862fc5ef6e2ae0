"""The context of a training run, which nobody can mix up by position."""

from dataclasses import FrozenInstanceError

import pytest

from segshrink.progress import SilentProgress
from segshrink.training import TrainingContext


def test_only_data_and_folder_are_required(tiny_dataset, tmp_path):
    context = TrainingContext(dataset=tiny_dataset, folder=tmp_path)
    assert context.seed == 0 and context.label == "training"
    assert isinstance(context.progress, SilentProgress)
    with pytest.raises(TypeError):
        TrainingContext(tiny_dataset, tmp_path)


def test_each_context_has_its_own_progress_and_does_not_change(tiny_dataset, tmp_path):
    contexts = [
        TrainingContext(dataset=tiny_dataset, folder=tmp_path) for _ in range(2)
    ]
    assert contexts[0].progress is not contexts[1].progress
    with pytest.raises(FrozenInstanceError):
        contexts[0].seed = 1
