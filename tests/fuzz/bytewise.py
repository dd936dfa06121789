"""Damage to any file: cut, flipped, moved, overwritten."""

from __future__ import annotations

from random import Random

from mutation import family


def cut_anywhere(raw: bytes, rng: Random) -> bytes:
    return raw[: rng.randrange(len(raw) + 1)]


def cut_near_the_end(raw: bytes, rng: Random) -> bytes:
    return raw[: -rng.randint(1, min(64, len(raw) or 1))]


def cut_at_the_front(raw: bytes, rng: Random) -> bytes:
    return raw[rng.randint(1, min(64, len(raw) or 1)) :]


def flip_a_bit(raw: bytes, rng: Random) -> bytes:
    return _overwritten(raw, rng, lambda byte: byte ^ 1 << rng.randrange(8))


def flip_a_bit_of_the_head(raw: bytes, rng: Random) -> bytes:
    return flip_a_bit(raw[:256], rng) + raw[256:]


def flip_a_bit_of_the_tail(raw: bytes, rng: Random) -> bytes:
    return raw[:-256] + flip_a_bit(raw[-256:], rng)


def overwrite_a_byte(raw: bytes, rng: Random) -> bytes:
    return _overwritten(raw, rng, lambda byte: rng.randrange(256))


def zero_a_range(raw: bytes, rng: Random) -> bytes:
    start, end = _range(raw, rng)
    return raw[:start] + bytes(end - start) + raw[end:]


def delete_a_range(raw: bytes, rng: Random) -> bytes:
    start, end = _range(raw, rng)
    return raw[:start] + raw[end:]


def double_a_range(raw: bytes, rng: Random) -> bytes:
    start, end = _range(raw, rng)
    return raw[:end] + raw[start:end] + raw[end:]


def insert_a_block(raw: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(raw) + 1)
    return raw[:at] + rng.randbytes(rng.choice((1, 3, 16, 512))) + raw[at:]


def swap_two_blocks(raw: bytes, rng: Random) -> bytes:
    size = max(1, min(len(raw) // 4, rng.choice((1, 4, 64))))
    first, second = sorted((rng.randrange(len(raw) // 2 + 1), rng.randrange(len(raw) // 2, len(raw) + 1)))
    one, other = raw[first : first + size], raw[second : second + size]
    if first + size > second or len(one) != len(other):
        return raw
    return raw[:first] + other + raw[first + size : second] + one + raw[second + size :]


def change_a_length(raw: bytes, rng: Random) -> bytes:
    """A number of four bytes, as lengths and offsets are, becomes another."""
    if len(raw) < 4:
        return raw
    at, order = rng.randrange(len(raw) - 3), rng.choice(("little", "big"))
    value = int.from_bytes(raw[at : at + 4], order)  # type: ignore[arg-type]
    changed = rng.choice((0, value + 1, max(0, value - 1), 2 * value, 2**31 - 1, 2**32 - 1)) % 2**32
    return raw[:at] + changed.to_bytes(4, order) + raw[at + 4 :]  # type: ignore[arg-type]


def append_garbage(raw: bytes, rng: Random) -> bytes:
    return raw + rng.randbytes(rng.choice((1, 7, 1000)))


def empty(raw: bytes, rng: Random) -> bytes:
    return b""


def zeros_instead(raw: bytes, rng: Random) -> bytes:
    """What a file system leaves after a crash: the size, and nothing in it."""
    return bytes(len(raw))


def another_file(raw: bytes, rng: Random) -> bytes:
    return rng.choice(
        (b"<html><body>404 Not Found</body></html>", b"\x89PNG\r\n\x1a\n", b"%PDF-1.4\n", b"PK\5\6" + bytes(18))
    )


def _range(raw: bytes, rng: Random) -> tuple[int, int]:
    start = rng.randrange(len(raw) + 1)
    return start, min(len(raw), start + rng.choice((1, 2, 5, 16, 100, 4096)))


def _overwritten(raw: bytes, rng: Random, change) -> bytes:
    if not raw:
        return raw
    at = rng.randrange(len(raw))
    return raw[:at] + bytes([change(raw[at])]) + raw[at + 1 :]


BYTEWISE = family(
    (
        cut_anywhere,
        cut_near_the_end,
        cut_at_the_front,
        flip_a_bit,
        flip_a_bit_of_the_head,
        flip_a_bit_of_the_tail,
        overwrite_a_byte,
        zero_a_range,
        delete_a_range,
        double_a_range,
        insert_a_block,
        swap_two_blocks,
        change_a_length,
        append_garbage,
        empty,
        zeros_instead,
        another_file,
    )
)
