"""docs/NAMES.md: every name of the older package is accounted for, and what it says is there, is there."""

from __future__ import annotations

import dataclasses
import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from opendxa.dana import Dana, DanaSandbox, ExecutionResult, SandboxContext
from opendxa.dana.sandbox import SUBPROCESS_ISOLATION_CONFIG, SandboxInterface

PAGE = Path(__file__).resolve().parents[2] / "docs" / "NAMES.md"
ROW = re.compile(r"^\| (.+?) \|(.*?)\| (kept|changed|dropped) \|(.*)\|$", re.MULTILINE)
ROWS = [
    tuple(cell.strip() for cell in match.groups()) for match in ROW.finditer(PAGE.read_text(encoding="utf-8"))
]

#: Every name of the older package's Python side that its users may have written.
OLDER = """
dana py2na __version__ DanaInterpreter DanaParser DANA_LOGGER DanaSandbox Dana enable_dana_imports
disable_dana_imports list_dana_modules install_import_hook uninstall_import_hook list_available_modules
SandboxInterface InProcessSandboxInterface SubprocessSandboxInterface DanaType TypeConverter
DanaCallError TypeConversionError ResourceError SUBPROCESS_ISOLATION_CONFIG DanaModuleWrapper
DanaModuleLoader BasicTypeConverter validate_and_convert DanaError SecurityError PYTHON_TO_DANA_TYPES
DANA_TO_PYTHON_TYPES get_dana_type validate_python_type format_type_error DanaSandbox.execute_file
DanaSandbox.execute_string DanaSandbox.context DanaSandbox.function_registry DanaSandbox.is_healthy
DanaSandbox.execute_file_once DanaSandbox.execute_string_once DanaSandbox.cleanup_all
DanaSandbox.quick_run DanaSandbox.quick_eval DanaSandbox.run DanaSandbox.eval ExecutionResult
ExecutionResult.success ExecutionResult.result ExecutionResult.final_context
ExecutionResult.execution_time ExecutionResult.error ExecutionResult.output SandboxContext
SandboxContext.get SandboxContext.set SandboxContext.has SandboxContext.delete SandboxContext.get_scope
SandboxContext.set_scope SandboxContext.get_from_scope SandboxContext.set_in_scope
SandboxContext.get_state SandboxContext.set_state SandboxContext.copy SandboxContext.create_child_context
SandboxContext.clear SandboxContext.merge SandboxContext.sanitize SandboxContext.from_dict SandboxError
FunctionRegistryError ParseError DanaTypeError StateError EnhancedDanaError ConfigurationError AgentError
ReasoningError NetworkError ValidationError LLMError LLMResponseError LLMProviderError LLMRateLimitError
LLMAuthenticationError LLMContextLengthError Dana.reason Dana.enable_module_imports
Dana.disable_module_imports Dana.list_modules Dana.restart_subprocess Dana.close Dana.set_debug
Dana.debug Dana.imports_enabled Dana.is_subprocess_isolated Dana.sandbox SandboxInterface.reason
SandboxInterface.execute_function SandboxInterface.exec_module SandboxInterface.close
InProcessSandboxInterface.cache_enabled InProcessSandboxInterface.get_cache_stats
InProcessSandboxInterface.get_cache_info InProcessSandboxInterface.clear_cache
SubprocessSandboxInterface.is_subprocess_isolated SubprocessSandboxInterface.subprocess_pid
SubprocessSandboxInterface.restart_subprocess DanaSubprocessWorker ReasoningCache ReasoningCache.get
ReasoningCache.put ReasoningCache.clear ReasoningCache.get_stats ReasoningCache.get_cache_info
dana.dana.dana dana.integrations.python.to_dana dana.contrib.python_to_dana to_dana.core
to_dana.core.exceptions to_dana.core.types to_dana.utils dana.common.exceptions
"""


