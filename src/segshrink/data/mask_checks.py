"""Judgement on the masks of a data set as a whole, after they were read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from segshrink.data.classes import show_code
from segshrink.data.mask_files import MaskReading
from segshrink.data.opening import OpeningOptions
from segshrink.data.snapping import (
    CodeCounts,
    common_codes,
    count_codes,
    is_noisy,
    nearest_codes,
    scattered_codes,
)
from segshrink.data.splits import shortened
from segshrink.data.survey import Survey, SurveyedPair

_WHITE_INDEX = 255
_JPEG_FORMATS = ("JPEG", "MPO")
_AREA_SHARE, _AREA_RUN_PX = 0.01, 4
_SHOWN = 3
_SHOWN_CODES = 6
_IDLE = (
    "--snap-colors has no effect: the masks hold no codes beside those of the classes. "
    "Leave it out."
)
_SNAP = "`--snap-colors` (in a recipe `data.snap_colors: true`)"


@dataclass(frozen=True)
class Judgement:
    """Judgement on masks that were read.

    Attributes:
        survey: the survey, with codes as they are snapped.
        reading: how the masks are to be read from now on.
        faults: faults of the masks as a whole; they explain undeclared codes.
        notices: what was done to them, or is unusual.
    """

    survey: Survey
    reading: MaskReading
    faults: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def judge_masks(
    survey: Survey,
    reading: MaskReading,
    known: Sequence[int],
    options: OpeningOptions,
) -> Judgement:
    """Judge masks that were read, and snap their codes where that is asked for.

    Args:
        survey: as the masks were read.
        reading: how they were read.
        known: codes of classes and void; empty if nothing declares them.
        options: how the folder is to be read.
    """
    if not known:
        survey, reading = _bits_as_grey(survey, reading)
    faults, notices = _unusual(survey)
    if reading.resizes and not any(pair.is_resized for pair in survey.pairs):
        notices.append(
            "--resize-masks has no effect: each mask has the size of its image. Leave "
            "it out."
        )
    judged = Judgement(survey, reading, tuple(faults), tuple(notices))
    if faults or not survey.pairs:
        return judged
    judge = _snapped if options.get("snap_colors") else _unsnapped
    return judge(judged, _counts(survey), known)


def _bits_as_grey(survey: Survey, reading: MaskReading) -> tuple[Survey, MaskReading]:
    """Masks of 1 bit among those of black and white, which are 0 and 255."""
    bits = [pair.mask_header.mode == "1" for pair in survey.pairs]
    others = {
        code
        for pair, is_bit in zip(survey.pairs, bits, strict=True)
        for code in pair.pixels_by_code
        if not is_bit
    }
    if not (
        survey.by_index and any(bits) and _WHITE_INDEX in others and 1 not in others
    ):
        return survey, reading
    pairs = tuple(
        _recoded(pair, {1: _WHITE_INDEX}) if is_bit else pair
        for pair, is_bit in zip(survey.pairs, bits, strict=True)
    )
    return replace(survey, pairs=pairs), replace(reading, grey_levels=True)


def _recoded(pair: SurveyedPair, new: Mapping[int, int]) -> SurveyedPair:
    pixels: dict[int, int] = {}
    for code, count in pair.pixels_by_code.items():
        code = new.get(code, code)
        pixels[code] = pixels.get(code, 0) + count
    return replace(pair, pixels_by_code=pixels)


def _unusual(survey: Survey) -> tuple[list[str], list[str]]:
    """Faults and notices about masks that are the image itself, or blank."""
    pairs, by_index = survey.pairs, survey.by_index
    copies = [pair for pair in pairs if pair.is_image]
    if copies and len(copies) == len(pairs):
        return [
            f"{_named(copies)}: every mask shows its image itself, pixel by pixel. Put "
            "the masks in its place."
        ], []
    notices = []
    if copies:
        notices.append(
            f"{len(copies)} of {len(pairs)} masks show their image itself: "
            f"{_named(copies)}."
        )
    codes = {code for pair in pairs for code in pair.pixels_by_code}
    # A tile that lies within one class is usual. Index 0 or black everywhere is what a
    # tool of annotation writes for an image that nobody has drawn on.
    blank = [pair for pair in pairs if set(pair.pixels_by_code) == {0}]
    if len(codes) == 1:
        shown = show_code(*codes, by_index=by_index)
        notices.append(f"All masks are blank: every pixel is {shown}.")
    elif blank:
        notices.append(
            f"{len(blank)} of {len(pairs)} masks are blank, of "
            f"{show_code(0, by_index=by_index)} only: {_named(blank)}."
        )
    return [], notices


def _named(pairs: Iterable[SurveyedPair]) -> str:
    return shortened([pair.pair.mask.where for pair in pairs], most=_SHOWN)


def _counts(survey: Survey) -> CodeCounts:
    return count_codes(
        survey.pixels_by_code(), survey.runs_by_code(), by_index=survey.by_index
    )


def _unsnapped(
    judged: Judgement, counts: CodeCounts, known: Sequence[int]
) -> Judgement:
    """The judgement, with a fault or a notice if the masks hold noise."""
    fault = _noise_fault(judged.survey, counts, known)
    if fault:
        return replace(judged, faults=(fault,))
    # Of declared codes a few may well be scattered.
    scattered = scattered_codes(counts) if not known or is_noisy(counts) else []
    if not scattered:
        return judged
    first = "declare the other classes only, and " if known else ""
    notice = (
        f"{_listed(scattered, counts)}: only in single pixels here and there. If the "
        f"masks were compressed or resized, {first}{_SNAP} takes each pixel for the "
        "nearest common code."
    )
    return replace(judged, notices=(*judged.notices, notice))


def _noise_fault(survey: Survey, counts: CodeCounts, known: Sequence[int]) -> str:
    """A fault if masks hold noise, else an empty text."""
    codes = known or common_codes(counts)
    remedy = (
        f"{_SNAP} takes each pixel for the nearest of {_listed(codes, counts)}. "
        "Better, save the masks anew as PNG with the program that drew them."
    )
    jpeg = _jpeg_masks(survey)
    if jpeg:
        return (
            f"{_named(jpeg)}: {len(jpeg)} of {len(survey.pairs)} masks are JPEG, which "
            f"changes their colours. {remedy}"
        )
    if set(counts.codes.tolist()) <= set(known) or not is_noisy(counts, known):
        return ""
    kind = "indices" if counts.by_index else "colours"
    return (
        f"{_named(survey.pairs)}: the masks hold {len(counts.codes)} {kind}, most of "
        "them in single pixels here and there, as JPEG leaves them (also once it is "
        f"saved as PNG) and resizing with interpolation. {remedy}"
        + ("" if known else " If all are classes, declare them in dataset.yaml.")
    )


def _snapped(judged: Judgement, counts: CodeCounts, known: Sequence[int]) -> Judgement:
    """The judgement, with each code as the nearest that is known or common."""
    needed = _jpeg_masks(judged.survey) or is_noisy(counts, known)
    if not (needed or (known and set(counts.codes.tolist()) - set(known))):
        return replace(judged, notices=(*judged.notices, _IDLE))
    common = common_codes(counts, known)
    strange = _areas(counts, common[len(known) :]) if known else []
    if strange:
        fault = (
            f"{_listed(strange, counts)}: far from the codes of all classes, and too "
            "common for noise, so that --snap-colors leaves it. Add it to `classes` or "
            "to void in dataset.yaml."
        )
        return replace(judged, faults=(fault,))
    targets = tuple(known) or tuple(common)
    if len(targets) < 2:
        fault = (
            "--snap-colors finds no two common codes that are apart. Declare the "
            "classes in dataset.yaml."
        )
        return replace(judged, faults=(fault,))
    return _snapped_to(judged, counts, targets)


def _snapped_to(
    judged: Judgement, counts: CodeCounts, targets: tuple[int, ...]
) -> Judgement:
    nearest = nearest_codes(counts.codes, targets, by_index=counts.by_index).tolist()
    new = dict(zip(counts.codes.tolist(), nearest, strict=True))
    survey = judged.survey
    changed = [
        sum(n for code, n in pair.pixels_by_code.items() if new[code] != code)
        for pair in survey.pairs
    ]
    notice = (
        f"{sum(changed)} pixels ({sum(changed) / counts.pixels.sum():.2%}) of "
        f"{sum(map(bool, changed))} masks are snapped to the nearest of "
        f"{_listed(targets, counts)}."
    )
    pairs = tuple(_recoded(pair, new) for pair in survey.pairs)
    return Judgement(
        replace(survey, pairs=pairs),
        replace(judged.reading, snap_codes=targets),
        notices=(*judged.notices, notice if any(changed) else _IDLE),
    )


def _areas(counts: CodeCounts, codes: Sequence[int]) -> list[int]:
    """Those of some codes that cover areas, which noise does not."""
    long = counts.pixels >= _AREA_RUN_PX * counts.runs
    areas = set(counts.codes[long & (counts.shares >= _AREA_SHARE)].tolist())
    return [code for code in codes if code in areas]


def _jpeg_masks(survey: Survey) -> list[SurveyedPair]:
    return [pair for pair in survey.pairs if pair.mask_header.format in _JPEG_FORMATS]


def _listed(codes: Sequence[int], counts: CodeCounts) -> str:
    shown = [show_code(code, by_index=counts.by_index) for code in codes]
    return shortened(shown, most=_SHOWN_CODES)
