"""A file that has its name only when it is whole: until then it is called `.part`, which a later download continues."""

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from submitter.client.calls.results import OVERLAP, Piece

#: Called with the bytes that are there and the size of the whole file, None where that is not known.
OnBytes = Callable[[int, int | None], None]


class PartFile:
    """One download to `place`: a file, or a folder in which the file gets the name that the service has for it.

    Raise FileExistsError for a file that is there, and other kinds of OSError as the disk gives them.
    """

    def __init__(self, place: str | os.PathLike[str], fallback: str) -> None:
        self._place = Path(place)
        self._is_folder = self._place.is_dir()
        self._fallback = fallback
        self._name: str | None = None
        if not self._is_folder:
            _refuse_to_overwrite(self._place)
        part = (
            self._place / f"{fallback}.part" if self._is_folder else self._place.with_name(f"{self._place.name}.part")
        )
        self._part = part
        self._file: BinaryIO = part.open("a+b")
        self._file.seek(max(0, self.size - OVERLAP))
        #: The last bytes that were there when it was opened.
        self.known = self._file.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._part.exists() and not self._part.stat().st_size:
            self._part.unlink()

    @property
    def size(self) -> int:
        """The bytes that are there."""
        return self._file.tell()

    def write(self, piece: Piece) -> None:
        """Add a piece; one that begins before the end replaces what is there."""
        if self._name is None and piece.name is not None:
            self._name = piece.name
            _refuse_to_overwrite(self._path)
        if piece.at != self._file.tell():
            self._file.truncate(piece.at)
            self._file.seek(piece.at)
        self._file.write(piece.data)

    def finish(self) -> Path:
        """Give the file its name, now that it is on the disk, and return its path."""
        self._file.flush()
        os.fsync(self._file.fileno())
        _refuse_to_overwrite(self._path)
        self._part.rename(self._path)
        return self._path

    @property
    def _path(self) -> Path:
        return self._place / (self._name or self._fallback) if self._is_folder else self._place


def _refuse_to_overwrite(path: Path) -> None:
    if path.exists():
        raise FileExistsError(f"{path} is there already")