def found(path: str) -> Any:
    """What a dotted path names: a module, or what is in one."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value: Any = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            value = getattr(value, part)
        return value
    raise AssertionError(path)


def test_every_name_is_accounted_for() -> None:
    accounted = {
        re.sub(r" \(.*", "", name.strip("` ")) for row in ROWS for name in re.split(r"`, `|, ", row[0])
    }
    accounted = {name.strip("`").split("(")[0] for name in accounted}
    assert set(OLDER.split()) - accounted == set()


@pytest.mark.parametrize(("older", "here", "status", "why"), ROWS, ids=[row[0] for row in ROWS])
def test_what_the_page_says_is_there(older: str, here: str, status: str, why: str) -> None:
    paths = re.findall(r"`(opendxa[^`]*)`", here)
    if status == "dropped":
        assert paths == [], "what is not there has no place"
        assert why, "say why"
        return
    assert paths
    assert why or status == "kept", "say what changed"
    for path in paths:
        name, _, member = path.partition("(")
        value = found(name)
        if member:
            assert member.rstrip(")") in inspect.signature(value).parameters
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), f"{path} has no docstring"


def test_contrib_only_re_exports() -> None:
    import opendxa.contrib.python_to_dana as older
    import opendxa.dana
    from opendxa.contrib.python_to_dana import core

    assert older.Dana is Dana
    assert older.dana is opendxa.dana.dana is opendxa.dana.py2na
    assert core.__all__
    assert not [name for name in core.__all__ if name.startswith("_")]
    for module in (
        core,
        found("opendxa.contrib.python_to_dana.core.exceptions"),
        found("opendxa.contrib.python_to_dana.core.types"),
    ):
        for name in module.__all__:
            homes = [f"opendxa.dana.{home}" for home in ("exceptions", "imports", "sandbox", "types")]
            assert any(getattr(found(home), name, None) is getattr(module, name) for home in homes)


def test_signatures_of_the_older_package() -> None:
    assert list(inspect.signature(Dana).parameters)[:3] == [
        "debug",
        "use_subprocess_isolation",
        "enable_imports",
    ]
    assert list(inspect.signature(DanaSandbox).parameters)[:3] == [
        "debug_mode",
        "context",
        "module_search_paths",
    ]
    once = list(inspect.signature(DanaSandbox.execute_string_once).parameters)
    assert once[:5] == ["source", "filename", "debug_mode", "context", "module_search_paths"]
    assert list(inspect.signature(DanaSandbox.execute_file_once).parameters)[:3] == [
        "path",
        "debug_mode",
        "context",
    ]
    reason = inspect.signature(SandboxInterface.reason).parameters
    assert list(reason) == ["self", "prompt", "options"]
    assert reason["options"].default is None
    fields = {field.name for field in dataclasses.fields(ExecutionResult)}
    assert {"success", "result", "error", "output", "execution_time"} <= fields
    kinds = {
        "enabled": bool,
        "default_timeout": float,
        "restart_on_failure": bool,
        "max_restart_attempts": int,
        "subprocess_startup_timeout": float,
        "communication_protocol": str,
        "max_memory_mb": int,
    }
    assert {name: type(value) for name, value in SUBPROCESS_ISOLATION_CONFIG.items()} == kinds


def test_sandbox(isolated: bool, tmp_path: Path) -> None:
    context = SandboxContext()
    context.set("local:numbers", [1, 2])
    context.set("private:secret", 3)
    context.set("local:twice", lambda n: n * 2)
    (tmp_path / "lib.na").write_text("base = 10\n")
    with DanaSandbox(
        context=context, module_search_paths=[tmp_path], use_subprocess_isolation=isolated, echo=False
    ) as sandbox:
        assert sandbox.is_healthy()
        result = sandbox.execute_string("import lib\ntwice(sum(numbers) + private:secret) + lib.base")
        assert (result.success, result.result) == (True, 22)
        assert sandbox.dana.is_subprocess_isolated is isolated
        failed = sandbox.execute_string("x = 1\nx / 0", "sums.na")
        assert not failed.success
        assert sandbox.execute_string("x").result == 1
        assert sandbox.context is not None
        assert sandbox.context.get("x") == 1
        assert not sandbox.execute_file(tmp_path / "none.na").success
    assert not sandbox.is_healthy()


def test_sandbox_once(tmp_path: Path) -> None:
    program = tmp_path / "main.na"
    program.write_text("x = 6\nx * 7\n")
    for result in (
        DanaSandbox.execute_file_once(program, echo=False),
        DanaSandbox.quick_run(program, echo=False),
    ):
        assert result.result == 42
        assert result.final_context is not None
        assert result.final_context.get("x") == 6
    assert DanaSandbox.quick_eval("1 + 1").result == 2
    assert not DanaSandbox.execute_string_once("1 +").success
    sandbox = DanaSandbox(echo=False)
    sandbox.execute_string("1")
    DanaSandbox.cleanup_all()
    assert not sandbox.is_healthy()


def test_healthy_until_a_limit(isolated: bool) -> None:
    from opendxa.dana import Limits

    limits = Limits(steps=1000)
    with DanaSandbox(use_subprocess_isolation=isolated, limits=limits, echo=False) as sandbox:
        assert not sandbox.execute_string("while true:\n    pass").success
        assert not sandbox.is_healthy()
