"""The SQL files that are part of this package.

`importlib.resources` would find them in an archive as well, and needs many more imports for it.
"""

from pathlib import Path


def sql_files(folder: str) -> list[Path]:
    """Those of a folder beside this module, by name."""
    return sorted(Path(__file__).with_name(folder).glob("*.sql"))
