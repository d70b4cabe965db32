"""The one wheel on every CPython that this machine has, and where the extension must not load."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

import pytest

#: Looked for; those that the package promises to work on are the first four.
KNOWN = [(3, minor) for minor in range(10, 16)]
PROMISED = KNOWN[:4]
#: Written by the installer, not part of a wheel.
INSTALLERS = {"INSTALLER", "REQUESTED", "direct_url.json"}

LOOK = """
import json, platform, sys, sysconfig
print(json.dumps([
    sys.version_info[:2], platform.python_implementation(), bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    sys.base_prefix,
]))
"""

SMOKE = """
import asyncio, os, pickle, signal, sys, threading, traceback
from opendxa.dana import AsyncDana, Dana, Limits, PoolConfig, exceptions, pool

def model(messages, options):
    return "42"

def use(**kind):
    with Dana(echo=False, llm=model, functions={"twice": lambda x: 2 * x}, **kind) as d:
        assert d.is_subprocess_isolated == bool(kind)
        result = d.execute_string("print('told')\\ndef f(x, y=1):\\n    return twice(x) + y\\nf(20, 2)")
        assert (result.result, result.output) == (42, "told")
        value = {"a": [1, 2.5, None, True, "text", b"bytes", (1, 2), {3}], "big": 10**40}
        d.set("x", value)
        assert d.get("x") == value
        assert d.call("f", 3) == 7
        assert d.reason("what?") == 42
        failed = d.execute_string("1 / 0").error
        assert isinstance(failed, exceptions.DanaCallError) and failed.kind == "ZeroDivisionError"
        (frame,) = traceback.extract_tb(failed.__traceback__)
        assert (frame.line, frame.name) == ("1 / 0", "<module>")
        assert pickle.loads(pickle.dumps(failed)).fault == failed.fault
        assert result.final_context is not None
    with Dana(echo=False, limits=Limits(wall_time=0.1), **kind) as d:
        assert isinstance(d.execute_string("while true:\\n    pass").error, exceptions.DeadlineExceededError)

use(require_isolation=True)
use()

async def use_async(**kind):
    async def later(x):
        await asyncio.sleep(0)
        return x + 1

    async with AsyncDana(echo=False, llm=model, functions=[later], **kind) as d:
        assert (await d.execute_string("later(41)")).result == 42
        assert await d.reason("what?") == 42
        turn = asyncio.create_task(d.execute_string("while true:\\n    pass"))
        await asyncio.sleep(0)
        turn.cancel()
        try:
            await turn
        except asyncio.CancelledError:
            return
        raise AssertionError("it was not cancelled")

asyncio.run(use_async(require_isolation=True))
asyncio.run(use_async())

