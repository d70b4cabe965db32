from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, final

__all__ = [
    "BUILD",
    "FUNCTIONS",
    "NAME_BYTES",
    "PROTOCOL",
    "Function",
    "Session",
    "Struct",
    "findings",
    "format_source",
    "is_complete",
    "lint_codes",
    "pool_configure",
    "pool_empty",
    "pool_stats",
    "pool_warm",
    "restore_structs",
    "taken",
]

BUILD: str
PROTOCOL: int
FUNCTIONS: int
NAME_BYTES: int

def taken(name: str) -> str | None: ...

# Code, message, hint, line, column, last line, column behind the end.
_Told: TypeAlias = tuple[str, str, str | None, int, int, int, int]

def is_complete(source: str) -> bool: ...
def findings(source: str, defined: Sequence[str], exporting: bool) -> list[_Told]: ...
def format_source(source: str) -> str | _Told: ...
def lint_codes() -> list[tuple[str, str, str]]: ...
def restore_structs() -> None: ...
def pool_configure(
    *, min_idle: int, max_workers: int, acquire_timeout: float, idle_timeout: float, eager: bool
) -> None: ...
def pool_empty() -> None: ...
def pool_stats() -> dict[str, Any]: ...
def pool_warm(
    worker: str,
    count: int,
    *,
    limits: dict[str, float | int | None],
    startup_timeout: float,
    level: str,
    min_level: str,
    harden_speculation: bool,
) -> int: ...

@final
class Session:
    @staticmethod
    def spawn(
        worker: str,
        *,
        limits: dict[str, float | int | None],
        functions: Sequence[str | tuple[str, bool]],
        ask: Callable[[Any, str, dict[str, Any]], Any],
        output: Callable[[Any, str], object],
        log: Callable[[str, str], object],
        turn: Callable[[float | None], object],
        startup_timeout: float,
        level: str = "landlocked",
        min_level: str = "filtered",
        harden_speculation: bool = False,
        wait: bool = True,
        busy_wait: float | None = None,
        failed: Callable[[Any], object] | None = None,
    ) -> Session: ...
    @staticmethod
    def in_process(
        *,
        limits: dict[str, float | int | None],
        functions: Sequence[str | tuple[str, bool]],
        ask: Callable[[Any, str, dict[str, Any]], Any],
        output: Callable[[Any, str], object],
        log: Callable[[str, str], object],
        turn: Callable[[float | None], object],
        failed: Callable[[Any], object] | None = None,
    ) -> Session: ...
    def open(self) -> tuple[int, float] | None: ...
    def run(
        self, source: str, filename: str | None = None, timeout: float | None = None, turn: object = None
    ) -> tuple[Any, dict[str, int]]: ...
    def call(
        self,
        target: str | int,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Any: ...
    def get(self, name: str, timeout: float | None = None) -> Any: ...
    def set(self, name: str, value: Any, timeout: float | None = None) -> None: ...
    def snapshot(self, timeout: float | None = None) -> dict[str, dict[str, Any]]: ...
    def begin_run(
        self, source: str, filename: str | None = None, timeout: float | None = None, turn: object = None
    ) -> bool: ...
    def begin_call(
        self,
        target: str | int,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None = None,
        timeout: float | None = None,
        turn: object = None,
    ) -> bool: ...
    def begin_get(self, name: str, timeout: float | None = None) -> bool: ...
    def begin_set(self, name: str, value: Any, timeout: float | None = None) -> bool: ...
    def begin_snapshot(self, timeout: float | None = None) -> bool: ...
    def begin_describe(
        self,
        module: str | None = None,
        again: bool = False,
        timeout: float | None = None,
        turn: object = None,
    ) -> bool: ...
    def advance(self) -> tuple[Any, dict[str, int]] | None: ...
    def signs(self) -> tuple[int, int, int]: ...
    def abort(self) -> int: ...
    def describe(
        self,
        module: str | None = None,
        again: bool = False,
        timeout: float | None = None,
        turn: object = None,
    ) -> dict[str, Any]: ...
    def register(self, functions: Sequence[str | tuple[str, bool]]) -> None: ...
    def set_types(self, types: object) -> None: ...
    def close(self) -> None: ...
    def report(self) -> dict[str, Any]: ...
    @property
    def isolated(self) -> bool: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def alive(self) -> bool: ...
    @property
    def used(self) -> dict[str, int]: ...

@final
class Struct:
    """A value of a Dana struct type.

    Fields are attributes; where a field has the name of a method here, `get_field` reads it.
    """

    def __new__(cls, type_name: str, fields: dict[str, Any] | None = None, /, **keywords: Any) -> Struct: ...
    @property
    def type_name(self) -> str:
        """The name of the struct's type in Dana."""

    @property
    def attributes(self) -> dict[str, Any]:
        """The fields as a new dict, in their order."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a new dict; structs inside, in lists, tuples and dicts too, become dicts."""

    def get_field(self, name: str) -> Any:
        """Return a field's value; `AttributeError` if there is none of that name."""

    def set_field_value(self, name: str, value: Any) -> None:
        """Set a field of this copy; `AttributeError` if there is none of that name."""

    def get_field_names(self) -> list[str]:
        """Return the names of the fields, in their order."""

    def __getattribute__(self, name: str, /) -> Any: ...
    def __setattr__(self, name: str, value: Any, /) -> None: ...
    def __eq__(self, other: object, /) -> bool: ...

@final
class Function:
    """A function of a Dana session. Calling it is a turn of that session, under its limits."""

    @property
    def name(self) -> str:
        """The function's name in Dana."""

    @property
    def __name__(self) -> str: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function in its session and return its value; raise `DanaCallError` when it fails."""
