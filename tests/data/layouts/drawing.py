"""The same scenes as shapes: outlines, runs, packed runs, and a loop to check them."""

import numpy as np

from .scenes import HEIGHT_PX, WIDTH_PX, labels_of


def outlines_of(number: int) -> list[tuple[int, list[tuple[int, int]]]]:
    """(class, corners) of the two rectangles of `labels_of`, the second above."""
    left, right = 3 + number, 36 - number
    return [
        (1, _rectangle(left, 2, 20, 12 + number % 5)),
        (2, _rectangle(22, 9, right, 21)),
    ]


def _rectangle(left, top, right, bottom):
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def inside_by_loop(height: int, width: int, rings) -> np.ndarray:
    """Pixels whose centres have an odd number of edges at their left, one by one."""
    inside = np.zeros((height, width), bool)
    for row in range(height):
        for column in range(width):
            x, y, crossed = column + 0.5, row + 0.5, 0
            for ring in rings:
                for start, end in zip(ring, [*ring[1:], ring[0]], strict=True):
                    (xa, ya), (xb, yb) = sorted([start, end], key=lambda p: p[1])
                    if ya <= y < yb or (ya < y and ya != yb and y < yb):
                        crossed += xa + (y - ya) * ((xb - xa) / (yb - ya)) <= x
            inside[row, column] = crossed % 2
    return inside


def coco_runs(mask: np.ndarray) -> list[int]:
    """Lengths of runs down the columns, counted one pixel after the other."""
    counts, current = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != current:
            counts.append(0)
            current = pixel
        counts[-1] += 1
    return counts


def coco_text(counts: list[int]) -> str:
    """COCO's compressed text of runs."""
    text = ""
    for i, count in enumerate(counts):
        number = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            group = number & 31
            number >>= 5
            more = number != (-1 if group & 16 else 0)
            text += chr(48 + (group | 32 if more else group))
    return text


def brush_runs(mask: np.ndarray, *, spelt: bool = False) -> list[int]:
    """Label Studio's packed runs of RGBA; `spelt` writes all values of a run."""
    values = np.repeat(mask.ravel().astype(np.uint8) * 255, 4)
    sizes = (3, 4, 8, 16)
    bits = f"{len(values):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in sizes)
    place = 0
    while place < len(values):
        length = 1
        while place + length < len(values) and length < 65536:
            if not spelt and values[place + length] != values[place]:
                break
            length += 1
        code = next(i for i, size in enumerate(sizes) if length <= 1 << size)
        bits += f"{'0' if spelt else '1'}{code:02b}{length - 1:0{sizes[code]}b}"
        written = values[place : place + (length if spelt else 1)]
        bits += "".join(f"{value:08b}" for value in written)
        place += length
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def mask_of(number: int, label: int) -> np.ndarray:
    return labels_of(number) == label


SIZE = (HEIGHT_PX, WIDTH_PX)
