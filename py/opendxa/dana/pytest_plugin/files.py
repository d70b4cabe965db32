"""Files of Dana tests as pytest sees them: a module with a function for each test of the program.

pytest's own machinery for Python tests is used as it is (fixtures, parametrised ones included, marks,
selection, ids); only what a test *is* differs: `DanaFunction` opens a session, runs the program, and calls
the function.

Rule: nothing of a file runs in this process unless ``--dana-isolation=none`` says so, what it says of itself
is read as hostile text, and each test has a session of its own.
"""

from __future__ import annotations

import inspect
import os
import re
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from opendxa.dana.exceptions import DanaCallError, DanaError, TypeConversionError
from opendxa.dana.signatures import parameters

from . import failures
from .settings import NO_MODEL, isolation, opened, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opendxa.dana.dana_module import Dana

__all__ = ["DanaFile", "DanaFunction"]

#: What a comment above a test says of it: ``# pytest: slow, skip(why)``.
_MARKS: Final = re.compile(r"#\s*pytest:\s*(.+)")
_MARK: Final = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\(([^()]*)\))?\s*(?:,|$)")
#: Marks with meanings of their own whose arguments Python evaluates, or that mean nothing without them.
_REFUSED: Final = frozenset({"skipif", "parametrize", "usefixtures", "filterwarnings", "tryfirst", "trylast"})


class DanaFile(pytest.Module):
    """A file of Dana tests."""

    def _getobj(self) -> ModuleType:
        """Run the program once, in a session of its own, and make a function for each of its tests."""
        __tracebackhide__ = True
        settings = settings_of(self)
        level = isolation(self.config)
        try:
            with opened(level, {"llm": NO_MODEL, **settings}) as session:
                ran(session, self.path)
                told = session.sandbox.describe()["functions"]
        except (DanaError, OSError) as error:
            text = failures.collection_text(error)
            raise self.CollectError(text) from None
        module = ModuleType(self.path.stem)
        module.__file__ = str(self.path)
        lines = self.path.read_text("utf-8", "replace").split("\n")
        for name, function in sorted(told.items(), key=lambda item: item[1]["line"]):
            if name.startswith("test_"):
                setattr(module, name, self._stand_in(name, function, lines))
        return module

    def _stand_in(self, name: str, told: dict[str, Any], lines: list[str]) -> Any:
        """Return a Python function with the name, parameters and place of a Dana function."""

        def stand_in(**_: Any) -> None:
            raise NotImplementedError("the test is called in its session")

        line = told["line"]
        # A function that was imported has its line in another file.
        if not 0 < line <= len(lines) or name not in lines[line - 1]:
            line = 1
        stand_in.__name__ = stand_in.__qualname__ = name
        stand_in.__module__ = self.path.stem
        stand_in.__doc__ = told["doc"]
        stand_in.__code__ = stand_in.__code__.replace(
            co_filename=str(self.path), co_firstlineno=line, co_name=name
        )
        taken = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in parameters(told["parameters"])
            if parameter.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        ]
        stand_in.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
        # The model is a fixture like those that the test names, parametrised or not.
        made: Any = pytest.mark.usefixtures("dana_llm")(stand_in)
        for mark in self._marks(lines, line):
            made = mark(made)
        return made

    def _marks(self, lines: list[str], line: int) -> Iterable[pytest.MarkDecorator]:
        """Read the comments right above a function."""
        above = line - 2
        while above >= 0 and lines[above].startswith("#"):
            found = _MARKS.fullmatch(lines[above].rstrip())
            if found:
                yield from self._read(found[1], above + 1)
            above -= 1

    def _read(self, text: str, line: int) -> Iterable[pytest.MarkDecorator]:
        """Read a list of marks; of arguments there is only the reason to skip, or to expect a failure."""
        at = 0
        while at < len(text):
            found = _MARK.match(text, at)
            if found is None or found[1] in _REFUSED or (found[2] and found[1] not in ("skip", "xfail")):
                raise self.CollectError(
                    f"{self.path}:{line}: marks are names, skip(REASON) or xfail(REASON), commas between, "
                    f"not {failures.visible(text)}"
                )
            at = found.end()
            mark = getattr(pytest.mark, found[1])
            yield mark(reason=found[2].strip()) if found[2] else mark

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Give an item for each test, more for parametrised fixtures."""
        for item in super().collect():
            yield DanaFunction.of(item) if isinstance(item, pytest.Function) else item

    def funcnamefilter(self, name: str) -> bool:
        """Take what the program calls a test, whatever Python's tests are called."""
        return name.startswith("test_")


class DanaFunction(pytest.Function):
    """A test written in Dana."""

    _dana: Dana | None = None

    @classmethod
    def of(cls, function: pytest.Function) -> DanaFunction:
        """Make the item that takes the place of the one pytest made."""
        item: DanaFunction = cls.from_parent(
            cast("DanaFile", function.parent),
            name=function.name,
            callspec=getattr(function, "callspec", None),
            callobj=function.obj,
            fixtureinfo=function._fixtureinfo,
            keywords=function.keywords,
            originalname=function.originalname,
        )
        item.own_markers = function.own_markers
        return item

    def setup(self) -> None:
        """Get the fixtures; open a session, run the program, call its ``setup``."""
        __tracebackhide__ = True
        super().setup()
        settings = settings_of(cast("DanaFile", self.parent))
        session = opened(isolation(self.config), {"llm": self.funcargs["dana_llm"], **settings})
        self.addfinalizer(session.close)
        self._dana = session
        ran(session, self.path)
        defined = session.sandbox.describe()["functions"]
        if "setup" in defined:
            session.call("setup")
        if "teardown" in defined:
            self.addfinalizer(self._teardown)

    def _teardown(self) -> None:
        __tracebackhide__ = True
        session = self._dana
        # A limit, or a crash, has ended the session already, and failed the test.
        if session is not None and not session.sandbox.ended:
            session.call("teardown")

    def runtest(self) -> None:
        """Call the function with the values of its fixtures."""
        __tracebackhide__ = True
        session = cast("Dana", self._dana)
        names = self._fixtureinfo.argnames
        values = {name: _sent(session, name, self.funcargs[name]) for name in names}
        try:
            session.call(self.originalname, **values)
        except TypeConversionError as error:
            raise DanaError(
                f"a fixture's value cannot be sent to the Dana test: {error}\n"
                "Hint: plain values, tables, registered types and functions can; see docs/TYPES.md"
            ) from None

    def reportinfo(self) -> tuple[os.PathLike[str], int, str]:
        """Tell where the test is."""
        return self.path, self.obj.__code__.co_firstlineno - 1, self.getmodpath()

    def _repr_failure_py(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what failed in Dana as Dana, and everything else as pytest does."""
        error = excinfo.value
        if isinstance(error, DanaError):
            shown = failures.represent(error, self.path, style, self.config)
            if shown is not None:
                return shown
        return super()._repr_failure_py(excinfo, style)


def ran(session: Dana, path: Any) -> None:
    """Run a program; raise what fails."""
    __tracebackhide__ = True
    result = session.execute_file(path)
    if result.error is not None:
        raise result.error


def _sent(session: Dana, name: str, value: Any) -> Any:
    """Return what a fixture's value is in Dana: functions by their name, paths as text."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if not callable(value) or isinstance(value, type):
        return value
    from opendxa.dana import Function  # noqa: PLC0415

    if isinstance(value, Function):
        return value
    try:
        session.register(name, value)
        return session.get(name)
    except (ValueError, DanaCallError) as error:
        raise DanaError(f"the function of fixture {name!r} cannot be called by a program: {error}") from None
