"""Ids of our own things: `tsk_`, `evt_`, `dlv_` … and 26 letters that sort by time.

Pure: the caller gives the time and random bytes. 48 bits of milliseconds, then 80 random bits, in Crockford's base 32.
"""

from collections.abc import Callable

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]  # ten bits at a time, half as many steps

RANDOM_BYTES = 10

#: The last ones, which are counted up within a millisecond.
_COUNTED_BITS = 40

_SHIFTS = range(120, _COUNTED_BITS - 1, -10)

#: Makes an id for a prefix at a time in unix milliseconds.
IdMaker = Callable[[str, int], str]


def id_maker(random: Callable[[int], bytes]) -> IdMaker:
    """`random(n)` gives n random bytes, as `secrets.token_bytes` does. Ids of one maker sort in the order of making."""
    last_ms, beginning, counted = -1, "", 0

    def make(prefix: str, now_ms: int) -> str:
        nonlocal last_ms, beginning, counted
        if now_ms > last_ms:
            number = now_ms << (8 * RANDOM_BYTES) | int.from_bytes(random(RANDOM_BYTES))
            last_ms, beginning = now_ms, "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])
            # The top bit stays free, so that counting up within a millisecond never overflows.
            counted = number & ((1 << (_COUNTED_BITS - 1)) - 1)
        else:
            counted += 1
        ending = _PAIRS[counted >> 30] + _PAIRS[counted >> 20 & 1023] + _PAIRS[counted >> 10 & 1023]
        return f"{prefix}_{beginning}{ending}{_PAIRS[counted & 1023]}"

    return make


def id_floor(prefix: str, at_ms: int) -> str:
    """Below every id of a prefix that is made at a time or later. A time that no id can have gives the nearest one."""
    return id_maker(bytes)(prefix, max(0, min(at_ms, (1 << 48) - 1)))  # with zeros in place of random bytes
