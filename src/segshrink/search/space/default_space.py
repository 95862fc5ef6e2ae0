"""The default space of a search."""

from segshrink.recipe import Recipe
from segshrink.search.space.dimension import Dimension


def default_space(recipe: Recipe, of: str) -> dict[str, Dimension]:
    """The space that is searched where the section `search` gives none.

    Args:
        recipe: decides which fields have an effect.
        of: `"student"` or `"teacher"`.
    """
    if of == "teacher":
        return _teacher_space(recipe)
    training = {
        "student.training.learning_rate": _real(2e-4, 1e-2, log=True),
        "student.distillation.supervised": _real(0.0, 1.0),
    }
    shape = _pruning_space if recipe.student.kind == "pruned" else _compact_space
    return training | _loss_space(recipe) | shape(recipe)


def _teacher_space(recipe: Recipe) -> dict[str, Dimension]:
    section = "teacher.training"
    space = {
        f"{section}.learning_rate": _real(1e-4, 1e-2, log=True),
        f"{section}.batch_size": Dimension(int=(4, 32), log=True),
        f"{section}.weight_decay": _real(1e-6, 1e-2, log=True),
    }
    others = recipe.teacher.training.loss.weights
    del others["dice"]
    # The only loss needs a weight above 0, and its size then changes nothing.
    if any(others.values()):
        space[f"{section}.loss.dice"] = _real(0.0, 2.0)
    return space


def _loss_space(recipe: Recipe) -> dict[str, Dimension]:
    losses = recipe.student.distillation.losses
    if losses is None:
        place = "student.distillation.losses.channel_wise"
        return {place: _real(0.3, 30.0, log=True)}
    if "pixel_kl" in losses:
        return {"student.distillation.temperature": _real(1.0, 6.0, log=True)}
    return {}


def _pruning_space(recipe: Recipe) -> dict[str, Dimension]:
    pruning = recipe.student.pruning
    space = {"student.pruning.scope": Dimension(choice=("layer", "global"))}
    if pruning.budget is None:
        space["student.pruning.keep"] = _real(0.1, 0.6, log=True)
    # With tiles and no recovery the criterion must be one that uses them.
    if pruning.tiles is None or pruning.recovery != "none":
        # Slimming is left out, since it needs normalization in every layer.
        criteria = ("group_norm", "l1", "taylor")
        space["student.pruning.criterion"] = Dimension(choice=criteria)
    return space


def _compact_space(recipe: Recipe) -> dict[str, Dimension]:
    return {
        "student.model.width": Dimension(int=(8, 64), step=8),
        "student.model.stem_stride": Dimension(choice=(2, 4)),
    }


def _real(low: float, high: float, *, log: bool = False) -> Dimension:
    return Dimension(float=(low, high), log=log)
