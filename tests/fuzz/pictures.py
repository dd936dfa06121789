"""Image files that are cut, of another format or mode, far too large or far too thin, or no images."""

from __future__ import annotations

import io
import struct
import zlib
from random import Random

import numpy as np
from bytewise import BYTEWISE
from mutation import family
from PIL import Image


def _saved(image: Image.Image, form: str, **settings) -> bytes:
    image.save(out := io.BytesIO(), form, **settings)
    return out.getvalue()


def _opened(raw: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(raw)).convert("RGB")
    except Exception:
        return Image.new("RGB", (40, 48), (10, 200, 90))


def another_mode(raw: bytes, rng: Random) -> bytes:
    mode = rng.choice(("L", "1", "P", "RGBA", "LA", "I;16", "CMYK"))
    if mode == "CMYK":
        return _saved(_opened(raw).convert("CMYK"), "JPEG")
    if mode == "I;16":
        grey = np.asarray(_opened(raw).convert("L")).astype(np.uint16) * 257
        return _saved(Image.fromarray(grey), "PNG")
    return _saved(_opened(raw).convert(mode), "PNG")


def another_format(raw: bytes, rng: Random) -> bytes:
    return _saved(
        _opened(raw), rng.choice(("PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO", "EPS", "PDF", "TGA", "DIB"))
    )


def another_size(raw: bytes, rng: Random) -> bytes:
    size = rng.choice(((1, 1), (1, 64), (64, 1), (2, 3000), (3000, 2), (1, 60000), (400, 300)))
    return _saved(_opened(raw).resize(size), rng.choice(("JPEG", "PNG")))


def _png(width: int, height: int, data: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def a_bomb(raw: bytes, rng: Random) -> bytes:
    """Small on the disk, and hundreds of megapixels or more in memory."""
    width, height = rng.choice(((30_000, 30_000), (2**31 - 1, 2**31 - 1), (12_000, 12_000), (1, 2**31 - 1)))
    return _png(width, height, zlib.compress(bytes(1 << 20)))


def with_a_long_comment(raw: bytes, rng: Random) -> bytes:
    return _saved(_opened(raw), "JPEG", comment=b"x" * 60_000, exif=b"Exif\0\0" + rng.randbytes(500))


def text_chunks(raw: bytes, rng: Random) -> bytes:
    """A PNG whose compressed text is larger than Pillow allows."""
    packed = _saved(_opened(raw), "PNG")
    text = b"Comment\0\0" + zlib.compress(bytes(3 << 20))
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    return packed[:33] + chunk + packed[33:]


PICTURES = (
    *BYTEWISE,
    *family((another_mode, another_format, another_size, a_bomb, with_a_long_comment, text_chunks)),
)
