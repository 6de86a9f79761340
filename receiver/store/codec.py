"""Rows of the database and values of dataclasses, converted as the types of the fields say.

Pure. A codec is made once for a class, at import:

    TASK_ROWS = RowCodec(Task, renamed={"provider_task_id": "task_id"})

A field is the column of the same name. Its type says what the column holds:

=====================================  ===========================
field                                  column
=====================================  ===========================
text, number, or a NewType of these    the same
bool                                   0 or 1
StrEnum                                its text
Mapping                                a JSON object
dataclass of plain members             a JSON object
tuple of such dataclasses              a JSON array of objects
one of these or None                   the same, and NULL for None
=====================================  ===========================
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, is_dataclass
from enum import StrEnum
from functools import cache
from typing import (
    Any,
    ClassVar,
    Generic,
    NamedTuple,
    Protocol,
    TypeAlias,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

Row = Mapping[str, Any]

T = TypeVar("T")

#: Raw messages are stored for people to read; longer ones are cut there.
RAW_CHARACTERS = 65_536

#: JSON text without spaces.
to_json: Callable[[object], str] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_FieldType: TypeAlias = Any  # a class, or what `typing` makes of `Mapping[str, str]` and `int | None`


def readable(raw: bytes) -> str:
    """Any bytes as text that every engine can store: bad bytes escaped, NUL shown, cut to `RAW_CHARACTERS`."""
    return raw[:RAW_CHARACTERS].decode("utf-8", "backslashreplace").replace("\x00", "\\x00")[:RAW_CHARACTERS]


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


def json_object(value: _Dataclass) -> dict[str, Any]:
    """The members of a dataclass by name, as they are."""
    return _members_of(type(value))(value)


@cache
def _members_of(kind: type[_Dataclass]) -> Callable[[_Dataclass], dict[str, Any]]:
    return _compile("value", f"{{{', '.join(f'{name!r}: value.{name}' for name in kind.__dataclass_fields__)}}}", {})


class Conversion(NamedTuple):
    """From a field's value to a column's and back."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


#: For a column that is never NULL: an empty text stands for None.
EMPTY_FOR_NONE = Conversion(lambda value: value or "", lambda cell: cell or None)


class RowCodec(Generic[T]):
    """Makes rows of one dataclass's values, and values of rows."""

    #: A row of a value.
    to_row: Callable[[T], dict[str, Any]]

    #: A value of a row, which may have more columns. Takes the fields without a column as keyword arguments.
    from_row: Callable[..., T]

    def __init__(
        self,
        kind: type[T],
        *,
        renamed: Mapping[str, str] | None = None,
        excluded: Collection[str] = (),
        converted: Mapping[str, Conversion] | None = None,
    ) -> None:
        """Raise TypeError for a field whose type is not in the table of the module.

        `renamed`: columns that have another name than their field. `excluded`: fields without a column. `converted`:
        fields with a conversion of their own.
        """
        columns, conversions = renamed or {}, converted or {}
        codes = [
            _column_code(name, columns.get(name, name), hint, conversions.get(name))
            for name, hint in get_type_hints(kind).items()
            if name not in excluded
        ]
        names = {"kind": kind}
        for code in codes:
            names |= code.names
        rest = ", **excluded" if excluded else ""
        self.to_row = _compile("value", f"{{{', '.join(code.item for code in codes)}}}", names)
        self.from_row = _compile(f"row{rest}", f"kind({', '.join(code.argument for code in codes)}{rest})", names)


@dataclass(frozen=True, slots=True, kw_only=True)
class _FieldCode:
    """How a field is converted, as Python: an `item` of the row and an `argument` of the class, and `names` in both."""

    item: str
    argument: str
    names: Mapping[str, Any] = field(default_factory=dict)


def _column_code(name: str, column: str, hint: _FieldType, own: Conversion | None) -> _FieldCode:
    value, cell = f"value.{name}", f"row[{column!r}]"
    conversion = own or _conversion(_without_none(hint))
    if conversion is None:
        return _FieldCode(item=f"{column!r}: {value}", argument=f"{name}={cell}")
    encoded, decoded = f"encode_{name}({value})", f"decode_{name}({cell})"
    if own is None and type(None) in get_args(hint):
        encoded, decoded = f"None if {value} is None else {encoded}", f"None if {cell} is None else {decoded}"
    return _FieldCode(
        item=f"{column!r}: {encoded}",
        argument=f"{name}={decoded}",
        names={f"encode_{name}": conversion.encode, f"decode_{name}": conversion.decode},
    )


def _compile(parameters: str, expression: str, names: Mapping[str, Any]) -> Callable[..., Any]:
    """A function. Compiled, as `dataclasses` compiles `__init__`, because a loop over the fields slows intake down."""
    source = f"lambda {parameters}: {expression}"
    function: Callable[..., Any] = eval(source, dict(names))  # noqa: S307 - the source is made of the names of our own fields alone, never of a value
    return function


def _conversion(kind: _FieldType) -> Conversion | None:
    """None for what is stored as it is."""
    kind = getattr(kind, "__supertype__", kind)  # of a NewType
    origin: object = get_origin(kind)
    arguments = get_args(kind)
    if kind in {str, int, float}:
        return None
    if kind is bool:
        return Conversion(int, bool)
    if origin is Mapping:
        return Conversion(
            lambda value: to_json(dict(value)) if value else "{}",
            lambda cell: {} if cell == "{}" else json.loads(cell),
        )
    if origin is tuple and _has_plain_members(arguments[0]):
        make = arguments[0]
        return Conversion(
            lambda value: to_json([json_object(each) for each in value]) if value else "[]",
            lambda cell: () if cell == "[]" else tuple([make(**each) for each in json.loads(cell)]),
        )
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return Conversion(str, {member.value: member for member in kind}.__getitem__)
    if _has_plain_members(kind):
        return Conversion(lambda value: to_json(json_object(value)), lambda cell: kind(**json.loads(cell)))
    raise TypeError(f"{kind} has no column type")


def _has_plain_members(kind: _FieldType) -> bool:
    """Whether it is a dataclass. Raise TypeError unless its members are texts, numbers, booleans or None."""
    if not is_dataclass(kind):
        return False
    for name, each in get_type_hints(kind).items():
        if _without_none(each) not in {str, int, float, bool}:
            raise TypeError(f"{kind}.{name} is no plain JSON value")
    return True


def _without_none(kind: _FieldType) -> _FieldType:
    arguments = get_args(kind)
    return next(each for each in arguments if each is not type(None)) if type(None) in arguments else kind
