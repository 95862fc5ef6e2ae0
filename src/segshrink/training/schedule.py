"""Learning rate over a run: a linear warm-up, then a cosine to zero."""

import keras

from segshrink.recipe import TrainingSettings


def warmup_cosine(
    settings: TrainingSettings, total_steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Climb linearly to `settings.learning_rate`, then fall to 0 along a cosine.

    Reference: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm
    Restarts, 2017 (without the restarts).

    Args:
        settings: `learning_rate` is the peak; `warmup` is the share of `total_steps`
            in which it is reached.
        total_steps: optimizer steps of the whole run, at least 1.

    Returns:
        A schedule over the optimizer's iterations.
    """
    warmup_steps = round(settings.warmup * total_steps)
    decay_steps = max(1, total_steps - warmup_steps)
    if warmup_steps == 0:
        return keras.optimizers.schedules.CosineDecay(
            settings.learning_rate, decay_steps
        )
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=decay_steps,
        warmup_target=settings.learning_rate,
        warmup_steps=warmup_steps,
    )
