"""`dana-bridge fmt`: what it writes and leaves, and with which status. The style: dana-worker/lang/tests."""

from __future__ import annotations

import io
import os
import re
import stat
import sys
from pathlib import Path

import pytest

from opendxa.dana import Dana
from opendxa.dana.cli.main import main
from opendxa.dana.lint import FormatError, format_source

UGLY = "x=[1,2 , 3]# three\n"
NICE = "x = [1, 2, 3]  # three\n"
ROOT = Path(__file__).resolve().parents[2]


def test_files_are_replaced_in_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ugly, nice = tmp_path / "ugly.na", tmp_path / "nice.na"
    ugly.write_text(UGLY)
    ugly.chmod(0o751)
    nice.write_text(NICE)
    before = nice.stat()
    assert main(["fmt", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"formatted: {ugly}\n"
    assert ugly.read_text() == NICE
    assert stat.S_IMODE(ugly.stat().st_mode) == 0o751
    assert (nice.stat().st_ino, nice.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert sorted(it.name for it in tmp_path.iterdir()) == ["nice.na", "ugly.na"]
    assert main(["fmt", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""


def test_check_and_diff_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.na"
    file.write_text(UGLY)
    assert main(["fmt", "--check", str(file)]) == 1
    assert capsys.readouterr().out == f"would be formatted: {file}\n"
    assert main(["fmt", "--diff", str(file)]) == 0
    assert capsys.readouterr().out == f"--- {file}\n+++ {file}\n@@ -1 +1 @@\n-{UGLY}+{NICE}"
    assert main(["fmt", "--diff", "--check", str(file)]) == 1
    assert file.read_text() == UGLY
    file.write_text(NICE)
    capsys.readouterr()
    assert main(["fmt", "--diff", "--check", str(file)]) == 0
    assert capsys.readouterr().out == ""


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("x='é'\r\nif x :\r\n\ty".encode())))
    assert main(["fmt", "-"]) == 0
    assert capfdbinary.readouterr().out == "x = 'é'\r\nif x:\r\n    y\r\n".encode()


def test_what_is_no_dana_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, ugly, binary = tmp_path / "bad.na", tmp_path / "ugly.na", tmp_path / "binary.na"
    bad.write_text("x = 1\ny  =  (2\n")
    ugly.write_text(UGLY)
    binary.write_bytes(b"x = '\xff'")
    assert main(["fmt", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert f"{bad}:2:7: '(' is never closed" in told
    assert "binary.na: line 1 is not UTF-8" in told
    assert bad.read_text() == "x = 1\ny  =  (2\n"
    assert ugly.read_text() == NICE
    binary.unlink()
    assert main(["fmt", str(tmp_path)]) == 1


def test_links_stay_links(tmp_path: Path) -> None:
    file, link = tmp_path / "a.na", tmp_path / "link.na"
    file.write_text(UGLY)
    link.symlink_to(file)
    assert main(["fmt", str(link)]) == 0
    assert link.is_symlink()
    assert file.read_text() == NICE


def test_what_changed_meanwhile_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.na"
    file.write_text(UGLY)

    def formats(source: str) -> str:
        file.write_text("y = 2\n")
        return format_source(source)

    monkeypatch.setattr("opendxa.dana.lint.format_source", formats)
    assert main(["fmt", str(file)]) == 2
    assert "changed by somebody else" in capsys.readouterr().err
    assert file.read_text() == "y = 2\n"
    assert [it.name for it in tmp_path.iterdir()] == ["a.na"]


def test_a_write_that_fails_leaves_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.na"
    file.write_text(UGLY)

    def fails(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("os.fsync", fails)
    assert main(["fmt", str(file)]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert file.read_text() == UGLY
    assert [it.name for it in tmp_path.iterdir()] == ["a.na"]


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt"]) == 2
    assert "no file given" in capsys.readouterr().err
    assert main(["fmt", "/nowhere/x.na"]) == 2
    assert "No such file" in capsys.readouterr().err


def test_hostile_names_and_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "\x1b[2J.na"
    file.write_text("x='\x1b[31m'\n")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["fmt", "--diff", str(file)]) == 0
    assert main(["fmt", str(file)]) == 0
    file.write_text("x = (\n")
    assert main(["fmt", str(file)]) == 1
    told = capsys.readouterr()
    assert "\x1b" not in told.out + told.err


def test_errors_from_python() -> None:
    with pytest.raises(
        FormatError, match=r"line 2, column 3: this line is indented without a reason"
    ) as caught:
        format_source("x\n  y\n")
    assert caught.value.finding is not None
    assert caught.value.finding.code == "S101"


def test_formatted_programs_do_the_same() -> None:
    """Beyond equal trees: what programs of the language tests print, they print when formatted."""
    files = [
        it
        for it in sorted((ROOT / "tests" / "language").glob("*.na"))[::12]
        if it.with_suffix(".out").exists()
    ]
    assert len(files) > 20
    for file in files:
        if (
            file.with_suffix(".replies").exists()
            or file.with_suffix("").is_dir()
            or file.with_suffix(".err").exists()
        ):
            continue
        text = format_source(file.read_text(encoding="utf-8"))
        if re.search(r"\b(line|column|traceback|log)\b", text):
            continue
        with Dana(llm="mock", echo=False) as dana:
            result = dana.execute_string(text)
        printed = file.with_suffix(".out").read_text(encoding="utf-8")
        assert result.output.rstrip("\n") == printed.rstrip("\n"), file.name
