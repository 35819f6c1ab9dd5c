"""Opens a file of readers and cuts it into records, whatever its line ends and delimiter. Refuses a file that it cannot
read whole, never guesses an encoding, and never lets a stray quotation mark swallow the rows after it."""

import codecs
import csv
import hashlib
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from service.errors import Invalid

MAXIMUM_BYTES = 200 * 1024 * 1024
MAXIMUM_LINE = 1_100_000
"""Characters: 100 columns of 10,000 fit, a file that is one endless line does not."""
MAXIMUM_LINES = 100
"""Lines that one quoted value may run over before its quotation mark is taken for a stray one."""
DELIMITERS = (",", ";", "\t")
_CHUNK = 1 << 20
# Python knows these as text encodings, but no spreadsheet writes them.
_NO_ENCODINGS = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "utf-7"})


@dataclass(frozen=True)
class RowFault:
    """A row that was not taken: the line of the file where it starts, counted from 1, and what to change or know."""

    line: int
    reason: str


@dataclass(frozen=True)
class Source:
    """A file that is known to be readable text; `sha256` is the evidence of what was imported."""

    text: TextIO
    sha256: bytes
    path: Path
    was: os.stat_result

    def check_unchanged(self) -> None:
        """Raises Invalid when the file was written to since its SHA-256 was taken. Call it before committing anything."""
        now = os.fstat(self.text.fileno())
        if (now.st_size, now.st_mtime_ns) != (self.was.st_size, self.was.st_mtime_ns):
            raise Invalid(f"{self.path} was changed while it was being read. Nothing was imported; import it again.")


@contextmanager
def opened(path: Path, encoding: str | None) -> Iterator[Source]:
    """The file as text, checked from end to end. Raises Invalid."""
    codec = _codec(encoding)
    _check_is_file(path)
    try:
        raw = path.open("rb")
    except OSError as error:
        raise Invalid(_unreadable(path, error)) from None
    with raw:
        before = os.fstat(raw.fileno())
        if before.st_size > MAXIMUM_BYTES:
            raise Invalid(
                f"{path} has {before.st_size:,} bytes; at most {MAXIMUM_BYTES:,} are read. Split it into several files."
            )
        sha256 = _check_text(raw, codec, encoding, path)
        raw.seek(0)
        text = TextIOWrapper(raw, encoding="utf-8-sig" if codec == "utf-8" else codec, newline="")
        yield Source(text, sha256, path, before)


def _codec(encoding: str | None) -> str:
    if encoding is None:
        return "utf-8"
    try:
        name = codecs.lookup(encoding).name
        b"a".decode(name)
    except UnicodeDecodeError:
        return name  # such as UTF-16, of which one byte is no text
    except (LookupError, ValueError):
        name = "undefined"
    if name in _NO_ENCODINGS:
        raise Invalid(f"{encoding!r} is no encoding of text. Give one such as utf-8, cp1252, utf-16 or gb18030.")
    return "utf-8" if name == "utf-8-sig" else name


def _check_is_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise Invalid(_unreadable(path, error)) from None
    except ValueError:
        raise Invalid("The name of the file holds a NUL character; correct it.") from None
    if stat.S_ISDIR(mode):
        raise Invalid(f"{path} is a directory. Give the file of readers in it.")
    if not stat.S_ISREG(mode):
        raise Invalid(f"{path} is no regular file. Save the readers as a CSV file and give that.")


