"""Pictures of a screen: read, written, looked at and compared; nothing but Python's own library.

A picture is its rows of red, green and blue bytes. PNG as W3C's recommendation describes it, in the
two forms that screens come in: 8 bits, RGB or RGBA, not interlaced.
"""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"\x89PNG\r\n\x1a\n"


@dataclass
class Picture:
    """`width` by `height` pixels, three bytes each, row by row."""

    width: int
    height: int
    rgb: bytes

    @staticmethod
    def from_ppm(data: bytes) -> "Picture":
        """From the plain form that QEMU writes."""
        kind, width, height, depth = data.split(maxsplit=4)[:4]
        if (kind, depth) != (b"P6", b"255"):
            raise ValueError("not a PPM with 8 bits a colour")
        size = int(width) * int(height) * 3
        return Picture(int(width), int(height), data[-size:])

    @staticmethod
    def read(file: Path) -> "Picture":
        """From a PNG."""
        data = file.read_bytes()
        if not data.startswith(MAGIC):
            raise ValueError(f"{file} is no PNG")
        head, packed, at = b"", b"", len(MAGIC)
        while at < len(data):
            length, kind = struct.unpack(">I4s", data[at : at + 8])
            body = data[at + 8 : at + 8 + length]
            head = body if kind == b"IHDR" else head
            packed += body if kind == b"IDAT" else b""
            at += length + 12
        width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", head)
        if depth != 8 or colour not in (2, 6) or interlaced:
            raise ValueError(f"{file} is no plain RGB picture")
        step = 3 if colour == 2 else 4
        pixels = _unfiltered(zlib.decompress(packed), width * step, height, step)
        if step == 4:
            pixels = b"".join(pixels[i : i + 3] for i in range(0, len(pixels), 4))
        return Picture(width, height, bytes(pixels))

    def write(self, file: Path) -> None:
        """As a PNG."""
        row = self.width * 3
        rows = b"".join(b"\0" + self.rgb[i : i + row] for i in range(0, len(self.rgb), row))
        head = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b"")]
        with open(file, "wb") as out:
            out.write(MAGIC)
            for kind, body in parts:
                out.write(struct.pack(">I", len(body)) + kind + body)
                out.write(struct.pack(">I", zlib.crc32(kind + body)))

    def part(self, x: int, y: int, width: int, height: int) -> "Picture":
        """A rectangle of it."""
        rows = range(y, y + height)
        starts = [(row * self.width + x) * 3 for row in rows]
        return Picture(width, height, b"".join(self.rgb[i : i + width * 3] for i in starts))

    def without(self, x: int, y: int, width: int, height: int) -> "Picture":
        """The same with a black rectangle: what changes by itself is not compared."""
        rgb = bytearray(self.rgb)
        for row in range(y, y + height):
            start = (row * self.width + x) * 3
            rgb[start : start + width * 3] = bytes(width * 3)
        return Picture(self.width, self.height, bytes(rgb))

    def mean(self) -> tuple[float, float, float]:
        """Its mean red, green and blue, 0 to 255."""
        count = self.width * self.height
        return tuple(sum(self.rgb[colour::3]) / count for colour in range(3))

    def is_dark(self) -> bool:
        """Nothing is to be seen on it."""
        return max(self.rgb) < 16

    def differs_from(self, other: "Picture", by: int = 48) -> float:
        """The part of all pixels, 0 to 1, in which a colour is further off than `by`."""
        if (self.width, self.height) != (other.width, other.height):
            return 1.0
        off = bytearray(self.width * self.height)
        for colour in range(3):
            pairs = zip(self.rgb[colour::3], other.rgb[colour::3])
            for i, (ours, theirs) in enumerate(pairs):
                if ours - theirs > by or theirs - ours > by:
                    off[i] = 1
        return sum(off) / len(off)

    def rotated(self, degrees: int) -> "Picture":
        """Turned clockwise by 0, 90, 180 or 270 degrees."""
        picture = self
        for _ in range(degrees // 90):
            picture = picture._quarter()
        return picture

    def _quarter(self) -> "Picture":
        pixels = [self.rgb[i : i + 3] for i in range(0, len(self.rgb), 3)]
        rows = [pixels[i : i + self.width] for i in range(0, len(pixels), self.width)]
        turned = zip(*reversed(rows))
        return Picture(self.height, self.width, b"".join(b"".join(row) for row in turned))


def _unfiltered(data: bytes, row: int, height: int, step: int) -> bytearray:
    """Each row of a PNG says how it was predicted: from the left, from above, from both."""
    pixels, above = bytearray(), bytearray(row)
    for at in range(0, height * (row + 1), row + 1):
        kind, line = data[at], bytearray(data[at + 1 : at + 1 + row])
        if kind == 2:
            line = bytearray((a + b) & 255 for a, b in zip(line, above))
        elif kind:
            for i in range(row):
                left = line[i - step] if i >= step else 0
                if kind == 1:
                    guess = left
                elif kind == 3:
                    guess = (left + above[i]) // 2
                else:
                    guess = _paeth(left, above[i], above[i - step] if i >= step else 0)
                line[i] = (line[i] + guess) & 255
        pixels += line
        above = line
    return pixels


def _paeth(left: int, up: int, corner: int) -> int:
    by_left, by_up, by_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    if by_left <= by_up and by_left <= by_corner:
        return left
    return up if by_up <= by_corner else corner
