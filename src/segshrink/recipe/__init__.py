"""A recipe says everything a run does: plain data, validated as a whole.

A recipe is a YAML file of the shape of `Recipe`. Nothing in it is executed or imported.
Every field has a default, so an empty recipe is the default run.
"""

from segshrink.recipe.data import Augmentation, DataSettings
from segshrink.recipe.distillation import (
    FEATURE_LOSSES,
    LOGIT_LOSSES,
    DistillationSettings,
)
from segshrink.recipe.files import ExportSettings, MeasuringSettings
from segshrink.recipe.loading import (
    load_recipe,
    parse_recipe,
    read_recipe_data,
    recipe_faults,
    recipe_yaml,
)
from segshrink.recipe.models import (
    CompactSettings,
    EfficientNetLiteSettings,
    TeacherModelSettings,
    UNetSettings,
)
from segshrink.recipe.named import recipe_file, shipped_recipes
from segshrink.recipe.pruning import (
    LOOK_AT_DATA,
    PRUNING_TILES,
    BudgetSettings,
    PruningSettings,
)
from segshrink.recipe.recipe import Recipe, StudentSettings, TeacherSettings
from segshrink.recipe.settings import Plain, Settings
from segshrink.recipe.training import (
    LossSettings,
    StudentTrainingSettings,
    TrainingSettings,
)

__all__ = [
    "FEATURE_LOSSES",
    "LOGIT_LOSSES",
    "LOOK_AT_DATA",
    "PRUNING_TILES",
    "Augmentation",
    "BudgetSettings",
    "CompactSettings",
    "DataSettings",
    "DistillationSettings",
    "EfficientNetLiteSettings",
    "ExportSettings",
    "LossSettings",
    "MeasuringSettings",
    "Plain",
    "PruningSettings",
    "Recipe",
    "Settings",
    "StudentSettings",
    "StudentTrainingSettings",
    "TeacherModelSettings",
    "TeacherSettings",
    "TrainingSettings",
    "UNetSettings",
    "load_recipe",
    "parse_recipe",
    "read_recipe_data",
    "recipe_faults",
    "recipe_file",
    "recipe_yaml",
    "shipped_recipes",
]
