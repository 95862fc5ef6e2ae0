"""A recipe says everything a run does: plain data, validated as a whole.

A recipe is a YAML file of the shape of `Recipe`. Nothing in it is executed or imported.
Every field has a default, so an empty recipe is the default run.
"""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from segshrink.errors import Place, RecipeError, fault_lines, fault_message


class _Settings(BaseModel):
    """Unknown fields are faults: a misspelt option must not pass silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        # Pydantic would read `patience: yes` as 1.
        field = cls.model_fields[str(info.field_name)]
        if isinstance(value, bool) and field.annotation is not bool:
            raise ValueError("true and false have no meaning here")
        return value


class DataSettings(_Settings):
    """Where images come from and how they are cut.

    `source` is a folder or `"synthetic"`; `scenes` and `scene_px` apply to
    `"synthetic"` only and are refused for a folder. With `protocol: random-patch` the
    file `split` lists patches instead of scenes: such a split leaks, and is for
    comparing with figures that were published under this protocol.
    """

    source: str = "synthetic"
    split: str | None = None
    protocol: Literal["random-patch"] | None = None
    split_seed: int = Field(0, ge=0)
    tile_px: int = Field(256, ge=32, multiple_of=32)
    scenes: int | None = Field(None, ge=3)
    scene_px: int | None = Field(None, ge=64)

    @model_validator(mode="after")
    def _synthetic_options_need_synthetic(self) -> "DataSettings":
        if self.source != "synthetic" and (self.scenes or self.scene_px):
            raise ValueError("scenes and scene_px apply to source: synthetic only")
        return self

    @model_validator(mode="after")
    def _protocol_needs_its_split(self) -> "DataSettings":
        if self.protocol and self.split is None:
            raise ValueError(
                f"protocol: {self.protocol} needs split, a file of patches"
            )
        if self.protocol and (self.scenes or self.scene_px):
            raise ValueError(
                f"scenes and scene_px have no effect with protocol: {self.protocol}"
            )
        return self


class Augmentation(_Settings):
    """Random changes to training tiles, the same for image and mask.

    `scale_jitter` (low, high) is the range of zoom factors of the random crop, drawn
    log-uniformly; (1, 1) switches it off. `photometric` in [0, 1] scales brightness,
    contrast and colour-cast changes; 0 switches them off.
    """

    flips: bool = True
    quarter_turns: bool = True
    scale_jitter: tuple[float, float] = (0.75, 1.333)
    photometric: float = Field(0.2, ge=0, le=1)

    @model_validator(mode="after")
    def _scale_is_a_range(self) -> "Augmentation":
        low, high = self.scale_jitter
        if not 0.25 <= low <= high <= 4:
            raise ValueError(
                f"scale_jitter must be low <= high within 0.25 to 4, got {low}, {high}"
            )
        return self


class LossSettings(_Settings):
    """Weights of the supervised losses; a weight of 0 leaves a loss out.

    `class_weights`: one factor a class in the order of the data set's classes, or
    `"balanced"` for inverse square-root frequency in the training part.
    """

    cross_entropy: float = Field(1.0, ge=0)
    dice: float = Field(1.0, ge=0)
    focal: float = Field(0.0, ge=0)
    class_weights: tuple[float, ...] | Literal["balanced"] | None = None

    @field_validator("class_weights", mode="before")
    @classmethod
    def _weights_or_balanced(cls, value: Any) -> Any:
        # Before the types are looked at, which would find one fault per type.
        if value is not None and value != "balanced" and not _are_weights(value):
            raise ValueError(
                "must be balanced, or numbers >= 0, one a class and not all 0"
            )
        return value

    @model_validator(mode="after")
    def _something_to_minimize(self) -> "LossSettings":
        if not (self.cross_entropy or self.dice or self.focal):
            raise ValueError("at least one loss needs a weight above 0")
        return self


def _are_weights(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and all(isinstance(x, int | float) and 0 <= x < math.inf for x in value)
        and any(value)
    )


class TrainingSettings(_Settings):
    """One training run.

    The defaults bound the number of tiles, so that a run takes about an hour on two
    cores however large the data set is.

    `tiles_per_epoch`: training tiles an epoch; None is as many as cover every training
    image once. `patience`: epochs without a better validation mIoU before training
    stops; None never stops early. `warmup` is the share of all steps in which the
    learning rate climbs from 0. `validate_every`: epochs between validations.
    """

    epochs: int = Field(10, ge=1)
    tiles_per_epoch: int | None = Field(480, ge=1)
    batch_size: int = Field(8, ge=1)
    learning_rate: float = Field(3e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    warmup: float = Field(0.05, ge=0, lt=1)
    patience: int | None = Field(None, ge=1)
    validate_every: int = Field(1, ge=1)
    loss: LossSettings = LossSettings()
    augmentation: Augmentation = Augmentation()


class StudentTrainingSettings(TrainingSettings):
    """A student's training run; it begins from what the teacher has learnt."""

    # Defaults of the fields, not of the section: a recipe that sets only `epochs` must
    # not fall back to the teacher's learning rate.
    epochs: int = Field(8, ge=1)
    learning_rate: float = Field(2e-3, gt=0)


