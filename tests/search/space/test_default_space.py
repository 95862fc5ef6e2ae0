"""What is searched by default can be done to the models that are there by default."""

import numpy as np
import pytest

from segshrink.models import build_model
from segshrink.pruning import plan_pruning
from segshrink.recipe import LOOK_AT_DATA, parse_recipe
from segshrink.search.space import default_space


@pytest.mark.parametrize("norm", ["batch", None])
def test_every_criterion_prunes_the_classical_unet(norm):
    model = build_model(
        "unet", num_classes=3, input_shape=(32, 32, 3), base_filters=4, levels=2,
        norm=norm,
    )  # fmt: skip
    recipe = parse_recipe({"teacher": {"model": {"norm": norm}}})
    space = default_space(recipe, "student")
    criteria = space["student.pruning.criterion"].choice
    assert len(criteria) == 3
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (4, 32, 32, 3), np.uint8)
    labels = random.integers(0, 3, (4, 32, 32), np.uint8)
    for criterion in criteria:
        data = (images, labels) if criterion in LOOK_AT_DATA else None
        plan = plan_pruning(model, keep=0.5, criterion=criterion, data=data)
        assert plan.apply(model).count_params() < model.count_params()
