"""Text of others as a terminal or a log may show it: what is not printable becomes an escape. Pure.

Not printable are control characters (C0, C1), marks that change the direction of text, the line ends of Unicode,
surrogates, and what no Unicode version knows.
"""

import json


def escape_control(text: str, *, keep: str = "\n") -> str:
    """Return the text with escapes as Python writes them; characters of `keep` stay."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in keep else _escaped(each) for each in text)


def escape_json(line: str) -> str:
    """Return a line of JSON that a reader takes for the same value."""
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
