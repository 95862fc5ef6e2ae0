"""Numbers as people read them; three digits are enough to compare."""

from segshrink.formats import Format
from segshrink.metrics import Interval

MISSING = "–"
_MINUS = "\N{MINUS SIGN}"

_FORMATS: dict[str, str] = {each: each.label for each in Format}
_RUNTIMES: dict[str, str] = {each: each.runtime_label for each in Format}


def runtime_name(runtime: str) -> str:
    """The name of a runtime as its makers write it."""
    return _RUNTIMES.get(runtime, runtime)


def format_name(file_format: str) -> str:
    """The name of a file format, short."""
    return _FORMATS.get(file_format, file_format)


def counted(count: int, noun: str) -> str:
    """`1 thread` or `2 threads`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def shortened(text: str, most: int) -> str:
    """At most so many characters, the middle left out: beginnings and ends differ."""
    if len(text) <= most:
        return text
    head = most // 2
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def human_count(count: int | None) -> str:
    """`1940000` as `1.94 M`; steps of 1000."""
    return _scaled(count, ("", " k", " M", " G", " T"), digits=2)


def human_bytes(size_bytes: int | None) -> str:
    """`7640000` as `7.6 MB`; 1 kB is 1000 bytes."""
    return _scaled(size_bytes, (" B", " kB", " MB", " GB", " TB"), digits=1)


def _scaled(number: int | None, units: tuple[str, ...], digits: int) -> str:
    """`digits` is the number of decimals below ten; whole numbers have none."""
    if number is None:
        return MISSING
    if number < 1000:
        return f"{number}{units[0]}"
    value = float(number)
    for unit in units[1:]:
        value /= 1000
        # 999.5 and above would be shown as 1000 of a unit instead of 1 of the next.
        if value < 999.5 or unit == units[-1]:
            break
    return f"{value:.{_decimals(value, digits)}f}{unit}"


def _decimals(value: float, below_ten: int) -> int:
    if value >= 99.95:
        return 0
    return 1 if value >= 9.995 else below_ten


def human_ms(milliseconds: float | None) -> str:
    """Milliseconds to three digits, without the unit."""
    if milliseconds is None:
        return MISSING
    return f"{milliseconds:.{_decimals(milliseconds, 2)}f}"


def ms_text(milliseconds: float) -> str:
    """`14.6 ms`."""
    return f"{human_ms(milliseconds)} ms"


def human_seconds(seconds: float) -> str:
    """`812` as `13 min 32 s`; below a minute to one decimal where that tells."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def human_ratio(ratio: float | None) -> str:
    """`9.84×`; a ratio below 1 keeps two digits, `0.052×`."""
    if ratio is None:
        return MISSING
    if ratio < 0.0995:
        return f"{ratio:.2g}×"
    return f"{ratio:.{_decimals(ratio, 2)}f}×"


def human_percent(share: float | None) -> str:
    """A share in 0 to 1 as percent to one decimal, without the sign."""
    return MISSING if share is None else f"{100 * share:.1f}"


def human_points(points: float | None) -> str:
    """A difference in percentage points with its sign."""
    if points is None:
        return MISSING
    text = f"{abs(points):.1f}"
    if text == "0.0":
        return text
    return f"{'+' if points > 0 else _MINUS}{text}"


def percent_interval(interval: Interval) -> str:
    """`74.2–79.8`, of shares in 0 to 1."""
    return f"{human_percent(interval.low)}–{human_percent(interval.high)}"


def points_interval(interval: Interval) -> str:
    """`−2.0 to +0.4`, in percentage points."""
    low, high = human_points(100 * interval.low), human_points(100 * interval.high)
    return f"{low} to {high}"
