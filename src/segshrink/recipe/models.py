"""Settings of the models that a recipe can build."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from segshrink.recipe.settings import Settings

Blocks = Annotated[int, Field(ge=1, le=16)]


class UNetSettings(Settings):
    """The classical U-Net; see `segshrink.models.build_model`."""

    name: Literal["unet"] = "unet"
    base_filters: int = Field(16, ge=4)
    levels: int = Field(4, ge=1, le=6)
    norm: Literal["batch"] | None = "batch"
    activation: Literal["relu", "relu6", "leaky_relu", "swish", "tanh", "linear"] = (
        "relu"
    )
    dropout: float = Field(0.1, ge=0, lt=1)


class EfficientNetLiteSettings(Settings):
    """A U-Net on an encoder from ImageNet; see `segshrink.models.build_model`."""

    name: Literal["efficientnet_lite"] = "efficientnet_lite"
    variant: Literal[0, 1, 2] = 1
    weights: Literal["imagenet"] | None = "imagenet"
    dropout: float = Field(0.2, ge=0, lt=1)


class CompactSettings(Settings):
    """The compact student; see `segshrink.models.build_model`."""

    name: Literal["compact"] = "compact"
    width: int = Field(32, ge=8, multiple_of=8)
    stem_stride: Literal[2, 4] = 2
    logits_stride: Literal[2, 4] | None = None
    blocks: tuple[Blocks, Blocks, Blocks, Blocks] = (1, 2, 3, 3)

    @model_validator(mode="after")
    def _require_logits_as_fine_as_the_stem(self) -> Self:
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


def families_with(field: str) -> list[str]:
    """Names of the families of models that have a field."""
    families = (UNetSettings, EfficientNetLiteSettings, CompactSettings)
    return [x.model_fields["name"].default for x in families if field in x.model_fields]
