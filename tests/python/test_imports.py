"""`import` of Dana modules from Python: what is found, what a module has, and who runs it."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from opendxa.dana import Dana, DanaCallError, imports
from opendxa.dana.exceptions import ProtocolViolationError, SessionClosedError
from opendxa.dana.signatures import MODULE, SESSION, check

FILES = {
    "pricing.na": '''
        """Prices of things."""
        PI = 3.14
        _hidden = 1
        private:secret = 2
        table = {"a": [1, 2]}
        def quote(amount: int, rate: float = 1.5, note="a b", extra=[1]) -> float:
            """What it costs."""
            return amount * rate
        def fail(n):
            x = n
            return 1 / x
        def apply(f, x):
            return f(x)
        def make():
            return quote
        struct Point:
            """A place."""
            x: int
            y: int = 2  # up
        def (p: Point) norm() -> int:
            return p.x * p.x + p.y * p.y
        count = 0
        endless = []
        endless.append(endless)
        def bump():
            public:bumped = 1
            return "bumped"
        print("loaded pricing")
        ''',
    "other.na": 'def quote(x):\n    return "the other"\n',
    "shop/__init__.na": 'from .till import total\nname = "shop"\n',
    "shop/till.na": "from . import rates\ndef total(n):\n    return n * rates.rate\n",
    "shop/rates.na": "rate = 3\n",
    "folder/part.na": "value = 7\n",
    "broken.na": "x = 1\ny = = 2\n",
    "fails.na": "x = 1 / 0\n",
    "json.na": "mine = true\n",
    "twice.na": "import math.py\nn = 1\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
    return tmp_path


@pytest.fixture(params=[False, True], ids=["in_process", "isolated"])
def d(request: pytest.FixtureRequest, root: Path) -> Iterator[Dana]:
    before = set(sys.modules)
    with Dana(use_subprocess_isolation=request.param, search_paths=[], echo=False) as dana:
        dana.enable_module_imports([root])
        yield dana
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("pricing", "other", "shop", "folder", "broken", "fails", "twice"):
            del sys.modules[name]


def test_a_module_has_what_it_defines(d: Dana, root: Path) -> None:
    import pricing

    assert pricing.__file__ == str(root / "pricing.na")
    assert pricing.__doc__ == "Prices of things."
    assert pricing.__name__ == "pricing"
    assert pricing.PI == 3.14
    assert pricing.table == {"a": [1, 2]}
    assert pricing.quote(3, rate=2) == 6
    assert pricing.apply(pricing.make(), 2) == 3.0
    assert pricing.__all__ == ["PI", "table", "count", "quote", "fail", "apply", "make", "bump", "Point"]
    assert set(pricing.__all__) <= set(dir(pricing))
    assert not {"_hidden", "secret", "private"} & set(dir(pricing))
    with pytest.raises(AttributeError, match="module 'pricing' has no attribute 'nothing'"):
        _ = pricing.nothing
    with pytest.raises(AttributeError, match="no attribute 'endless': a list cannot leave the session"):
        _ = pricing.endless
    assert pricing.__dana_sandbox__ is d.sandbox
    assert repr(pricing.__dana_wrapper__) == "DanaModule('pricing', 6 functions, 3 variables)"
    assert pricing.__dana_context__.get("PI") == 3.14


def test_functions_look_as_they_are_written(d: Dana) -> None:
    import pricing

    assert str(inspect.signature(pricing.quote)) == (
        "(amount: 'int', rate: 'float' = 1.5, note='a b', extra=[1]) -> 'float'"
    )
    assert pricing.quote.__name__ == "quote"
    assert pricing.quote.__doc__ == "What it costs."
    assert pricing.quote.__module__ == "pricing"
    assert inspect.isfunction(pricing.quote)
    assert str(inspect.signature(pricing.Point)) == "(x: 'int', y: 'int' = 2)"
    assert pricing.Point.__doc__ == "A place."
    point = pricing.Point(3)
    assert (point.x, point.y) == (3, 2)


def test_errors_come_at_the_call(d: Dana) -> None:
    import pricing

    with pytest.raises(DanaCallError, match="ZeroDivisionError") as caught:
        pricing.fail(0)
    assert caught.value.line == 11
    assert caught.value.filename == "pricing.na"
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert [(Path(frame.filename).name, frame.name) for frame in frames] == [
        ("test_imports.py", "test_errors_come_at_the_call"),
        ("imports.py", "call"),
        ("pricing.na", "fail"),
    ]
    assert frames[-1].line == "return 1 / x"
    with pytest.raises(DanaCallError, match="missing 1 required positional argument"):
        pricing.quote()


def test_each_module_has_its_own_names(d: Dana) -> None:
    import other
    import pricing

    assert other.quote(1) == "the other"
    assert pricing.quote(2) == 3.0
    assert pricing.make()(2) == 3.0
    assert not hasattr(other, "PI")
    with pytest.raises(DanaCallError):
        d.get("quote")


def test_packages_and_folders(d: Dana, root: Path) -> None:
    import shop
    from shop.till import total

    assert shop.__path__ == [str(root / "shop")]
    assert shop.__file__ == str(root / "shop" / "__init__.na")
    assert total(2) == 6
    assert shop.total(5) == 15
    assert shop.till.total is total
    part = importlib.import_module("folder.part")
    assert part.value == 7


def test_what_python_has_is_never_taken(d: Dana, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "json")
    import json

    assert json.loads("1") == 1
    with pytest.raises(ModuleNotFoundError, match="No module named 'nowhere_at_all'"):
        importlib.import_module("nowhere_at_all")
    (root / "both.py").write_text("of = 'python'\n")
    (root / "both.na").write_text("of = 'dana'\n")
    monkeypatch.syspath_prepend(root)
    assert importlib.import_module("both").of == "python"
    # A folder that Python would make an empty package of is Dana's if it has an __init__.na.
    assert importlib.import_module("shop").name == "shop"
    del sys.modules["both"]


def test_failures_are_import_errors_that_say_why(d: Dana, root: Path) -> None:
    with pytest.raises(ImportError, match=r"cannot import the Dana module 'broken': .*") as caught:
        importlib.import_module("broken")
    assert "broken.na" in str(caught.value)
    assert "line 2" in str(caught.value)
    assert caught.value.name == "broken"
    assert caught.value.path == str(root / "broken.na")
    with pytest.raises(ImportError, match="ZeroDivisionError"):
        importlib.import_module("fails")
    assert "fails" not in sys.modules
    # It can be put right, and imported then.
    (root / "fails.na").write_text("x = 1\n")
    assert importlib.import_module("fails").x == 1


def test_reload_runs_the_file_again(d: Dana, root: Path) -> None:
    import other

    (root / "other.na").write_text('"""New."""\ndef ask(n):\n    return n + 1\nx = 5\n')
    old = other.quote
    again = importlib.reload(other)
    assert again is other
    assert (other.x, other.ask(1), other.__doc__) == (5, 2, "New.")
    assert not hasattr(other, "quote")
    with pytest.raises(AttributeError, match="any more"):
        old(1)


def test_disabled_again(d: Dana, root: Path) -> None:
    import pricing

    assert d.imports_enabled
    assert "imports-enabled" in repr(d)
    before = len(sys.meta_path)
    assert d.enable_module_imports([root]) is d.enable_module_imports()
    assert len(sys.meta_path) == before
    d.disable_module_imports()
    d.disable_module_imports()
    assert not d.imports_enabled
    assert len(sys.meta_path) == before - 1
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("other")
    assert pricing.quote(1) == 1.5
    with d.enable_module_imports([root]):
        assert importlib.import_module("other").quote(1) == "the other"
    assert not d.imports_enabled


def test_listing(d: Dana, root: Path) -> None:
    names = ["broken", "fails", "json", "other", "pricing", "shop", "twice"]
    assert d.list_modules([root]) == names
    assert imports.list_available_modules([root, root / "nowhere"]) == names
    assert set(names) <= set(d.list_modules())


def test_the_end_of_the_session_is_the_end_of_its_functions(root: Path) -> None:
    with Dana(search_paths=[root], echo=False) as d, d.enable_module_imports():
        import other
    try:
        with pytest.raises(SessionClosedError):
            other.quote(1)
    finally:
        del sys.modules["other"]


def test_a_new_session_imports_again(root: Path) -> None:
    with Dana(use_subprocess_isolation=True, search_paths=[root], echo=False) as d, d.enable_module_imports():
        import pricing

        try:
            first = d.sandbox.subprocess_pid
            assert pricing.quote(2) == 3.0
            d.restart_subprocess()
            assert d.sandbox.subprocess_pid != first
            assert pricing.quote(2) == 3.0
            assert pricing.Point(1).x == 1
        finally:
            del sys.modules["pricing"]


def test_the_functions_run_in_the_worker(d: Dana) -> None:
    import pricing

    assert pricing.bump() == "bumped"
    assert d.get("public:bumped") == 1


def test_the_folder_of_the_caller_comes_first(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    (tmp_path / "beside.na").write_text("x = 'beside'\n")
    (tmp_path / "run").mkdir()
    script.write_text(
        "from opendxa.dana import Dana\n"
        "with Dana(enable_imports=True, use_subprocess_isolation=True) as d:\n"
        "    import beside\n"
        "    print(beside.x)\n"
    )
    command = [sys.executable, str(script)]
    done = subprocess.run(
        command, cwd=tmp_path / "run", capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("beside\n", "")


def test_the_old_functions(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(sys.meta_path)
    with Dana(search_paths=[root], echo=False) as d:
        imports.install_import_hook([root], d.sandbox)
        imports.install_import_hook([root], d.sandbox)
        assert len(sys.meta_path) == len(before) + 1
        try:
            assert importlib.import_module("other").quote(1) == "the other"
        finally:
            imports.uninstall_import_hook()
            imports.uninstall_import_hook()
            sys.modules.pop("other", None)
    assert sys.meta_path == before
    assert len(imports.DanaModuleLoader().search_paths) == 2
    assert imports.DanaModuleLoader([root]).search_paths == [root]
    monkeypatch.chdir(root)
    from opendxa.dana import dana

    imports.enable_dana_imports()
    try:
        assert dana.imports_enabled
        assert "pricing" in imports.list_dana_modules()
    finally:
        imports.disable_dana_imports()
    assert not dana.imports_enabled


MODULES_TOLD = {
    "file": "a.na",
    "doc": None,
    "package": False,
    "functions": {},
    "types": {},
    "values": {},
    "unsent": {},
}


@pytest.mark.parametrize(
    "told",
    [
        None,
        {},
        {**MODULES_TOLD, "values": {"__path__": ["/tmp"]}},
        {**MODULES_TOLD, "values": {"__getattr__": 1}},
        {**MODULES_TOLD, "values": {"a b": 1}},
        {**MODULES_TOLD, "functions": {"f": None}},
        {
            **MODULES_TOLD,
            "functions": {"f": dict.fromkeys(["parameters", "returns", "doc", "line", "function"])},
        },
        {**MODULES_TOLD, "types": {"T": {}}},
        {**MODULES_TOLD, "unsent": {"x": 1}},
        {**MODULES_TOLD, "more": 1},
    ],
)
def test_what_a_lying_worker_tells_is_refused(told: object) -> None:
    assert check(dict(MODULES_TOLD), MODULE, handles=True) == MODULES_TOLD
    with pytest.raises(ValueError, match="has another form"):
        check(told, MODULE, handles=True)
    with pytest.raises(ValueError, match="has another form"):
        check(told, SESSION, handles=False)


def test_a_lying_worker_is_ended(d: Dana, monkeypatch: pytest.MonkeyPatch) -> None:
    import pricing

    from opendxa.dana.description import checked

    with pytest.raises(ProtocolViolationError, match="was ended"):
        checked(d.sandbox._session, {"functions": 1})
    with pytest.raises(SessionClosedError):
        pricing.quote(1)
