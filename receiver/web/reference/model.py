"""What the reference says of each operation and each model, from the OpenAPI document. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

Values = Mapping[str, Any]

#: What stands for the address of the service in examples.
URL = "$WHENFINAL_URL"

KEY = "$WHENFINAL_API_KEY"

_METHODS = ("get", "post", "patch", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeName:
    """The type of a value: words, and the model that they name."""

    words: str
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a model, or a parameter."""

    name: str
    type: TypeName
    is_required: bool
    text: str = ""
    #: `path`, `query` or `header`; empty for a member.
    place: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What is sent or answered."""

    media_type: str
    type: TypeName
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One status. A body is None where there is none."""

    status: str
    phrase: str
    body: Body | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    name: str
    method: str
    path: str
    summary: str
    text: str
    #: The scope that its key needs; empty where none is needed.
    scope: str
    parameters: Sequence[Member]
    body: Body | None
    #: A command for a shell.
    curl: str
    answers: Sequence[Answer]
    #: Statuses of problems with their phrases.
    problems: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The operations of one tag."""

    name: str
    text: str
    operations: Sequence[Operation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """An object that is sent or answered with its members, or a type with a name."""

    name: str
    text: str
    type: TypeName
    members: Sequence[Member]


def sections_of(document: Values) -> list[Section]:
    operations = [
        (each["tags"], _operation(path, method, each))
        for path, methods in document["paths"].items()
        for method, each in methods.items()
        if method in _METHODS
    ]
    return [
        Section(
            name=tag["name"],
            text=tag["description"],
            operations=[operation for tags, operation in operations if tag["name"] in tags],
        )
        for tag in document["tags"]
    ]


def models_of(document: Values) -> list[Model]:
    return [
        Model(
            name=name,
            text=schema.get("description", ""),
            type=type_of(schema),
            members=list(_members(schema)),
        )
        for name, schema in sorted(document["components"]["schemas"].items())
    ]


def _operation(path: str, method: str, described: Values) -> Operation:
    answers = {status: each for status, each in described["responses"].items() if status < "400"}
    return Operation(
        name=described["operationId"],
        method=method.upper(),
        path=path,
        summary=described["summary"],
        text=described["description"],
        scope=described.get("x-scope", ""),
        parameters=[_parameter(each) for each in described["parameters"]],
        body=next(_bodies(described.get("requestBody", {})), None),
        curl=_curl(path, method, described),
        answers=[
            Answer(status=status, phrase=each["description"], body=next(_bodies(each), None))
            for status, each in answers.items()
        ],
        problems=[
            (status, each["description"]) for status, each in described["responses"].items() if status not in answers
        ],
    )


def _bodies(described: Values) -> Iterator[Body]:
    for media_type, media in described.get("content", {}).items():
        yield Body(media_type=media_type, type=type_of(media["schema"]), example=_shown(media["example"]))


def _shown(example: object) -> str:
    return example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)


def _parameter(described: Values) -> Member:
    example = described["example"]
    return Member(
        name=described["name"],
        type=type_of(described["schema"]),
        is_required=described["required"],
        text=described["description"],
        place=described["in"],
        example=_text(example),
    )


def _text(example: object) -> str:
    if isinstance(example, list):
        return ", ".join(map(_text, example))
    return json.dumps(example) if isinstance(example, bool) else str(example)


def _members(schema: Values) -> Iterator[Member]:
    required = schema.get("required", ())
    for name, described in schema.get("properties", {}).items():
        text = described.get("description", "")
        yield Member(name=name, type=type_of(described), is_required=name in required, text=text)


def type_of(schema: Values) -> TypeName:
    """In words, such as `list of Task`, `text or null`."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return TypeName(words=name, model=name)
    if "enum" in schema or "const" in schema:
        return TypeName(words=" | ".join(map(str, schema.get("enum") or [schema["const"]])))
    options = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if options:
        found = [type_of(each) for each in options]
        words = " or ".join(dict.fromkeys(each.words for each in found))
        return TypeName(words=words, model=next((each.model for each in found if each.model), ""))
    return _plain_type(schema)


_WORDS: Mapping[str, str] = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "null": "null",
}


def _plain_type(schema: Values) -> TypeName:
    kind = schema.get("type", "any")
    if kind == "array":
        inner = type_of(schema.get("items", {}))
        return TypeName(words=f"list of {inner.words}", model=inner.model)
    if schema.get("format") == "date-time":
        return TypeName(words="time in RFC 3339")
    return TypeName(words=_WORDS.get(kind, kind) + _bounds(schema))


def _bounds(schema: Values) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f" from {least} to {most}"
    return "" if least is None else f", at least {least}"


def _curl(path: str, method: str, described: Values) -> str:
    """With what is required, so that it can be pasted; the parameters that may be left out are in their table."""
    query = []
    for each in described["parameters"]:
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", quote(str(each["example"]), safe="…"))
        elif each["in"] == "query" and each["required"]:
            query.append(f"{each['name']}={quote(str(each['example']), safe='')}")
    address = f'"{URL}{path}{"?" if query else ""}{"&".join(query)}"'
    parts = ["curl" if method == "get" else f"curl -X {method.upper()}", address]
    lines = [" ".join(parts)]
    if "security" in described and described["security"][0]:
        lines.append(f'-H "Authorization: Bearer {KEY}"')
    content = described.get("requestBody", {}).get("content", {})
    for media_type, media in list(content.items())[:1]:
        body = json.dumps(media["example"], ensure_ascii=False).replace("'", "'\\''")
        lines += [f'-H "Content-Type: {media_type}"', f"-d '{body}'"]
    return " \\\n  ".join(lines)
