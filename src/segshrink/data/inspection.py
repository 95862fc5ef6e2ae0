"""A report on a folder, faults included, and a dataset.yaml to start from."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

from segshrink.data.annotated import AnnotatedImage
from segshrink.data.classes import (
    UNLABELLED,
    Classes,
    Color,
    show_code,
    unpack_color,
)
from segshrink.data.dataset import Dataset, dataset_of, open_dataset, read_given_split
from segshrink.data.description import DESCRIPTION_NAME, distinct_color
from segshrink.data.folder import Folder, code_shares, read_folder
from segshrink.data.generated import SOURCE_NAME, generated_images
from segshrink.data.opening import OpeningOptions, require_options_for
from segshrink.errors import DatasetError
from segshrink.progress import Progress, SilentProgress


@dataclass(frozen=True)
class SceneReport:
    """One scene.

    Attributes:
        name: its name.
        images: number of sound images.
        sizes: their different sizes as (height_px, width_px), sorted.
    """

    name: str
    images: int
    sizes: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class PartReport:
    """One part of the split.

    Attributes:
        name: "train", "val" or "test".
        scenes: names of its scenes.
        images: number of its images.
        pixel_share: its share of all pixels of the data set, from 0 to 1.
    """

    name: str
    scenes: tuple[str, ...]
    images: int
    pixel_share: float


@dataclass(frozen=True)
class DatasetReport:
    """Content of a data set, usable or not.

    Shares are of all pixels of sound images, from 0 to 1; those of the classes, of
    void and of undeclared codes add up to 1.

    Attributes:
        name: the data set's name.
        layout: a name of `LAYOUTS`, or "synthetic".
        classes: from dataset.yaml or a known data set; None if neither.
        scenes: one entry per scene, by name.
        class_shares: share of each class; empty without `classes`.
        void_share: share of void.
        undeclared_share: share of codes that are neither class nor void.
        by_index: whether masks hold indices rather than colours.
        code_shares: share of every code in the masks, largest first.
        faults: faults that keep the data set from being used, one message each.
        notices: what is handled, but worth knowing.
        split_source: origin of the split; None if faults keep it from being made.
        parts: the parts of the split that are used.
        holds_classes: whether the masks' codes are classes; not if they hold noise, or
            show their images.
    """

    name: str
    layout: str
    classes: Classes | None
    scenes: tuple[SceneReport, ...]
    class_shares: tuple[float, ...]
    void_share: float
    undeclared_share: float
    by_index: bool
    code_shares: dict[int, float]
    faults: list[str]
    notices: tuple[str, ...]
    split_source: str | None = None
    parts: tuple[PartReport, ...] = ()
    holds_classes: bool = True


def inspect_dataset(
    source: str | Path,
    *,
    split: str | Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    **options: Unpack[OpeningOptions],
) -> DatasetReport:
    """Decode every image and mask of a data set and report on it.

    Faults inside the folder are collected in the report.

    Args:
        source: a folder, or `"synthetic"`.
        split: file that names the parts, as for `open_dataset`.
        seed: of what the split leaves open, as for `open_dataset`.
        progress: receives each image.
        **options: as `OpeningOptions`.

    Raises:
        DatasetError: if the folder is missing, empty or arranged in no known way, or
            the file of the split has faults.
        UsageError: if an option would have no effect.
    """
    require_options_for(source, options)
    given = None if split is None else read_given_split(Path(split))
    if str(source) == SOURCE_NAME:
        return _with_split(_report_generated(), open_dataset(source, split=split))
    folder = read_folder(
        Path(source),
        decode_images=True,
        progress=progress or SilentProgress(),
        options=options,
    )
    report = _report_folder(folder)
    if report.faults or report.classes is None:
        return report
    try:
        dataset = dataset_of(folder, report.classes, given, seed)
    except DatasetError as error:
        return replace(report, faults=[str(error)])
    return _with_split(replace(report, notices=dataset.notices), dataset)


def _with_split(report: DatasetReport, dataset: Dataset) -> DatasetReport:
    used = dataset.parts
    pixels = {
        name: sum(image.height_px * image.width_px for image in part)
        for name, part in used.items()
    }
    parts = tuple(
        PartReport(name, part.scenes, len(part), pixels[name] / sum(pixels.values()))
        for name, part in used.items()
    )
    return replace(report, split_source=dataset.split.source, parts=parts)


def _report_folder(folder: Folder) -> DatasetReport:
    shares = code_shares(folder.survey.pixels_by_code())
    classes = folder.classes
    codes = classes.codes if classes else ()
    void_codes = classes.void_codes if classes else ()
    class_shares = tuple(shares.get(code, 0.0) for code in codes)
    void_share = sum(shares.get(code, 0.0) for code in void_codes)
    undeclared = (shares[code] for code in shares if code not in {*codes, *void_codes})
    sizes = [
        (surveyed.pair.scene, (surveyed.height_px, surveyed.width_px))
        for surveyed in folder.survey.pairs
    ]
    return DatasetReport(
        name=folder.name,
        layout=folder.layout.name,
        classes=classes,
        scenes=_scene_reports(sizes),
        class_shares=class_shares,
        void_share=void_share,
        undeclared_share=sum(undeclared),
        by_index=folder.survey.by_index,
        code_shares=shares,
        faults=list(folder.faults),
        notices=folder.notices,
        holds_classes=folder.holds_classes,
    )


def _report_generated() -> DatasetReport:
    images, classes = generated_images(scenes=None, scene_px=None, seed=0)
    pixels = _count_codes(images, classes)
    total = sum(image.height_px * image.width_px for image in images)
    shares = tuple(pixels[code] / total for code in classes.codes)
    return DatasetReport(
        name=SOURCE_NAME,
        layout=SOURCE_NAME,
        classes=classes,
        scenes=_scene_reports(
            [(image.scene, (image.height_px, image.width_px)) for image in images]
        ),
        class_shares=shares,
        void_share=1 - sum(shares),
        undeclared_share=0.0,
        by_index=classes.by_index,
        code_shares=code_shares(pixels),
        faults=[],
        notices=(),
    )


def _count_codes(images: Sequence[AnnotatedImage], classes: Classes) -> Counter[int]:
    pixels: Counter[int] = Counter()
    for image in images:
        counts = image.count_classes(classes.num_classes).tolist()
        pixels.update(dict(zip(classes.codes, counts, strict=True)))
    return pixels


def _scene_reports(
    sizes: Sequence[tuple[str, tuple[int, int]]],
) -> tuple[SceneReport, ...]:
    by_scene: dict[str, list[tuple[int, int]]] = {}
    for scene, size in sizes:
        by_scene.setdefault(scene, []).append(size)
    return tuple(
        SceneReport(scene, len(own), tuple(sorted(set(own))))
        for scene, own in sorted(by_scene.items())
    )


def starter_yaml(report: DatasetReport) -> str:
    """A dataset.yaml for the inspected folder, to edit and put into it.

    Classes that are declared, or those of a known data set, stay as they are, without
    pixels too; all other codes become `class_1`, `class_2` and so on, the most frequent
    first. Codes beyond the 254th are left out, in a comment.
    """
    lines = [
        f"# {DESCRIPTION_NAME}: put it into the folder and give classes their names.",
        "# Codes that mean no class belong into "
        f"{'void_indices' if report.by_index else 'void_colors'} below.",
        f"name: {_quoted(report.name)}",
        "classes:",
    ]
    lines += _class_lines(report)
    lines += _void_lines(report)
    return "\n".join(lines) + "\n"


def _class_lines(report: DatasetReport) -> Iterator[str]:
    void = set(report.classes.void_codes) if report.classes else set()
    codes = [code for code in _in_order(report) if code not in void]
    names = _names_by_code(report)
    unnamed = 0
    for position, code in enumerate(codes[:UNLABELLED]):
        name, color = names.get(code, (None, None))
        if name is None:
            unnamed += 1
            name = f"class_{unnamed}"
        share = report.code_shares.get(code, 0.0)
        entry = _code_entry(report, code, color, position)
        yield f"  - {{name: {_quoted(name)}, {entry}}}  # {share:.2%} of all pixels"
    left_out = codes[UNLABELLED:]
    if left_out:
        share = sum(report.code_shares[code] for code in left_out)
        yield (
            f"  # {len(left_out)} more, {share:.2%} of all pixels, are left out. Masks "
            "with so many were probably resized or compressed: export them again."
        )


def _in_order(report: DatasetReport) -> list[int]:
    """Codes of declared classes as declared, then the others that occur, by share.

    A class that no mask holds yet stays, or later masks would have no place for it.
    """
    declared = report.classes.codes if report.classes else ()
    return [*declared, *(code for code in report.code_shares if code not in declared)]


def _names_by_code(report: DatasetReport) -> dict[int, tuple[str, Color]]:
    if report.classes is None:
        return {}
    entries = zip(report.classes.names, report.classes.colors, strict=True)
    return dict(zip(report.classes.codes, entries, strict=True))


def _code_entry(
    report: DatasetReport, code: int, color: Color | None, position: int
) -> str:
    if not report.by_index:
        return f"color: {list(unpack_color(code))}"
    return f"index: {code}, color: {list(color or distinct_color(position))}"


def _void_lines(report: DatasetReport) -> list[str]:
    void = report.classes.void_codes if report.classes else ()
    if report.by_index:
        return [f"void_indices: {list(void)}"]
    shown = [f'"{show_code(code, by_index=False)}"' for code in void]
    return [f"void_colors: [{', '.join(shown)}]"]


def _quoted(text: str) -> str:
    # Every JSON string is a YAML string.
    return json.dumps(text, ensure_ascii=False)
