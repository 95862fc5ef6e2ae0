"""Content of a folder: layout, codes of its masks, classes and faults."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segshrink.data.bands import DEVIATIONS
from segshrink.data.classes import Classes, show_code
from segshrink.data.description import (
    DESCRIPTION_NAME,
    Description,
    read_description,
)
from segshrink.data.found_bands import with_readers
from segshrink.data.layouts import Layout, camvid, find_layout
from segshrink.data.mask_checks import judge_masks
from segshrink.data.mask_files import MaskReading
from segshrink.data.mask_reading import choose_reading, known_codes
from segshrink.data.masks import describe_undeclared, undeclared_pixels
from segshrink.data.naming import MOST_UNNAMED, named_classes
from segshrink.data.opening import OpeningOptions
from segshrink.data.presets import AERIAL, CAMVID, Preset
from segshrink.data.remembered import Remembered
from segshrink.data.survey import Survey, guess_by_index, survey_files
from segshrink.errors import DatasetError
from segshrink.progress import Progress

_SHOWN_CODES = 12


@dataclass(frozen=True)
class Folder:
    """A folder of images and masks, read once.

    Attributes:
        name: the data set's name.
        layout: its files.
        description: its dataset.yaml, None if absent or faulty.
        survey: sizes and mask contents.
        classes: from dataset.yaml or from the preset that fits; None if neither.
        reading: how its masks are read.
        faults: all faults, one message each; empty if the folder can be used.
        notices: what is handled, but worth knowing.
        holds_classes: whether the masks' codes are classes; not if they hold noise, or
            show their images.
    """

    name: str
    layout: Layout
    description: Description | None
    survey: Survey
    classes: Classes | None
    reading: MaskReading
    faults: tuple[str, ...]
    notices: tuple[str, ...]
    holds_classes: bool = True

    @property
    def has_deviations(self) -> bool:
        """Whether grey levels come from mean and deviation of each band."""
        entry = self.description.bands if self.description else None
        return entry is not None and entry.scale == DEVIATIONS


def read_folder(
    root: Path,
    *,
    decode_images: bool,
    progress: Progress,
    options: OpeningOptions | None = None,
) -> Folder:
    """Read a folder and collect its faults.

    Args:
        root: the folder.
        decode_images: True to decode every image as well, which finds all damage.
        progress: receives each image.
        options: how the folder is read.

    Raises:
        DatasetError: if the folder is missing, empty or arranged in no known way.
    """
    options = options or {}
    layout, description, description_faults = _found(root, options)
    declared = description.to_classes() if description else None
    survey, reading, notices = _surveyed(
        layout, declared, options, decode_images=decode_images, progress=progress
    )
    preset = None if declared else _fitting_preset(layout, survey)
    classes = declared or (preset.classes if preset else None)
    known = known_codes(classes or layout.code_names)
    judged = judge_masks(survey, reading, known, options)
    survey = judged.survey
    notices += [*judged.notices, *survey.notices, *layout.notices]
    if classes is None and survey.pairs and not description_faults:
        classes, notice = named_classes(
            survey.pixels_by_code(), survey.by_index, layout.code_names
        )
        notices += [notice] if notice else []
    faults = [*layout.faults, *description_faults, *survey.faults, *judged.faults]
    # Faults of the masks as a whole explain the codes that are not declared.
    if classes is not None and not judged.faults:
        faults += _undeclared_faults(survey, classes)
    elif survey.pairs and not (description_faults or judged.faults):
        faults.append(_unknown_classes_fault(root, survey))
    return Folder(
        name=_name(root, description, preset),
        layout=layout,
        description=description,
        survey=survey,
        classes=classes,
        reading=judged.reading,
        faults=tuple(faults),
        notices=tuple(notices),
        holds_classes=not judged.faults,
    )


def _surveyed(
    layout: Layout,
    declared: Classes | None,
    options: OpeningOptions,
    *,
    decode_images: bool,
    progress: Progress,
) -> tuple[Survey, MaskReading, list[str]]:
    """The survey of the files, how their masks were read, and why in that way."""
    remembered = Remembered(layout.root)
    by_index = declared.by_index if declared else guess_by_index(layout, remembered)
    reading, by_index, notices = choose_reading(
        layout, by_index, declared, options, remembered
    )
    survey = survey_files(
        layout,
        by_index=by_index,
        reading=reading,
        decode_images=decode_images,
        remembered=remembered,
        progress=progress,
    )
    remembered.keep()
    return survey, reading, notices


def _found(
    root: Path, options: OpeningOptions
) -> tuple[Layout, Description | None, list[str]]:
    """The layout with the bands of its images, dataset.yaml, and the faults of that."""
    layout = find_layout(root, options.get("layout"))
    description, faults = _try_description(root)
    bands = description.bands if description else None
    return with_readers(layout, bands), description, faults


def _try_description(root: Path) -> tuple[Description | None, list[str]]:
    try:
        return read_description(root), []
    except DatasetError as error:
        return None, [str(error)]


def _name(root: Path, description: Description | None, preset: Preset | None) -> str:
    if description is not None and description.name is not None:
        return description.name
    return preset.name if preset else root.resolve().name


def _fitting_preset(layout: Layout, survey: Survey) -> Preset | None:
    # Small indices fit many data sets, so CamVid is recognised by its folders as well.
    preset = CAMVID if layout.name == camvid.NAME else AERIAL
    if layout.code_names is not None and layout.code_names.names:
        return None
    same_kind = preset.classes.by_index == survey.by_index
    return preset if same_kind and preset.fits(survey.pixels_by_code()) else None


def _undeclared_faults(survey: Survey, classes: Classes) -> list[str]:
    faults = []
    for surveyed in survey.pairs:
        undeclared = undeclared_pixels(surveyed.pixels_by_code, classes)
        if undeclared:
            mask = surveyed.pair.mask
            faults.append(describe_undeclared(mask, undeclared, classes))
    return faults


def _unknown_classes_fault(root: Path, survey: Survey) -> str:
    kind = "indices" if survey.by_index else "colours"
    shares = code_shares(survey.pixels_by_code())
    if not shares:
        return f"{root}: all pixels of the masks are void. Label some."
    listed = ", ".join(
        f"{show_code(code, by_index=survey.by_index)} {share:.1%}"
        for code, share in list(shares.items())[:_SHOWN_CODES]
    )
    return (
        f"{root}: the masks hold {len(shares)} {kind}: {listed} and "
        f"{len(shares) - _SHOWN_CODES} more. Without a {DESCRIPTION_NAME} at most "
        f"{MOST_UNNAMED} are taken for classes; masks with more were probably resized "
        "or compressed. Export them again, or name the classes in a "
        f"{DESCRIPTION_NAME}."
    )


def code_shares(pixels_by_code: Mapping[int, int]) -> dict[int, float]:
    """Share of all pixels by code, largest first."""
    total = sum(pixels_by_code.values())
    most_first = sorted(pixels_by_code.items(), key=lambda item: (-item[1], item[0]))
    return {code: pixels / total for code, pixels in most_first}