pool.configure(PoolConfig(min_idle=3, max_workers=20))
assert pool.warm(3) >= 3
threads = [threading.Thread(target=use, kwargs={"require_isolation": True}) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert pool.stats().hits >= 1
with Dana(require_isolation=True, echo=False) as d:
    os.kill(d.sandbox.subprocess_pid, signal.SIGKILL)
    assert isinstance(d.execute_string("1").error, exceptions.WorkerKilledError)
    d.restart_subprocess()
    child = os.fork()
    if child == 0:
        use(require_isolation=True)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert d.execute_string("6 * 7").result == 42
pool.close()
with open(f"/proc/self/task/{os.getpid()}/children") as children:
    assert children.read() == ""
print("works")
"""

SUBINTERPRETER = '''
import os, sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

reader, writer = os.pipe()
program = f"""
import os, sys
sys.path[:] = {sys.path!r}
import opendxa.dana
told = []
uses = ["import opendxa.dana._bridge", "opendxa.dana.Dana(require_isolation=True)"]
uses.append("opendxa.dana.pool.stats()")
for use in uses:
    try:
        exec(use)
        told.append("loaded")
    except ImportError:
        told.append("ImportError")
    except BaseException as error:
        told.append(repr(error))
os.write({writer}, repr(told).encode() + b"\\\\n")
"""
for first in ("before", "after"):
    if first == "after":
        from opendxa.dana import Dana
        with Dana(require_isolation=True, echo=False) as d:
            assert d.execute_string("6 * 7").result == 42
    sub = interpreters.create()
    interpreters.run_string(sub, program)
    interpreters.destroy(sub)
    print(os.read(reader, 4096).decode(), end="")
from opendxa.dana import Dana
with Dana(require_isolation=True, echo=False) as d:
    assert d.execute_string("6 * 7").result == 42
'''


class Python(NamedTuple):
    program: str
    free_threaded: bool


@cache
def found() -> dict[tuple[int, int], list[Python]]:
    """The CPythons of this machine: pyenv's and those on PATH."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    programs = [str(path) for path in sorted(root.glob("versions/*/bin/python3"))]
    for folder in os.get_exec_path():
        for major, minor in KNOWN:
            for suffix in ("", "t"):
                path = shutil.which(f"python{major}.{minor}{suffix}", path=folder)
                programs += [path] if path is not None and "shims" not in path else []
    programs.append(sys.executable)
    interpreters: dict[tuple[int, int], list[Python]] = {version: [] for version in KNOWN}
    known = set()
    for program in programs:
        command = [program, "-I", "-c", LOOK]
        looked = subprocess.run(command, capture_output=True, text=True, check=False)
        if looked.returncode:
            continue
        version, implementation, free_threaded, prefix = json.loads(looked.stdout)
        if implementation == "CPython" and tuple(version) in interpreters and (prefix, *version) not in known:
            known.add((prefix, *version))
            interpreters[tuple(version)].append(Python(program, free_threaded))
    return interpreters


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the package under test was installed from, put together again from its list of files."""
    package = distribution("dana-bridge")
    lines = (package.read_text("WHEEL") or "").splitlines()
    (tag,) = [line.removeprefix("Tag: ") for line in lines if line.startswith("Tag: ")]
    assert tag.startswith("cp310-abi3-")
    path = tmp_path_factory.mktemp("wheel") / f"dana_bridge-{package.version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in package.files or []:
            if ".." not in file.parts and "__pycache__" not in file.parts and file.name not in INSTALLERS:
                archive.write(file.locate(), str(file))
    return path


def installed(python: Python, wheel: Path, folder: Path) -> str:
    """Make an environment with nothing but the wheel; return its interpreter."""
    subprocess.run([python.program, "-m", "venv", "--without-pip", str(folder)], check=True)
    program = str(folder / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", program]
    done = subprocess.run(
        [*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return program


def those(version: tuple[int, int]) -> list[Python]:
    interpreters = [python for python in found()[version] if not python.free_threaded]
    if not interpreters:
        pytest.skip(f"CPython {version[0]}.{version[1]} is not installed here")
    return interpreters


@pytest.mark.parametrize("version", PROMISED, ids="{0[0]}.{0[1]}".format)
def test_the_wheel_works(version: tuple[int, int], wheel: Path, tmp_path: Path) -> None:
    for number, python in enumerate(those(version)):
        program = installed(python, wheel, tmp_path / str(number))
        warn = ["-W", "error", "-W", "ignore:.*multi-threaded.*fork:DeprecationWarning"]
        done = subprocess.run(
            [program, *warn, "-c", SMOKE],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            timeout=60,
        )
        assert (done.stdout, done.stderr) == ("works\n", ""), f"{python.program}: {done.stderr}"
        done = subprocess.run(
            [program, "-W", "ignore", "-c", SUBINTERPRETER],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            timeout=60,
        )
        told = "['ImportError', 'ImportError', 'ImportError']\n"
        assert (done.stdout, done.stderr) == (2 * told, ""), python.program


def test_free_threaded_python_takes_no_abi3_wheel(wheel: Path, tmp_path: Path) -> None:
    """It needs a build of its own (docs/LIMITS.md).

    Pip refuses the wheel, so that none runs without a lock.
    """
    pythons = [python for those in found().values() for python in those if python.free_threaded]
    if not pythons:
        pytest.skip("no free-threaded CPython is installed here")
    for number, python in enumerate(pythons):
        with pytest.raises(AssertionError, match="not a supported wheel"):
            installed(python, wheel, tmp_path / str(number))