def _unreadable(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"There is no file {path}. Check its name and folder."
    if isinstance(error, PermissionError):
        return f"{path} may not be read by this user. Change its permissions, or run the import as a user who may."
    return f"{path} cannot be read: {error.strerror}."


def _check_text(raw: BinaryIO, codec: str, asked: str | None, path: Path) -> bytes:
    """The file's SHA-256, once every byte of it has proved to be text. Raises Invalid with the place of the first that is not."""
    decoder = codecs.getincrementaldecoder(codec)()
    digest, start, lines, returns, blank = hashlib.sha256(), 0, 0, 0, True
    while True:
        chunk = raw.read(_CHUNK)
        digest.update(chunk)
        pending = len(decoder.getstate()[0])
        try:
            blank = not decoder.decode(chunk, final=not chunk).strip("\ufeff \t\r\n") and blank
        except UnicodeDecodeError as error:
            good = max(0, error.start - pending)
            lines, returns = lines + chunk.count(b"\n", 0, good), returns + chunk.count(b"\r", 0, good)
            place = f"byte {start - pending + error.start:,} (line {(lines or returns) + 1:,})"
            raise Invalid(_not_text(path, asked, place)) from None
        except UnicodeError:  # the codec's own word that the mark is missing by which it tells the order of bytes
            raise Invalid(
                f"{path} is not {asked} with a byte-order mark at its start. Give utf-16-le, utf-16-be or whatever it was saved in, or save it as UTF-8."
            ) from None
        if not chunk:
            break
        start, lines, returns = start + len(chunk), lines + chunk.count(b"\n"), returns + chunk.count(b"\r")
    if blank:
        raise Invalid(f"{path} is empty. Its first line must name the columns, one of them email.")
    return digest.digest()


def _not_text(path: Path, asked: str | None, place: str) -> str:
    if asked is not None:
        return f"{path} is not {asked}: {place} cannot be read. Give the encoding it was saved in, or save it as UTF-8."
    return (
        f"{path} is not UTF-8: {place} cannot be read. Save it as “CSV UTF-8”, or say which encoding it has, "
        "such as --encoding cp1252 (Excel in Western Europe), utf-16 or gb18030."
    )


class _Runaway(Exception):
    """What was being read as one record cannot be one."""


class _Lines:
    """The physical lines, of which some can be given back."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._again: deque[str] = deque()
        self.number = 0
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.taken) >= MAXIMUM_LINES:
            raise _Runaway("A quotation mark opens here and is not closed; close it or remove it.")
        line = self._again.popleft() if self._again else self._text.readline(MAXIMUM_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        self.taken.append(line)
        if len(line) == MAXIMUM_LINE and not line.endswith(("\n", "\r")):
            while (rest := self._text.readline(MAXIMUM_LINE)) and not rest.endswith(("\n", "\r")):
                pass
            raise _Runaway(f"The line has more than {MAXIMUM_LINE:,} characters; shorten it.")
        return line

    def peek(self) -> str:
        """The first line that is not blank, which will be given again."""
        for line in self:
            self.taken.clear()
            if line.strip():
                self._again.appendleft(line)
                self.number -= 1
                return line
        return ""

    def give_back_all_but_first(self) -> None:
        self._again.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1


class Records:
    """The records of a delimited text, each with the line it starts at. The delimiter is the one its first line uses most."""

    def __init__(self, text: TextIO) -> None:
        self._lines = _Lines(text)
        try:
            first = self._lines.peek()
        except _Runaway as error:
            raise Invalid(f"The line that must name the columns cannot be read. {error}") from None
        self.delimiter = _delimiter(first)
        self._reader = csv.reader(self._lines, delimiter=self.delimiter, strict=True, skipinitialspace=True)

    def __iter__(self) -> Iterator[tuple[int, list[str]] | RowFault]:
        lines, reader = self._lines, self._reader
        while True:
            lines.taken.clear()
            start = lines.number + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _Runaway) as error:
                yield RowFault(start, _reason(error))
                lines.give_back_all_but_first()
                continue
            if lines.number > start and any("@" in cell and ("\n" in cell or "\r" in cell) for cell in cells):
                yield RowFault(
                    start,
                    f"A quoted value runs over lines {start} to {lines.number} and holds an @; a quotation mark may be "
                    "missing. Nothing of these lines was taken.",
                )
            elif any(cell.strip() for cell in cells):
                yield start, cells


def _delimiter(line: str) -> str:
    """Only what stands outside quotation marks counts."""
    outside = "".join(line.split('"')[::2])
    return max(DELIMITERS, key=outside.count)


def _reason(error: Exception) -> str:
    if isinstance(error, _Runaway):
        return str(error)
    if "field larger" in str(error):
        return f"A value has more than {csv.field_size_limit():,} characters; shorten it."
    if "unexpected end" in str(error):
        return "A quotation mark opens here and is not closed; close it or remove it."
    return "A quotation mark stands in the middle of a value or is not closed; double it or remove it."
