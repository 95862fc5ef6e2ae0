"""Classes of masks that no dataset.yaml describes: by their own names, or by codes."""

from collections.abc import Mapping, Sequence

from segshrink.data.classes import Classes, Color, show_code, unpack_color
from segshrink.data.description import DESCRIPTION_NAME, distinct_color
from segshrink.data.layouts import CodeNames

MOST_UNNAMED = 64
"""Masks with more codes than these were resized or compressed, and hold no classes."""

_VOID_INDEX = 255
_BLACK, _WHITE = 0x000000, 0xFFFFFF


def named_classes(
    pixels_by_code: Mapping[int, int], by_index: bool, known: CodeNames | None
) -> tuple[Classes | None, str]:
    """The classes of masks, and a sentence about where their names come from.

    Args:
        pixels_by_code: pixels of each index or colour (0xRRGGBB) in all masks.
        by_index: whether those are indices.
        known: what the data says of its codes itself; None if nothing.

    Returns:
        (classes, notice). Indices become "class 0" and so on, colours are called by
        their hexadecimal code; of two, of which one is 0 or black, that is the
        background. 255 is void where other indices make two classes or more. Classes
        are None for more than `MOST_UNNAMED` codes without names.
    """
    if known is not None and known.names and known.by_index == by_index:
        return _as_described(known, pixels_by_code), (
            f"Classes are those of {known.source}."
        )
    void = known.void if known is not None and known.by_index == by_index else ()
    codes = sorted(code for code in pixels_by_code if code not in void)
    if by_index and not void and _VOID_INDEX in codes and len(codes) > 2:
        void = (_VOID_INDEX,)
        codes.remove(_VOID_INDEX)
    if not codes or len(codes) > MOST_UNNAMED:
        return None, ""
    names = _names(codes, by_index)
    classes = _classes(dict(zip(codes, names, strict=True)), void, by_index=by_index)
    shown_void = ", ".join(show_code(code, by_index=by_index) for code in void)
    return classes, (
        f"Nothing names the classes: they are called {_listed(names)}"
        + (f", and {shown_void} is void" if void else "")
        + f". A {DESCRIPTION_NAME} renames them; `segshrink inspect` writes one to "
        "start from."
    )


def _as_described(known: CodeNames, pixels_by_code: Mapping[int, int]) -> Classes:
    void = known.void
    stray = known.by_index and _VOID_INDEX in pixels_by_code
    if stray and _VOID_INDEX not in {*known.names, *void}:
        void += (_VOID_INDEX,)
    names = {
        code: name
        for code, name in known.names.items()
        if code not in known.if_used or pixels_by_code.get(code)
    }
    return _classes(names, void, by_index=known.by_index, colors=known.colors)


def _classes(
    names: Mapping[int, str],
    void: tuple[int, ...],
    *,
    by_index: bool,
    colors: Mapping[int, Color] | None = None,
) -> Classes:
    if not by_index:
        return Classes(
            names=tuple(names.values()),
            colors=tuple(unpack_color(code) for code in names),
            void_colors=tuple(unpack_color(code) for code in void),
        )
    shown = colors or {}
    return Classes(
        names=tuple(names.values()),
        colors=tuple(
            shown.get(code, distinct_color(position))
            for position, code in enumerate(names)
        ),
        indices=tuple(names),
        void_indices=void,
    )


def _names(codes: Sequence[int], by_index: bool) -> list[str]:
    if len(codes) == 2 and codes[0] == _BLACK:  # index 0 too
        if not by_index and codes[1] != _WHITE:
            return ["background", show_code(codes[1], by_index=False)]
        return ["background", "foreground"]
    if by_index:
        return [f"class {code}" for code in codes]
    return [show_code(code, by_index=False) for code in codes]


def _listed(names: Sequence[str]) -> str:
    if len(names) <= 4:
        return ", ".join(names)
    return f"{names[0]}, {names[1]} ... {names[-1]}"
