"""Sessions of both kinds, as several themes open them."""

from __future__ import annotations

from typing import Any

from opendxa.dana import Dana


def open_dana(isolated: bool, **settings: Any) -> Dana:
    return Dana(require_isolation=isolated, echo=False, **settings)


def value(session: Dana, source: str) -> Any:
    result = session.execute_string(source)
    assert result.error is None, str(result.error)
    return result.result
