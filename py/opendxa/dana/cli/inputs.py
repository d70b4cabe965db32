"""``key=value`` on the command line: what a program's ``__main__`` is called with.

Rule: values are JSON where they are JSON, and text otherwise; ``@file`` is read by its extension. They reach
the program as values, never as source text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NoReturn

from .usage import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["read"]


def read(words: Iterable[str]) -> dict[str, Any]:
    """Return the values by name."""
    values: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise UsageError(f"{word!r} is not key=value")
        if not (key.isascii() and key.isidentifier()):
            raise UsageError(f"{key!r} is no name of a parameter: ASCII letters, digits and _")
        if key in values:
            raise UsageError(f"{key} is given twice")
        values[key] = _of_file(key, text[1:]) if text.startswith("@") else _of_text(key, text)
    return values


def _of_text(key: str, text: str) -> Any:
    try:
        return _json(text)
    except json.JSONDecodeError:
        return text
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{key}: {error}") from error


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> NoReturn:
    """Refuse what Python takes for JSON and JSON does not know."""
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)


def _of_file(key: str, name: str) -> Any:
    from pathlib import Path  # noqa: PLC0415 - loaded when a file is named

    path = Path(name).expanduser()
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{key}=@{name} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{key}=@{name} is not UTF-8 text (byte {error.start})") from error
    try:
        return _READERS.get(path.suffix.lower(), _whole)(text, path)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{key}=@{name}: {error}") from error


def _whole(text: str, _: Path) -> str:
    return text


def _of_json(text: str, _: Path) -> Any:
    return _json(text)


def _of_csv(text: str, _: Path) -> list[dict[str, str]]:
    """Return the rows by the names in the first line; all values are texts."""
    import csv  # noqa: PLC0415

    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    rows = []
    try:
        names = reader.fieldnames or []
        if len(set(names)) < len(names):
            raise ValueError("two columns have the same name")
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(f"line {reader.line_num} has not as many fields as the first")
            rows.append(row)
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error
    return rows


def _of_yaml(text: str, path: Path) -> Any:
    try:
        import yaml  # noqa: PLC0415
    except ImportError:
        raise UsageError(
            f"{path} is YAML, and no parser for it is installed\nHint: pip install pyyaml, or give JSON"
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


_READERS: Final[dict[str, Callable[[str, Path], Any]]] = {
    ".json": _of_json,
    ".csv": _of_csv,
    ".yaml": _of_yaml,
    ".yml": _of_yaml,
}