class UNetSettings(_Settings):
    """The classical U-Net; see `segshrink.models.build_model`."""

    name: Literal["unet"] = "unet"
    base_filters: int = Field(16, ge=4)
    levels: int = Field(4, ge=1, le=6)
    norm: Literal["batch"] | None = "batch"
    activation: Literal["relu", "relu6", "leaky_relu", "swish", "tanh", "linear"] = (
        "relu"
    )
    dropout: float = Field(0.1, ge=0, lt=1)


class EfficientNetLiteSettings(_Settings):
    """A U-Net on an encoder from ImageNet; see `segshrink.models.build_model`."""

    name: Literal["efficientnet_lite"] = "efficientnet_lite"
    variant: Literal[0, 1, 2] = 1
    weights: Literal["imagenet"] | None = "imagenet"
    dropout: float = Field(0.2, ge=0, lt=1)


class CompactSettings(_Settings):
    """The compact student; see `segshrink.models.build_model`."""

    name: Literal["compact"] = "compact"
    width: int = Field(32, ge=8, multiple_of=8)
    stem_stride: Literal[2, 4] = 2
    logits_stride: Literal[2, 4] | None = None

    @model_validator(mode="after")
    def _logits_are_not_coarser_than_the_stem(self) -> "CompactSettings":
        if self.logits_stride is not None and self.logits_stride > self.stem_stride:
            raise ValueError(
                f"logits_stride: {self.logits_stride} is coarser than stem_stride: "
                f"{self.stem_stride}"
            )
        return self


def _family(value: Any) -> Any:
    return (
        value.get("name", "unet")
        if isinstance(value, dict)
        else getattr(value, "name", None)
    )


TeacherModelSettings = Annotated[
    Annotated[UNetSettings, Tag("unet")]
    | Annotated[EfficientNetLiteSettings, Tag("efficientnet_lite")]
    | Annotated[CompactSettings, Tag("compact")],
    Discriminator(
        _family,
        custom_error_type="family",
        custom_error_message=(
            "must be a mapping with name: unet, efficientnet_lite or compact"
        ),
    ),
]


class TeacherSettings(_Settings):
    """The teacher: a model to build and train, or a trained file to take as it is."""

    file: str | None = None
    model: TeacherModelSettings = UNetSettings()
    training: TrainingSettings = TrainingSettings()

    @model_validator(mode="after")
    def _file_or_model(self) -> "TeacherSettings":
        if self.file is not None and self.model_fields_set & {"model", "training"}:
            raise ValueError(
                "a teacher file is taken as it is: drop model and training"
            )
        return self


class BudgetSettings(_Settings):
    """What the pruned model may cost; see `segshrink.pruning.budgets`.

    `target`: up to 1 a share of the teacher's cost, above 1 a number: multiply-
    accumulates, weights, milliseconds; of kind size, bytes of the file. `runtime` and
    `quantize` say which file is meant for size and latency, `threads` how it is timed.
    """

    kind: Literal["macs", "parameters", "size", "latency"]
    target: float = Field(gt=0)
    runtime: Literal["litert", "onnx"] | None = None
    threads: int | None = Field(None, ge=1)
    quantize: Literal["int8"] | None = None

    @model_validator(mode="after")
    def _options_have_an_effect(self) -> "BudgetSettings":
        known = {"size": {"runtime", "quantize"}}
        known["latency"] = known["size"] | {"threads"}
        options = {"runtime", "threads", "quantize"}
        idle = sorted(
            name
            for name in options - known.get(self.kind, set())
            if getattr(self, name) is not None
        )
        if idle:
            raise ValueError(f"{', '.join(idle)}: no effect on {self.kind}, drop it")
        if self.quantize and self.runtime == "onnx":
            raise ValueError("quantize: int8 needs runtime: litert")
        return self


# Criteria that look at images, and the number of them where none is given.
LOOK_AT_DATA = ("mean_activation", "taylor", "fisher")
PRUNING_TILES = 64


