"""What a running process is made of, as one value that `bootstrap` wires and everybody else is handed."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyDigest:
    """A bearer key as it is compared: SHA-256 of its bytes. The key itself is known only to its owner."""

    name: str
    scopes: frozenset[str]
    sha256: bytes = field(repr=False)
