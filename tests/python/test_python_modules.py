"""Python modules in programs: what the host named, and nothing else."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opendxa.dana import Dana, DanaCallError


@pytest.fixture(params=[False, True], ids=["in-process", "isolated"])
def d(request: pytest.FixtureRequest) -> Any:
    allowed = {"math": ["sqrt", "pi", "floor"], "os.path": ["join", "sep"]}
    with Dana(require_isolation=request.param, python_modules=allowed, echo=False) as session:
        yield session


def value(session: Dana, source: str) -> Any:
    result = session.execute_string(source)
    assert result.error is None, str(result.error)
    return result.result


def failure(session: Dana, source: str) -> str:
    error = session.execute_string(source).error
    assert isinstance(error, DanaCallError)
    return str(error)


def test_functions_and_values(d: Dana) -> None:
    assert value(d, "import math.py\n[math.sqrt(16), math.pi, math.floor(2.5)]") == [4.0, math.pi, 2]
    assert value(d, "from math.py import sqrt as root, pi\nroot(4) + pi") == 2 + math.pi
    assert value(d, "import os.path.py\nos.path.join('a', 'b') + os.path.sep") == "a/b/"
    assert value(d, "import os.path.py as p\n[p.join(n, 'x') for n in ['a', 'b']]") == ["a/x", "b/x"]
    assert value(d, "math.pi") == math.pi, "it is still there in the next run"


def test_errors_of_python_are_errors_of_the_program(d: Dana) -> None:
    source = "import math.py\ntry:\n    math.sqrt(-1)\nexcept ValueError as e:\n    e.type\n"
    assert value(d, source) == "ValueError"
    assert "TypeError" in failure(d, "import math.py\nmath.sqrt('x')")


@pytest.mark.parametrize("module", ["os", "sys", "math.sqrt", "builtins", "subprocess"])
def test_other_modules_are_refused(d: Dana, module: str) -> None:
    assert f"Python module '{module}' cannot be imported: the host has not allowed it" in failure(
        d, f"import {module}.py"
    )


def test_other_names_are_not_there(d: Dana) -> None:
    assert "cannot import name 'tan' from 'math.py'" in failure(d, "from math.py import tan")
    assert "has no attribute '__loader__'" in failure(d, "import math.py\nmath.__loader__")
    assert "has no attribute 'environ'" in failure(d, "import os.path.py\nos.environ")
    assert "has no attribute" in failure(d, "import math.py\nmath.sqrt.__self__")


def test_nothing_is_allowed_unless_named() -> None:
    with Dana(echo=False) as d:
        assert "the host has not allowed it" in failure(d, "import math.py")


@pytest.mark.parametrize(
    ("modules", "error", "text"),
    [
        (["math"], TypeError, "Expected dict of module names, got list"),
        ({"math": "sqrt"}, TypeError, "Expected list of names, got str"),
        ({"math": ["sqr"]}, ValueError, "module 'math' has no 'sqr'"),
        ({"math": ["__loader__"]}, ValueError, "a public name is needed"),
        ({"math": [1]}, ValueError, "a public name is needed"),
        ({"ma th": ["sqrt"]}, ValueError, "dotted identifiers"),
        ({".math": ["sqrt"]}, ValueError, "dotted identifiers"),
        ({"no_such_module_here": ["x"]}, ModuleNotFoundError, "no_such_module_here"),
    ],
)
def test_arguments_are_checked(modules: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Dana(python_modules=modules)


def test_importing_the_package_imports_none_of_it() -> None:
    program = "import sys, opendxa.dana; sys.exit('opendxa.dana.python_modules' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parent, check=False)
    assert done.returncode == 0
