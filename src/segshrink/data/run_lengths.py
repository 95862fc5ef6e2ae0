"""Masks as lengths of runs, as COCO and Label Studio write them."""

import numpy as np
import numpy.typing as npt

_Bits = npt.NDArray[np.uint8]


def coco_counts(text: str) -> npt.NDArray[np.int64]:
    """The lengths of runs in COCO's compressed text.

    Each number is written in groups of five bits, the lowest first, one character a
    group; bit 5 of a group says that another follows, and the highest bit of the last
    is the sign. From the fourth number on, differences to the one before the last are
    written.

    Raises:
        ValueError: if the text is damaged.
    """
    groups = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - 48
    if len(groups) == 0 or groups.min() < 0 or groups.max() > 63 or groups[-1] & 32:
        raise ValueError("is not a compressed text of COCO")
    counts: list[int] = []
    number = shift = 0
    for group in groups.tolist():
        number |= (group & 31) << shift
        shift += 5
        if shift > 60:
            raise ValueError("holds a number of more than 60 bits")
        if group & 32:
            continue
        if group & 16:
            number -= 1 << shift
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
        number = shift = 0
    return np.array(counts, np.int64)


def checked_counts(
    counts: npt.NDArray[np.int64], height_px: int, width_px: int
) -> npt.NDArray[np.uint32]:
    """The lengths of runs, if they fill an image exactly.

    Raises:
        ValueError: if they do not, or one is negative.
    """
    if counts.ndim != 1 or (len(counts) and counts.min() < 0):
        raise ValueError("has a run of negative length")
    # Numbers of at most 60 bits could overflow a sum of integers, but not of floats.
    if float(counts.sum(dtype=np.float64)) != height_px * width_px:
        raise ValueError(
            f"has {int(counts.sum(dtype=np.float64))} pixels, but {width_px} x "
            f"{height_px} are {height_px * width_px}"
        )
    return counts.astype(np.uint32)


def coco_mask(
    counts: npt.NDArray[np.uint32], height_px: int, width_px: int
) -> npt.NDArray[np.bool_]:
    """Pixels that COCO's runs cover, bool `(height_px, width_px)`.

    Runs go down the columns, first one of pixels outside, then one inside, and so on.
    """
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width_px, height_px).T


def brush_values(data: bytes) -> int:
    """Number of values that Label Studio's runs are said to hold.

    Raises:
        ValueError: if the data is too short to say it.
    """
    if len(data) < 8:
        raise ValueError("is too short")
    return int.from_bytes(data[:4], "big")


def decode_brush(data: bytes) -> npt.NDArray[np.uint8]:
    """The values in Label Studio's packed runs.

    The data is one string of bits: 32 with the number of values, 5 with the bits of a
    value less 1, and 4 times 4 with the bits of a length less 1. Each run begins with
    a bit, 1 for equal values, and 2 bits that say in how many bits its length less 1
    follows; then comes the value, or all of them.

    Returns:
        uint8, one value after the other: red, green, blue and alpha of each pixel.

    Raises:
        ValueError: if the data is cut off, or values have other than 8 bits.
    """
    count = brush_values(data)
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    if _number(bits, 32, 5) != 7:
        raise ValueError("has values of other than 8 bits")
    length_bits = [_number(bits, 37 + 4 * i, 4) + 1 for i in range(4)]
    place, values, lengths, total = 53, [], [], 0
    while total < count:
        equal = _number(bits, place, 1)
        size = length_bits[_number(bits, place + 1, 2)]
        length = _number(bits, place + 3, size) + 1
        place += 3 + size
        kept = 1 if equal else length
        values.append(_bytes(bits, place, kept))
        lengths.append(np.full(kept, length if equal else 1))
        place += 8 * kept
        total += length
    if total != count:
        raise ValueError(f"has {total} values instead of {count}")
    if not values:
        return np.zeros(0, np.uint8)
    return np.repeat(np.concatenate(values), np.concatenate(lengths))


def _number(bits: _Bits, place: int, size: int) -> int:
    if place + size > len(bits):
        raise ValueError("is cut off")
    number = 0
    for bit in bits[place : place + size].tolist():
        number = number << 1 | bit
    return number


def _bytes(bits: _Bits, place: int, count: int) -> npt.NDArray[np.uint8]:
    if place + 8 * count > len(bits):
        raise ValueError("is cut off")
    return np.packbits(bits[place : place + 8 * count])
