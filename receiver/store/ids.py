"""Ids of our own things: `tsk_`, `evt_`, `dlv_` … and 26 letters that sort by time.

Pure: the caller gives the time and random bytes. 48 bits of milliseconds, then 80 random bits, in Crockford's base 32.
"""

from collections.abc import Callable

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]  # ten bits at a time, half as many steps
_SHIFTS = range(120, -1, -10)

RANDOM_BYTES = 10

#: Makes an id for a prefix at a time in unix milliseconds.
IdMaker = Callable[[str, int], str]


def new_id(prefix: str, now_ms: int, random_bytes: bytes) -> str:
    """`random_bytes` must be `RANDOM_BYTES` long."""
    number = now_ms << (8 * RANDOM_BYTES) | int.from_bytes(random_bytes)
    return f"{prefix}_{''.join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])}"


def id_maker(random: Callable[[int], bytes]) -> IdMaker:
    """`random(n)` gives n random bytes, as `secrets.token_bytes` does. Ids of one maker sort in the order of making."""
    last = [0, 0]

    def make(prefix: str, now_ms: int) -> str:
        if now_ms > last[0]:
            # The top bit stays free, so that counting up within a millisecond never overflows.
            last[:] = now_ms, int.from_bytes(random(RANDOM_BYTES)) >> 1
        else:
            last[1] += 1
        return new_id(prefix, last[0], last[1].to_bytes(RANDOM_BYTES))

    return make
