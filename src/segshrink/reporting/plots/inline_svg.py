"""Figures as SVG inside a page, whose parts say their numbers under the pointer."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from matplotlib.artist import Artist
from matplotlib.axes import Axes

# Matplotlib writes what an artist is called as the `id` of its group.
_SAYS = "says: "
_LEFT_OUT = {"metadata", "style"}
_MOST_POINTS = 60


def describe(artist: Artist, text: str) -> None:
    """Let a part of a figure say `text` when it is pointed at, in SVG."""
    artist.set_gid(_SAYS + text)


def describe_points(
    axes: Axes, xs: Sequence[float], ys: Sequence[float], texts: Sequence[str]
) -> None:
    """Let places on a line say a text each; of many, some that are spread evenly."""
    step = -(-len(xs) // _MOST_POINTS) or 1
    for x, y, text in list(zip(xs, ys, texts, strict=True))[::step]:
        # Seen by the pointer alone.
        describe(axes.scatter([x], [y], s=70, alpha=0, linewidths=0), text)


def inline_svg(source: str, alt: str) -> str:
    """Matplotlib's SVG as an element of a page.

    It has no size of its own, no style that would reach the page, and no `id` but
    those that it refers to.

    Args:
        source: what `savefig` wrote.
        alt: says in words what the figure shows.
    """
    root = ElementTree.fromstring(source)
    referred = set(re.findall(r"#([\w-]+)", source))
    for element in list(root.iter()):
        element.tag = _plain(element.tag)
        for name in [name for name in element.attrib if "}" in name]:
            element.set(_plain(name), element.attrib.pop(name))
        own = element.attrib.get("id", "")
        if own.startswith(_SAYS):
            title = ElementTree.Element("title")
            title.text = own.removeprefix(_SAYS)
            element.insert(0, title)
        if own not in referred:
            element.attrib.pop("id", None)
    for parent in list(root.iter()):
        for child in [each for each in parent if each.tag in _LEFT_OUT]:
            parent.remove(child)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", alt)
    return ElementTree.tostring(root, encoding="unicode")


def _plain(name: str) -> str:
    """A name without its namespace, which HTML knows."""
    return name.rpartition("}")[2]
