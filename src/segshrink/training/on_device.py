"""A trainee whose tiles are made inside its own compiled step."""

from collections.abc import Mapping
from typing import Any

import keras

from segshrink.training.device_tiles import DeviceImages


class DeviceTrainee(keras.Model):
    """Trains `trainee` on tiles that `images` makes of a few numbers each.

    `fit` takes a `DrawBatch` in place of images and labels. Losses, metrics, optimizer
    and weights are the trainee's own, so that a run resumes with or without this.

    Args:
        trainee: compiled model that is trained in place.
        images: the images of the training part.
    """

    def __init__(self, trainee: keras.Model, images: DeviceImages) -> None:
        super().__init__(name="device_trainee")
        self.trainee = trainee
        self.images = images
        self.built = True
        self.compile(trainee.optimizer, jit_compile=trainee.jit_compile)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Those of the trainee, which each epoch resets, with the loss of this."""
        others = [metric for metric in self.trainee.metrics if metric.name != "loss"]
        return [self._loss_tracker, *others]

    def call(self, draws: Mapping[str, Any], training: bool | None = None) -> Any:
        """Output of the trainee, with the images and labels it belongs to."""
        images, labels = self.images(draws)
        return self.trainee(images, training=training), images, labels

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Loss of the trainee on the tiles that were made."""
        outputs, images, labels = y_pred
        # On JAX, Keras hands losses that layers added to the model that `fit` was
        # called of, which is this one.
        self.trainee._losses_override = list(self._losses_override)
        try:
            return self.trainee.compute_loss(
                images, labels, outputs, sample_weight, training=training
            )
        finally:
            self.trainee._losses_override = []

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Metrics of the trainee, beside the loss."""
        outputs, images, labels = y_pred
        self.trainee.compute_metrics(images, labels, outputs, sample_weight)
        return self.get_metrics_result()
