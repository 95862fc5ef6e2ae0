"""dataset.yaml: the classes of the masks of a folder, and the split of its scenes."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from segshrink.data.bands import BandsEntry
from segshrink.data.classes import Classes, Color
from segshrink.data.names import composed
from segshrink.errors import DatasetError, fault_lines, fault_message
from segshrink.reading import ReadingFault, holds_truth, read_json_or_yaml

DESCRIPTION_NAME = "dataset.yaml"

_SHOWN_FAULTS = 20

_PARTS = {"train", "val", "test"}

_HEXADECIMAL_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")


def _parse_color(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not _HEXADECIMAL_COLOR.fullmatch(value):
        raise ValueError("a colour is [red, green, blue] or #RRGGBB in quotes")
    return tuple(bytes.fromhex(value[1:]))


_Channel = Annotated[int, Field(ge=0, le=255)]
_Color = Annotated[tuple[_Channel, _Channel, _Channel], BeforeValidator(_parse_color)]
_Index = Annotated[int, Field(ge=0, le=65535)]
_SceneName = Annotated[str, AfterValidator(composed)]


class _Entry(BaseModel):
    """Base of entries; unknown fields are faults, so that a misspelt key shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_for_a_number(cls, value: Any) -> Any:
        if holds_truth(value):
            raise ValueError("true and false have no meaning here")
        return value


class ClassEntry(_Entry):
    """One class: a colour in colour masks, an index in index masks."""

    name: str = Field(min_length=1)
    color: _Color | None = None
    index: _Index | None = None

    @model_validator(mode="after")
    def _has_a_code(self) -> "ClassEntry":
        if self.color is None and self.index is None:
            # YAML reads an unquoted colour as a comment, so that the value is missing.
            raise ValueError(
                f"class {self.name!r} needs a color or an index "
                '(in YAML # begins a comment: write "#RRGGBB" in quotes)'
            )
        return self


class SplitEntry(_Entry):
    """Names of the scenes of each part; no scene may be in two.

    Without `test`, quality is measured on `val`; without `val`, it is taken out of
    `train`. Names of images serve as well.
    """

    train: tuple[_SceneName, ...]
    val: tuple[_SceneName, ...] = ()
    test: tuple[_SceneName, ...] = ()

    @model_validator(mode="after")
    def _each_scene_once(self) -> "SplitEntry":
        if not self.train:
            raise ValueError("a part needs at least one scene: train")
        if not self.val and not self.test:
            raise ValueError("val or test needs at least one scene")
        scenes = self.train + self.val + self.test
        twice = sorted(scene for scene, n in Counter(scenes).items() if n > 1)
        if twice:
            raise ValueError("scenes named twice: " + ", ".join(twice))
        return self


class SplitFile(SplitEntry):
    """A file with a split alone; `name` and `about` are for its readers."""

    name: str = ""
    about: str = ""


class Description(_Entry):
    """The content of dataset.yaml.

    Classes are given in the order of their labels, either all by `color` or all by
    `index` (then `color` is for display and may be left out).
    """

    name: str | None = Field(None, min_length=1)
    classes: tuple[ClassEntry, ...]
    void_colors: tuple[_Color, ...] = ()
    void_indices: tuple[_Index, ...] = ()
    split: SplitEntry | None = None
    bands: BandsEntry | None = None

    @model_validator(mode="after")
    def _classes_are_sound(self) -> "Description":
        indexed = sum(entry.index is not None for entry in self.classes)
        if 0 < indexed < len(self.classes):
            raise ValueError(
                "classes must have an index either all or none, "
                f"got {indexed} of {len(self.classes)}"
            )
        self.to_classes()
        return self

    def to_classes(self) -> Classes:
        """The classes as `Classes`, which the rest of the library uses."""
        indices = [entry.index for entry in self.classes if entry.index is not None]
        return Classes(
            names=tuple(entry.name for entry in self.classes),
            colors=tuple(
                entry.color or distinct_color(position)
                for position, entry in enumerate(self.classes)
            ),
            indices=tuple(indices) or None,
            void_colors=self.void_colors,
            void_indices=self.void_indices,
        )


def distinct_color(position: int) -> Color:
    """A colour for display, unlike those of other positions.

    Counts in binary with the bits dealt out to red, green and blue in turn, highest
    bits first, as the Pascal VOC palette does; position 0 is its entry 1, since its
    entry 0 is black.
    """
    number = position + 1
    channels = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            channels[channel] |= (number >> channel & 1) << (7 - bit)
        number >>= 3
    red, green, blue = channels
    return red, green, blue


def is_of_ultralytics(data: Mapping[str, object]) -> bool:
    """Whether YAML describes a data set for Ultralytics, which some call dataset.yaml.

    It names its classes under `names`, where ours has `classes`.
    """
    return "names" in data and "classes" not in data and bool(data.keys() & _PARTS)


def read_description(root: Path) -> Description | None:
    """Read `root`/dataset.yaml; None if there is none, or it is one for Ultralytics.

    Raises:
        DatasetError: listing every fault in the file.
    """
    path = root / DESCRIPTION_NAME
    if not path.is_file():
        misnamed = path.with_suffix(".yml")
        if misnamed.is_file() and not is_of_ultralytics(read_mapping(misnamed)):
            raise DatasetError(f"{misnamed}: rename it to {DESCRIPTION_NAME}.")
        return None
    data = read_mapping(path)
    if is_of_ultralytics(data):
        return None
    try:
        return Description.model_validate(data)
    except ValidationError as error:
        raise DatasetError(all_faults(path, error)) from None


def read_split_file(path: Path) -> SplitFile:
    """Read a split from JSON or YAML with the keys train, val and test.

    Raises:
        DatasetError: listing every fault in the file; a list of patches instead of
            scenes is one.
    """
    data = read_mapping(path)
    _refuse_patches(path, data)
    try:
        return SplitFile.model_validate(data)
    except ValidationError as error:
        raise DatasetError(all_faults(path, error)) from None


def _refuse_patches(path: Path, data: Mapping[str, object]) -> None:
    parts = [data.get(part) for part in ("train", "val", "test")]
    lists = [item for part in parts if isinstance(part, list) for item in part]
    if "columns" in data or any(isinstance(item, list | dict) for item in lists):
        raise DatasetError(
            f"{path}: lists patches, but a split lists scenes by name, since patches "
            "of one scene on two sides would leak. Give train, val and test a list of "
            "scene names each. For comparison only, `data.protocol: random-patch` in a "
            "recipe trains on patches, and `segshrink evaluate --protocol random-patch`"
            " measures on them."
        )


def read_mapping(path: Path) -> dict[str, object]:
    """The content of a JSON or YAML file, which must be a mapping.

    Raises:
        DatasetError: if the file is missing, too large, or holds something else.
    """
    try:
        data = read_json_or_yaml(path)
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}).") from error
    except ReadingFault as error:
        raise DatasetError(f"{path}: {error}") from None
    if not isinstance(data, dict):
        raise DatasetError(
            f"{path}: must be a mapping of keys, got {type(data).__name__}."
        )
    return data


def all_faults(path: Path, error: ValidationError) -> str:
    """Faults in the content of a file, one line per fault, up to a limit."""
    lines = fault_lines(error, whole=path.name)
    return fault_message(str(path), lines, most=_SHOWN_FAULTS)