class PruningSettings(_Settings):
    """How much of the teacher's channels the student keeps, and which.

    `keep` is a share of the channels, 0.3 unless there is a `budget`. `scope` is layer
    with `keep` and global with a budget, unless given. `tiles`: training tiles that
    criteria and recovery look at. `recovery` solves the weights that read pruned
    channels anew before training. `steps`: prune so many times, with `step_epochs` of
    training between, see `segshrink.pruning.prune_in_steps`.
    """

    keep: float | None = Field(None, gt=0, lt=1)
    budget: BudgetSettings | None = None
    criterion: Literal[
        "l1",
        "l2",
        "group_norm",
        "slimming",
        "geometric_median",
        "mean_activation",
        "taylor",
        "fisher",
        "random",
    ] = "group_norm"
    scope: Literal["global", "layer"] | None = None
    multiple_of: int | None = Field(None, ge=1)
    recovery: Literal["none", "reconstruction"] = "reconstruction"
    tiles: int | None = Field(None, ge=1)
    steps: int = Field(1, ge=1)
    step_epochs: int | None = Field(None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _some_target(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("keep") is data.get("budget") is None:
            return {**data, "keep": 0.3}
        return data

    @model_validator(mode="after")
    def _options_have_an_effect(self) -> "PruningSettings":
        if self.keep is not None and self.budget is not None:
            raise ValueError("give keep or budget, not both")
        if self.tiles is not None and not self.looks_at_data:
            raise ValueError(
                f"tiles: no effect with criterion {self.criterion} and no recovery"
            )
        if self.step_epochs is not None and self.steps == 1:
            raise ValueError("step_epochs: no effect with one step")
        return self

    @property
    def looks_at_data(self) -> bool:
        """Whether training tiles are needed before training."""
        return self.criterion in LOOK_AT_DATA or self.recovery != "none"

    @property
    def tiles_looked_at(self) -> int:
        """Number of training tiles for criteria and recovery."""
        return self.tiles or PRUNING_TILES


# Losses of distillation by name: those of logits, and those of feature maps.
LOGIT_LOSSES = ("pixel_kl", "soft_dice", "channel_wise", "dist")
FEATURE_LOSSES = ("feature_hint", "attention_transfer", "pairwise_similarity")


class DistillationSettings(_Settings):
    """What the student learns from its teacher, beside the labels.

    loss = `supervised` * loss on labels + sum of weight * loss over `losses`, which are
    the losses of `segshrink.distillation` by name: pixel_kl, soft_dice, channel_wise
    and dist of logits; feature_hint, attention_transfer and pairwise_similarity of the
    feature maps whose roles begin with one of `layers`. What is not given is chosen by
    the kind of student. `temperature` is that of pixel_kl. With `fade` the teacher's
    part falls to 0 over the training, along a cosine. Pixels within 2 of a border
    between classes count `boundary_weight` in losses over pixels.

    `cache`: the teacher's logits are stored once, up to `cache_mb` megabytes, instead
    of asking the teacher in each step; it is asked where that cannot be. `cache_views`:
    colourings of each image that it is asked of; 1 is the image as it is. With
    `cache_averaged` means are stored over the flips and quarter turns of each tile, for
    eight times the work of asking.
    """

    losses: dict[str, float] | None = None
    supervised: float | None = Field(None, ge=0)
    temperature: float | None = Field(None, gt=0)
    layers: tuple[str, ...] | None = None
    boundary_weight: float = Field(1.0, ge=0)
    fade: bool = False
    cache: bool = True
    cache_mb: float | None = Field(None, gt=0)
    cache_views: int | None = Field(None, ge=1)
    cache_averaged: bool = False

    @field_validator("losses", mode="before")
    @classmethod
    def _known_losses(cls, value: Any) -> Any:
        known = LOGIT_LOSSES + FEATURE_LOSSES
        if value is None:
            return None
        if not isinstance(value, dict) or not value or set(value) - set(known):
            raise ValueError(f"must be weights of some of {', '.join(known)}")
        if not all(_is_number(x) and 0 < x < math.inf for x in value.values()):
            raise ValueError("weights must be above 0; leave a loss out to drop it")
        return value

    @model_validator(mode="after")
    def _options_have_an_effect(self) -> "DistillationSettings":
        names = set(self.losses or ())
        # Without `losses` neither applies: the default compares whole images.
        if self.temperature is not None and "pixel_kl" not in names:
            raise ValueError(
                "temperature: no effect without pixel_kl in losses, drop it"
            )
        if self.layers is not None and not names & set(FEATURE_LOSSES):
            raise ValueError("layers: no effect without a loss of feature maps")
        for option in ("cache_mb", "cache_views", "cache_averaged"):
            if getattr(self, option) not in (None, False) and not self.cache:
                raise ValueError(f"{option}: no effect without cache, drop it")
        over_pixels = {"pixel_kl", "soft_dice", "dist", "feature_hint"}
        if self.boundary_weight != 1 and not names & over_pixels:
            raise ValueError(
                "boundary_weight: no effect without a loss over pixels in losses "
                f"({', '.join(sorted(over_pixels))}), drop it"
            )
        return self


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class StudentSettings(_Settings):
    """The student: the pruned teacher, or a compact model built anew."""

    kind: Literal["pruned", "compact"] = "pruned"
    pruning: PruningSettings = PruningSettings()
    model: CompactSettings = CompactSettings()
    distillation: DistillationSettings = DistillationSettings()
    training: StudentTrainingSettings = StudentTrainingSettings()

    @model_validator(mode="after")
    def _options_have_an_effect(self) -> "StudentSettings":
        views = self.distillation.cache_views or 1
        if views > 1 and not self.training.augmentation.photometric:
            raise ValueError(
                "distillation.cache_views: no effect where "
                "training.augmentation.photometric is 0, drop it"
            )
        idle = "model" if self.kind == "pruned" else "pruning"
        if idle in self.model_fields_set:
            raise ValueError(f"a {self.kind} student does not use {idle}: drop it")
        return self


class ExportSettings(_Settings):
    """Which files are made of the student; the teacher gets the float ones.

    `max_drop`: points of mean IoU that the int8 file may lose on validation tiles; what
    loses more is mended, at last by training that takes rounding into account.
    `qat_epochs`: of that training; 0 forgoes it.
    """

    litert: bool = True
    int8: bool = True
    onnx: bool = True
    calibration_tiles: int = Field(64, ge=1)
    max_drop: float = Field(1.0, ge=0)
    qat_epochs: int = Field(4, ge=0)

    @model_validator(mode="after")
    def _something_to_export(self) -> "ExportSettings":
        if not (self.litert or self.onnx or self.int8):
            raise ValueError("at least one of litert, int8 and onnx must be true")
        return self


class MeasuringSettings(_Settings):
    """How the files are measured: on which part, and how latency is timed."""

    part: Literal["val", "test"] = "test"
    threads: int = Field(1, ge=1)
    rounds: int = Field(15, ge=3)
    samples: int = Field(10, ge=1, le=20)


class Recipe(_Settings):
    """A whole run of `segshrink compress`."""

    # Backends take 32 bits, and each stage has a seed of its own beside this one.
    seed: int = Field(0, ge=0, lt=2**32 - 8)
    data: DataSettings = DataSettings()
    teacher: TeacherSettings = TeacherSettings()
    student: StudentSettings = StudentSettings()
    export: ExportSettings = ExportSettings()
    measuring: MeasuringSettings = MeasuringSettings()
    baselines: bool = False


def load_recipe(path: Path | str) -> Recipe:
    """Read and validate a recipe file.

    Raises:
        RecipeError: if the file is missing, is no YAML mapping, or has faults; all
            faults are listed in one message.
    """
    return parse_recipe(read_recipe_data(path), where=str(path))


def read_recipe_data(path: Path | str) -> dict[str, Any]:
    """Read a recipe file without validating its fields; an empty file is `{}`.

    Raises:
        RecipeError: if the file is missing, cannot be read, or is no YAML mapping.
    """
    path = Path(path)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such file. Name a recipe in YAML.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read ({error}).") from error
    # A date that no calendar has is a plain ValueError.
    except (yaml.YAMLError, ValueError) as error:
        raise RecipeError(f"{path}: not YAML. {error}") from error
    if not isinstance(data, dict | None):
        raise RecipeError(
            f"{path}: a recipe is a mapping of sections, got {type(data).__name__}."
        )
    return data or {}


def parse_recipe(data: Any, where: str = "recipe") -> Recipe:
    """Validate `data` as a recipe; `where` names its origin in messages.

    Raises:
        RecipeError: listing every fault with its place.
    """
    if not isinstance(data, dict):
        raise RecipeError(
            f"{where}: a recipe is a mapping of sections, got {type(data).__name__}."
        )
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        lines = [_search_is_elsewhere(line) for line in recipe_faults(error)]
        raise RecipeError(fault_message(where, lines)) from None


def recipe_faults(error: ValidationError, section: str = "") -> list[str]:
    """One line per fault of a recipe, or of the settings of one `section` of it."""
    return fault_lines(error, whole="recipe", section=section, name=_without_family)


def _without_family(place: Place) -> Place:
    # Pydantic names the family between the section and its field.
    is_of_model = place[:2] == ("teacher", "model")
    return place[:2] + place[2:][-1:] if is_of_model else place


def _search_is_elsewhere(line: str) -> str:
    if not line.startswith("search: "):
        return line
    return "search: only `segshrink search` uses this section: run it, or drop it"


def recipe_yaml(recipe: Recipe) -> str:
    """The complete recipe, defaults included, as YAML that `load_recipe` takes.

    Sections that the chosen kind of teacher or student does not use are left out.
    """
    data = recipe.model_dump(mode="json")
    if recipe.teacher.file is not None:
        del data["teacher"]["model"], data["teacher"]["training"]
    del data["student"]["model" if recipe.student.kind == "pruned" else "pruning"]
    return yaml.safe_dump(data, sort_keys=False)
