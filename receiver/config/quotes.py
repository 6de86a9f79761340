"""Values that are still in their quotes, because what set them does not take quotes away. Pure.

`docker run --env-file`, systemd's `Environment=` in some forms and pasted text keep them. A key then goes out with its
quotes, and a secret refuses everything.
"""

from collections.abc import Mapping

from receiver.config.accounts import account_prefixes
from receiver.config.environment import PREFIX
from receiver.config.problems import SettingProblem

#: Plain ones, and those that word processors and chat programs make of them.
QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"


def take_quotes_away(given: Mapping[str, str]) -> tuple[dict[str, str], tuple[SettingProblem, ...]]:
    """Return the values of our settings without their quotes, so that they can be checked further, and the problems.

    Variables of other programs stay as they are. A key or a secret may have a quote within or at its end alone.
    """
    prefixes = (PREFIX, *account_prefixes({name: text.strip(QUOTES) for name, text in given.items()}))
    quoted = [name for name, text in given.items() if name.startswith(prefixes) and text[0] in QUOTES]
    bare = {name: given[name].strip(QUOTES).strip() for name in quoted}
    problems = (
        SettingProblem(
            variable=name,
            rule="its value is in quotes, which whatever set it keeps, as docker --env-file does",
            hint="leave the quotes out",
        )
        for name in sorted(quoted)
    )
    return {name: text for name, text in {**given, **bare}.items() if text}, tuple(problems)
