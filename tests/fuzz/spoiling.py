"""Ways to spoil a file: bytes, chunks, and values of plain data."""

import copy
import math
import struct
import zlib
from random import Random
from typing import Any

AWKWARD = (
    None, True, False, -1, 0, 1, 3, 255, 256, 10**6, 2**31, 2**63, 2**70, -(2**70), 0.5,
    1e308, -1e-9, math.inf, -math.inf, math.nan, "", " ", "a", "\n", "\x00", "ö" * 300,
    "x" * 20_000, "../..", "/", ".", "/dev/zero", "/proc/self/status", "synthetic",
    "auto", "balanced", "#FF00FF", "2020-01-01", "yes", [], [[]], [None], [0] * 1000,
    {}, {"": 0}, {"a": {"b": {"c": []}}}, [[1, 2], [3]], [1, 2, 3], [0, 255, 256],
)  # fmt: skip

TEXTS = (
    "[" * 990, "{a: " * 500, "a: &a [*a]", "!!int x", "!!timestamp x", "!!binary é",
    "a: 1\na: 2", "? [a]\n: b", "- !!python/name:os.system x", "\t", "\ufeff",
    "---\n...",
    "a: &a [x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b]",
    "<<: 5", "a: 2020-99-99", 'a: "\\ud800"', "%YAML 9.9\n---\na", "a: 0x" + "f" * 5000,
    "a: " + "9" * 5000, "a: 1:2:3:4:5:6:7:8:9", "*a", "&a", "!!set {a, b}",
    "!!omap [1]",
)  # fmt: skip


def spoiled_bytes(content: bytes, random: Random) -> bytes:
    """Flip, cut, insert, repeat or overwrite, in one to four places."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        _spoil_once(data, random)
    return bytes(data)


def _spoil_once(data: bytearray, random: Random) -> None:
    # Headers matter more than pixels and weights: half of the places lie in them.
    reach = len(data) if random.random() < 0.5 else min(len(data), 400)
    at = random.randrange(max(1, reach))
    length = random.choice((1, 2, 4, 8, 64, 1000))
    kind = random.randrange(6)
    if kind == 0 and data:
        data[at % len(data)] ^= 1 << random.randrange(8)
    elif kind == 1:
        data[at : at + length] = random.randbytes(length)
    elif kind == 2:
        filling = random.choice((b"\0", b"\xff", b"\x7f"))
        data[at : at + length] = filling * length
    elif kind == 3:
        del data[at:]
    elif kind == 4:
        data[at:at] = data[at : at + length] * random.choice((1, 50))
    else:
        value = random.choice((0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 100_000, 1 << 31))
        data[at : at + 4] = struct.pack(random.choice("<>") + "I", value)


def spoiled_png(content: bytes, random: Random) -> bytes:
    """Put, drop or change chunks, whose checksums are right."""
    chunks = list(_chunks(content))
    at = random.randrange(len(chunks))
    kind = random.choice(
        (b"tRNS", b"gAMA", b"pHYs", b"cHRM", b"sRGB", b"acTL", b"fcTL", b"fdAT")
        + (b"zTXt", b"iTXt", b"tEXt", b"iCCP", b"eXIf", b"PLTE", b"IHDR", b"bKGD")
    )
    filling = random.choice(
        (b"", b"\0", random.randbytes(random.randrange(1, 40)))
        + (b"a\0\0" + zlib.compress(bytes(1 << 26)), b"MM\0*" + random.randbytes(30))
    )
    if random.random() < 0.2:
        del chunks[at]
    elif random.random() < 0.3:
        chunks[at] = (chunks[at][0], spoiled_bytes(chunks[at][1], random))
    else:
        chunks.insert(max(1, at), (kind, filling))
    return content[:8] + b"".join(_chunk(*each) for each in chunks)


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    at, found = 8, []
    while at < len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        found.append((kind, content[at + 8 : at + 8 + length]))
        at += length + 12
    return found


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def spoiled_data(data: Any, random: Random) -> Any:
    """Replace, drop, repeat or rename values of plain data, in one to three places."""
    data = copy.deepcopy(data)
    for _ in range(random.choice((1, 1, 2, 3))):
        places = list(_places(data))
        if not places:
            return random.choice(AWKWARD)
        holder, key = random.choice(places)
        value = copy.deepcopy(random.choice(AWKWARD))
        kind = random.randrange(8)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[random.choice(("new", "", "a.b", 5, None, "ö"))] = holder.pop(key)
        elif kind == 2 and isinstance(holder, list):
            holder.extend([holder[key]] * random.choice((1, 300)))
        elif kind == 3:
            holder[key] = [holder[key]]
        elif kind == 4:
            holder[key] = str(holder[key])
        else:
            holder[key] = value
    return data


def _places(data: Any) -> Any:
    if isinstance(data, dict):
        entries = list(data.items())
    elif isinstance(data, list):
        entries = list(enumerate(data))
    else:
        return
    for key, value in entries:
        yield data, key
        yield from _places(value)
