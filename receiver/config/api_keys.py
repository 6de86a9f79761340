"""The bearer keys of our own API: as they are set, and as a request is compared with them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from pydantic import InstanceOf

from receiver.config.types import InvalidValue, entries, from_text, read_long_key

KEY_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"

_NAME = re.compile(KEY_NAME)


class Scope(StrEnum):
    """What a key allows, by its name in the settings. No scope includes another."""

    SUBMIT = "submit"
    READ = "read"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a key is confined to. What lies outside is not there for its callers."""

    #: None: every provider.
    providers: frozenset[str] | None = None
    #: The name and the value that each of its tasks has; None: any labels.
    label: tuple[str, str] | None = None

    @property
    def are_set(self) -> bool:
        return self.providers is not None or self.label is not None

    def let_through(self, provider: str, labels: Mapping[str, str]) -> bool:
        """Whether a task of this provider with these labels is within."""
        is_of_provider = self.providers is None or provider in self.providers
        return is_of_provider and (self.label is None or labels.get(self.label[0]) == self.label[1])

    def conditions(self) -> dict[str, Any]:
        """The parameters of a statement that keeps to them. The list of providers has one that no task is of.

        In an empty list SQL finds neither a provider nor none.
        """
        name, value = self.label or (None, None)
        return {
            "any_provider": int(self.providers is None),
            "limit_providers": ["", *sorted(self.providers or ())],
            "limit_name": name,
            "limit_value": value,
        }

    def json_values(self) -> dict[str, Any]:
        return {
            "providers": None if self.providers is None else sorted(self.providers),
            "label": None if self.label is None else list(self.label),
        }


def limits_of(values: Mapping[str, Any]) -> Limits:
    """The limits of these JSON values."""
    providers, label = values["providers"], values["label"]
    return Limits(
        providers=None if providers is None else frozenset(providers),
        label=None if label is None else (label[0], label[1]),
    )


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it stands in the settings."""

    name: str
    scopes: frozenset[Scope]
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyDigest:
    """A key as it is compared: the SHA-256 of its bytes, from which the key cannot be found."""

    #: None: it stands in the settings.
    id: str | None = None
    name: str
    scopes: frozenset[Scope]
    limits: Limits = NO_LIMITS
    sha256: bytes = field(repr=False)


def _read_api_keys(text: str) -> tuple[ApiKey, ...]:
    keys = tuple(_api_key(place, part) for place, part in entries(text))
    for what, values in (("name", [key.name for key in keys]), ("key", [key.key for key in keys])):
        if len(set(values)) < len(values):
            raise InvalidValue(f"it holds the same {what} twice", hint=f"give each entry its own {what}")
    return keys


def _api_key(place: int, text: str) -> ApiKey:
    name, scopes, key = (*text.split(":", 2), "", "")[:3]
    hint = "write each entry as name:scope+scope:key, scopes being submit, read and operate"
    if not _NAME.fullmatch(name):
        raise InvalidValue(f"entry {place} has no valid name", hint=hint)
    wanted = scopes.split("+")
    if not set(wanted) <= set(Scope):
        raise InvalidValue(f"entry {place} names a scope that does not exist", hint=hint)
    return ApiKey(name=name, scopes=frozenset(map(Scope, wanted)), key=read_long_key(place, key))


ApiKeys = Annotated[tuple[InstanceOf[ApiKey], ...], from_text(_read_api_keys)]
