"""Settings of a training run and of its supervised losses."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from segshrink.errors import RecipeError
from segshrink.reading import holds_truth
from segshrink.recipe.data import Augmentation
from segshrink.recipe.settings import Settings


class LossSettings(Settings):
    """Weights of the supervised losses; a weight of 0 leaves a loss out.

    `class_weights`: one factor per class in the order of the data set's classes, or
    `"balanced"` for inverse square-root frequency in the training part.
    """

    cross_entropy: float = Field(1.0, ge=0)
    dice: float = Field(1.0, ge=0)
    focal: float = Field(0.0, ge=0)
    class_weights: (
        tuple[Annotated[float, Field(ge=0)], ...] | Literal["balanced"] | None
    ) = None

    @field_validator("class_weights", mode="before")
    @classmethod
    def _weights_or_balanced(cls, value: Any) -> Any:
        # This runs before Pydantic tries the types, which gives one fault per type.
        if value is not None and value != "balanced" and not _are_weights(value):
            raise ValueError(
                "must be balanced, or numbers >= 0, one per class and not all 0"
            )
        return value

    @model_validator(mode="after")
    def _something_to_minimize(self) -> Self:
        if not any(self.weights.values()):
            raise ValueError("at least one loss needs a weight above 0")
        return self

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each loss by its name: every field except `class_weights`."""
        return {name: value for name, value in self if name != "class_weights"}


def _are_weights(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and not holds_truth(value)
        and all(isinstance(x, int | float) and 0 <= x < math.inf for x in value)
        and any(value)
    )


class TrainingSettings(Settings):
    """One training run.

    The defaults bound the number of tiles, so that a run takes about an hour on two
    cores however large the data set is.

    `tiles_per_epoch`: training tiles per epoch; None is as many as cover every training
    image once. `batch_size`: tiles in a batch; auto is 8 on processors and up to 64 on
    an accelerator, as its memory allows, with `learning_rate` times
    `sqrt(batch_size / 8)`. `patience`: epochs without a better validation mIoU before
    training stops; None never stops early. `warmup` is the share of all steps in which
    the learning rate climbs from 0. `validate_every`: epochs between validations.
    `tiles_on`: where tiles are cut and augmented; auto is the accelerator, if there is
    one and the images fit into its memory, and else the host. Tiles are the same on
    both. `precision`: of the layers in training steps; auto is bfloat16 on an
    accelerator that computes in it, and else float32. Weights, losses, validation and
    files are float32 in both. A run that began in one may resume in the other: weights
    go on from where they were, and differ from then on by the rounding.
    """

    epochs: int = Field(10, ge=1)
    tiles_per_epoch: int | None = Field(480, ge=1)
    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = 8
    learning_rate: float = Field(3e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    warmup: float = Field(0.05, ge=0, lt=1)
    patience: int | None = Field(None, ge=1)
    validate_every: int = Field(1, ge=1)
    tiles_on: Literal["auto", "host", "device"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    loss: LossSettings = LossSettings()
    augmentation: Augmentation = Augmentation()

    @field_validator("batch_size", mode="before")
    @classmethod
    def _number_or_auto(cls, value: Any) -> Any:
        # As for `class_weights`, one fault rather than one per type.
        if value != "auto" and not (isinstance(value, int) and value >= 1):
            raise ValueError(f"must be auto, or a whole number >= 1, got {value!r}")
        return value

    @property
    def tiles_in_batch(self) -> int:
        """`batch_size` as a number, which `segshrink.training.settled` makes of auto.

        Raises:
            RecipeError: if it is still auto.
        """
        if self.batch_size == "auto":
            raise RecipeError(
                "batch_size: auto depends on the models. Call segshrink.training."
                "settled first, or give a number."
            )
        return self.batch_size


class StudentTrainingSettings(TrainingSettings):
    """A student's training run, which starts from the teacher's weights if pruned."""

    # These are defaults of the fields, not of the section, so that a recipe that sets
    # only `epochs` does not fall back to the teacher's learning rate.
    epochs: int = Field(8, ge=1)
    learning_rate: float = Field(4e-3, gt=0)
