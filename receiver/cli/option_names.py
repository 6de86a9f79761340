"""Members of the API under the names that they have on the command line. Pure, but for the command that runs now."""

from collections.abc import Iterable
from contextvars import ContextVar

#: The options and the arguments of the command that runs.
given_names: ContextVar[frozenset[str]] = ContextVar("given_names", default=frozenset())

#: Members whose option does not follow from their name; the first that the command has.
_OTHER: dict[str, tuple[str, ...]] = {
    "endpoint": ("--endpoint", "HOST"),
    "first_seq": ("--from-seq",),
    "last_seq": ("--to-seq",),
    "name": ("NAME",),
    "secret": ("--secret-file",),
    "text": ("TEXT",),
    "url": ("--endpoint", "URL"),
    "which": ("--only",),
}

_UNITS = ("_per_s", "_s")


def as_option(member: str) -> str:
    """`labels.film` as `--label film` and `rate_per_s` as `--rate`, where the command has such an option."""
    head, _, rest = member.partition(".")
    has = given_names.get()
    option = next((name for name in _names_of(head) if name in has), None)
    if option is None:
        return member
    return option if not rest or rest.isdecimal() else f"{option} {rest}"


def _names_of(member: str) -> Iterable[str]:
    yield from _OTHER.get(member, ())
    unit = next((unit for unit in _UNITS if member.endswith(unit)), "")
    name = member.removesuffix(unit).replace("_", "-")
    yield f"--{name}"
    yield f"--{name.removesuffix('s')}"
