"""Sessions on a real cluster of Ray with two nodes on this machine: where they go, and what happens to them.

One cluster serves the module. Nodes that a test takes away are put back by it.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pandas
import pytest

import ray_node
from hosts import all_end, eventually, watched, workers
from opendxa.dana import AsyncDana, Dana, DanaCallError, Limits, PoolConfig, Resource, Struct
from opendxa.dana.exceptions import (
    ConfigurationError,
    DeadlineExceededError,
    HostError,
    ModelError,
    PoolExhaustedError,
    ResourceError,
    SecurityError,
    SessionClosedError,
    StepLimitError,
    TypeConversionError,
    WorkerLostError,
)
from opendxa.dana.llm import Scripted

# Before Ray is imported: nothing leaves this machine, and no more processes are started than are used.
os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_enable_worker_prestart": "0",
    "RAY_prestart_worker_first_driver": "0",
}

import ray
from ray.cluster_utils import Cluster

from opendxa.dana.ray import (
    NOT_AVAILABLE,
    AsyncClusterSession,
    ClusterSession,
    DanaCluster,
)
from opendxa.dana.ray.core import Core
from opendxa.dana.ray.differences import ARGUMENTS_NOT_AVAILABLE
from opendxa.dana.ray.lost import lost
from opendxa.dana.ray.node import GONE, read_secrets

pytestmark = [
    # Starting a cluster takes a quarter of a minute of a processor's time.
    pytest.mark.timeout(300),
    # Ray leaves it to the collector to close the files that it gives its processes for their output.
    pytest.mark.filterwarnings("ignore:unclosed file <_io:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]

NODE = {
    "num_cpus": 1,
    "include_dashboard": False,
    "object_store_memory": 80 * 2**20,
    "no_monitor": True,
    "include_log_monitor": False,
}
KEY = "planted-in-the-environment-0123456789"
POOL = PoolConfig(min_idle=1, max_workers=20, acquire_timeout=60)


@pytest.fixture(scope="module")
def machines() -> Iterator[Cluster]:
    # A folder with a short name: sockets lie there.
    with tempfile.TemporaryDirectory(prefix="ray") as folder, pytest.MonkeyPatch.context() as patch:
        # Nodes find `ray_node` as they find any package that is installed there.
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        patch.setenv("PYTHONPATH", path)
        # Ray writes the cluster's address here, and nobody makes a folder that is not its usual one.
        patch.setenv("RAY_TMPDIR", folder)
        (Path(folder) / "ray").mkdir()
        machines = Cluster(initialize_head=True, head_node_args={**NODE, "temp_dir": folder})
        try:
            machines.add_node(**NODE)
            ray.init(address=machines.address, log_to_driver=False)
            yield machines
        finally:
            ray.shutdown()
            machines.shutdown()


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("secrets") / "dana.env"
    path.write_text(f'# what nodes know\nexport RAY_NODE_API_KEY="{KEY}"\n')
    return path


@pytest.fixture(scope="module")
def cluster(machines: Cluster, secrets: Path) -> Iterator[DanaCluster]:
    with DanaCluster(pool=POOL, secrets=secrets, lease=20, grace=20) as cluster:
        eventually(lambda: len(cluster.stats().nodes) == 2)
        yield cluster


def actor(cluster: DanaCluster, session: ClusterSession | AsyncClusterSession) -> int:
    """The process that holds a session."""
    return next(node.pid for node in cluster.stats().nodes if node.node_id == session.node_id)


def test_the_same_names_and_signatures() -> None:
    for theirs, ours in ((Dana, ClusterSession), (AsyncDana, AsyncClusterSession)):
        for name in [name for name in {*dir(theirs), "limits", "models"} if not name.startswith("_")]:
            if name in ("limits", "models") and theirs is Dana:
                continue
            if name in NOT_AVAILABLE:
                assert not hasattr(ours, name), f"{name} is there, and documented as not available"
                continue
            if name == "limits":
                continue  # an attribute of instances
            assert hasattr(ours, name), f"{ours.__name__} has no {name}, and no reason is given"
            known, own = inspect.getattr_static(theirs, name), inspect.getattr_static(ours, name)
            assert type(known) is type(own), name
            if callable(own):
                assert inspect.iscoroutinefunction(known) == inspect.iscoroutinefunction(own), name
                assert described(known) == described(own), name
    for theirs, make in ((Dana, DanaCluster.session), (AsyncDana, DanaCluster.async_session)):
        wanted, given = inspect.signature(theirs).parameters, inspect.signature(make).parameters
        assert [name for name in wanted if name not in ARGUMENTS_NOT_AVAILABLE] == [*given][1:]
        for name, parameter in list(given.items())[1:]:
            assert parameter.kind == wanted[name].kind
            # They always have workers; text names the model.
            if name not in ("use_subprocess_isolation", "require_isolation"):
                assert parameter.default == wanted[name].default
    assert all(hasattr(Dana, name) or hasattr(AsyncDana(), name) for name in NOT_AVAILABLE)


def described(function: Callable[..., Any]) -> list[Any]:
    parameters = list(inspect.signature(function).parameters.values())
    return [(one.name, one.kind, one.default, one.annotation) for one in parameters]


def test_sessions_go_to_both_nodes_and_stay_there(cluster: DanaCluster) -> None:
    sessions = [cluster.session(echo=False) for _ in range(4)]
    assert set(Counter(one.node_id for one in sessions).values()) == {2}
    pids = [one.subprocess_pid for one in sessions]
    assert len(set(pids)) == 4
    for number, one in enumerate(sessions):
        one.set("number", number)
    for _ in range(3):
        assert [one.execute_string("number += 10\nnumber % 10").result for one in sessions] == [0, 1, 2, 3]
    assert [one.subprocess_pid for one in sessions] == pids
    for one in sessions:
        assert one.is_subprocess_isolated
        # A process of Ray's is a process like any other: what the machine offers is reached.
        with Dana(use_subprocess_isolation=True) as here:
            assert one.isolation.level == here.isolation.level
        assert one.subprocess_pid in workers(actor(cluster, one))
        assert one.usage.memory_peak > 0
    stats = cluster.stats()
    assert (stats.sessions, stats.capacity) == (4, 40)
    assert [node.sessions for node in stats.nodes] == [2, 2]
    assert not stats.not_ready

    with cluster.session(isolation="contained") as strong, Dana(isolation="contained") as here:
        assert strong.isolation.level == here.isolation.level

    # Where there are fewest is where the next ones go.
    node = sessions[0].node_id
    for one in [one for one in sessions if one.node_id == node]:
        one.close()
        assert not one.is_subprocess_isolated
        with pytest.raises(SessionClosedError):
            one.call("str", 1)
    later = [cluster.session(echo=False) for _ in range(2)]
    assert {one.node_id for one in later} == {node}
    for one in [*sessions, *later]:
        one.close()
    assert cluster.stats().sessions == 0


def test_it_is_a_dana(cluster: DanaCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    setup = tmp_path / "rules.na"
    setup.write_text("def twice(x):\n    return x * 2\n")
    with cluster.session(
        debug=True,
        setup=setup,
        functions=[ray_node.price, "ray_node:has_key"],
        llm="factory:ray_node:scripted",
    ) as d:
        result = d.execute_string("print('seen')\nx = twice(20)\nx + 2", "turn.na")
        assert (result.success, result.result, result.output) == (True, 42, "seen")
        assert capsys.readouterr().out == "seen\n"
        assert result.usage.output_bytes == 5
        assert result.final_context is not None
        assert result.final_context.get("x") == 40
        assert d.call("twice", Decimal("1.5")) == Decimal("3.0")
        d.set("private:y", [1, {2: (3,)}])
        assert d.get("private:y") == [1, {2: (3,)}]
        assert d.execute_string("has_key()").result is True
        made = d.execute_string("struct Pair:\n    a: int\n    b: list\nPair(a=1, b=[2])").result
        assert isinstance(made, Struct)
        assert made.to_dict() == {"a": 1, "b": [2]}
        d.set("table", pandas.DataFrame({"n": [1, 2], "text": ["x", None]}))
        assert d.execute_string("table").result["n"].tolist() == [1, 2]
        assert d.bind(ray_node.Point) is ray_node.Point
        assert d.execute_string("Point(x=1)").result == ray_node.Point(1)
        d.register_type(ray_node.Money, ray_node.cents, name="Money", from_dana=ray_node.money)
        d.set("fee", ray_node.Money(250))
        assert d.get("fee").cents == 250
        d.register("note", ray_node.note)
        assert d.call("note", str(tmp_path / "notes"), "here") == actor(cluster, d) != os.getpid()
        assert d.reason("Primes?", returns=list[int]) == [2, 3, 5]
        assert capsys.readouterr().out.count("DEBUG: Dana call #1") == 2
        answer = d.reason("How many?", returns=int, details=True)
        assert (answer.value, answer.usage.model_calls, answer.attempts) == (41, 1, 1)
        assert d.reason("And now?") == 42
        assert d.usage.model_calls == 3
        assert "twice" in str(d.describe())
        assert d.list_modules() == []
        program = tmp_path / "program.na"
        program.write_text("1 / 0\n")
        failed = d.execute_file(program)
        assert isinstance(failed.error, DanaCallError)
        assert failed.error.kind == "ZeroDivisionError"
        # The traceback shows the file that was read here.
        trace = failed.error.__traceback__
        assert trace is not None
        assert trace.tb_frame.f_code.co_filename == str(program)
        assert isinstance(d.execute_file(tmp_path / "none.na").error, ResourceError)
        assert "is no" not in repr(d)
        for name in NOT_AVAILABLE:
            with pytest.raises(AttributeError, match=name):
                getattr(d, name)
        d.restart_subprocess()
        with pytest.raises(DanaCallError):
            d.get("x")
        assert d.call("twice", 4) == 8
        # What was registered is known to the new one, too.
        assert d.execute_string("Point(x=2)").result == ray_node.Point(2)


def test_errors_cross_as_what_they_are(cluster: DanaCluster) -> None:
    with cluster.session(functions=[ray_node.ends], echo=False) as d, cluster.session(setup="x = 1") as other:
        with pytest.raises((HostError, DanaCallError), match="SystemExit"):
            d.call("ends")
        with pytest.raises((HostError, DanaCallError), match="SystemExit"):
            cluster.session(functions=[ray_node.ends], setup="ends()")
        assert other.get("x") == 1
    with cluster.session(functions=[ray_node.price], echo=False) as d:
        d.execute_string("def buy(item):\n    return price(item)", "shop.na")
        with pytest.raises(DanaCallError) as caught:
            d.call("buy", "gold")
        assert caught.value.kind == "KeyError"
        assert isinstance(caught.value.__cause__, KeyError)
        assert caught.value.fault is not None
        assert [frame.function for frame in caught.value.fault.frames] == ["buy"]
        assert any("shop.na" in str(entry.path) for entry in caught.traceback)
        with pytest.raises(TypeError, match="name"):
            d.call(1)  # type: ignore[arg-type]
        with pytest.raises(DanaCallError, match="Invalid option keys"):
            d.reason("x", {"colour": 1})
        with pytest.raises(TypeConversionError, match="cannot be sent"):
            d.set("x", threading.Lock())
        with pytest.raises(TypeConversionError):
            d.set("x", object)
        assert d.execute_string("1 + 1").result == 2
    with cluster.session(limits=Limits(steps=1000), echo=False) as d:
        over = d.execute_string("while true:\n    pass")
        assert isinstance(over.error, StepLimitError)
        with pytest.raises(SessionClosedError):
            d.execute_string("1")
        d.restart_subprocess()
        assert d.execute_string("1").result == 1
    with cluster.session(limits=Limits(wall_time=0.5), restart_on_failure=True, echo=False) as d:
        assert isinstance(d.execute_string("while true:\n    pass").error, DeadlineExceededError)
        assert d.execute_string("2").result == 2
    with pytest.raises(DanaCallError, match="ZeroDivisionError"):
        cluster.session(setup="1 / 0")
    with pytest.raises(ConfigurationError, match="ray_node:nobody"):
        cluster.session(functions=["ray_node:nobody"])
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        cluster.session(python_modules={"no_such_module": ["x"]})
    assert cluster.stats().sessions == 0, "what failed to open holds no place"


def test_what_is_refused_before_anything_is_sent(cluster: DanaCluster) -> None:
    for arguments, text in (
        ({"use_subprocess_isolation": False}, "always"),
        ({"require_isolation": False}, "always"),
        ({"isolation": "none"}, "none"),
        ({"functions": {"f": lambda: 1}}, "send_code"),
        ({"functions": ["no colon"]}, "package.module:name|identifier"),
        ({"resources": {"a": Resource(lambda: 1, [])}}, "send_code"),
        ({"functions": {"while": ray_node.price}}, "while"),
    ):
        with pytest.raises(ValueError, match=text):
            cluster.session(**arguments)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="limits"):
        cluster.session(limits=3)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="no known model"):
        cluster.session(llm="gpt-4o")
    with pytest.raises(ConfigurationError, match="ray://"):
        DanaCluster("ray://127.0.0.1:10001")
    with pytest.raises(ValueError, match="lease"):
        DanaCluster(lease=0.1)


def test_keys_stay_where_they_are(
    cluster: DanaCluster, monkeypatch: pytest.MonkeyPatch, secrets: Path
) -> None:
    sent: list[bytes] = []
    remote = ray.actor.ActorMethod._remote

    def recorded(self: Any, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        sent.append(ray.cloudpickle.dumps((args, kwargs, options)))
        return remote(self, args, kwargs, **options)

    monkeypatch.setattr(ray.actor.ActorMethod, "_remote", recorded)
    monkeypatch.setenv("SOME_SERVICE_TOKEN", KEY)
    for llm in (Scripted(["1"]), ray_node.unreachable, lambda messages, options: KEY):
        with pytest.raises(SecurityError, match="it may hold a key"):
            cluster.session(llm=llm)  # type: ignore[arg-type]
    for arguments in (
        {"llm": f"openai:{KEY}"},
        {"setup": f"key = '{KEY}'"},
        {"functions": {"f": f"module:{KEY.replace('-', '_')}"}, "search_paths": [KEY]},
    ):
        with pytest.raises(SecurityError, match="SOME_SERVICE_TOKEN") as caught:
            cluster.session(**arguments)  # type: ignore[arg-type]
        assert KEY not in str(caught.value)
    with pytest.raises(SecurityError, match="looks like a key"):
        cluster.session(llm="openai:sk-proj-abcdefghijklmnop1234")
    with pytest.raises(SecurityError, match="looks like a key"):
        cluster.session(setup="url = 'https://user:password@example.org'")
    with DanaCluster(pool=POOL, secrets=secrets, lease=20, grace=20, send_code=True) as open_hearted:
        with pytest.raises(SecurityError, match="SOME_SERVICE_TOKEN"):
            open_hearted.session(functions={"f": lambda key=KEY: key})
        here = "a value of this process"
        with open_hearted.session(functions={"f": lambda: here}, echo=False) as d:
            assert d.call("f") == here

    # Answers: an exception of a model's client may hold the request, and so the key.
    monkeypatch.delenv("SOME_SERVICE_TOKEN")
    monkeypatch.setenv("RAY_NODE_API_KEY", KEY)
    with Dana(llm=ray_node.Careless(), echo=False) as here_too, pytest.raises(DanaCallError) as failed:
        here_too.reason("Are you there?")
    assert KEY.encode() in pickle.dumps(failed.value), "what this test is about"
    answers: list[bytes] = []
    for llm, behind, text in (
        ("factory:ray_node:Careless", HostError, "nobody answers"),
        ("factory:ray_node:unreachable", ModelError, "127.0.0.1:9"),
    ):
        with cluster.session(llm=llm, functions=[ray_node.careless], cache=True, echo=False) as d:
            read = d._core.read
            monkeypatch.setattr(
                d._core, "read", lambda data, read=read: (answers.append(data), read(data))[1]
            )
            with pytest.raises(DanaCallError, match=text) as failed:
                d.reason("Are you there?")
            assert isinstance(failed.value.original_error, behind)
            with pytest.raises(DanaCallError, match="it failed"):
                d.call("careless")
    assert len(answers) == 4
    assert not [data for data in answers if KEY.encode() in data]
    assert len(sent) > 5
    assert not [data for data in sent if KEY.encode() in data]
    # Nor does it lie with what Ray keeps: its books, its logs.
    logs = Path(ray._private.worker.global_worker.node.get_session_dir_path())
    for path in logs.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert KEY.encode() not in path.read_bytes(), path


def test_the_file_of_secrets(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("# a remark\n\nA=1\nexport B_C = 'x'\n")
    with pytest.raises(ConfigurationError, match="line 4 ") as caught:
        read_secrets(path)
    assert "'x'" not in str(caught.value)
    path.write_text("A=1\nexport B_C='x=y'\nC=\"\"\n")
    assert read_secrets(path) == {"A": "1", "B_C": "x=y", "C": ""}
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_secrets(tmp_path / "none")


def test_asyncio(cluster: DanaCluster, tmp_path: Path) -> None:
    async def one(number: int) -> str:
        async with cluster.async_session(echo=False, llm="factory:ray_node:scripted") as d:
            node = d.node_id
            d.bind(ray_node.Point)
            d.register("price", ray_node.price)
            assert (await d.execute_string(f"Point(x={number})")).result == ray_node.Point(number)
            await d.set("n", number)
            assert await d.get("n") == number
            assert await d.call("str", price := await d.call("price", "tea")) == str(price)
            assert await d.reason("Primes?", returns=list[int]) == [2, 3, 5]
            assert (await d.snapshot()).get("n") == number
            assert "price" in str(await d.describe())
            assert (await d.execute_file(tmp_path / "none.na")).success is False
            before = d.subprocess_pid
            await d.restart_subprocess()
            assert d.subprocess_pid != before
            assert (await d.refresh()).is_subprocess_isolated
            assert d.isolation.level >= "filtered"
            assert d.limits.wall_time == 60
            assert node is not None
            return node

    async def main() -> list[str]:
        early = cluster.async_session(echo=False)
        opening = asyncio.create_task(early.open())
        await asyncio.sleep(0)
        await early.close()
        with pytest.raises(SessionClosedError):
            await opening
        return await asyncio.gather(*map(one, range(8)))

    assert len(set(asyncio.run(main()))) == 2
    eventually(lambda: cluster.stats().sessions == 0)


def test_whoever_stops_waiting_ends_the_worker(cluster: DanaCluster) -> None:
    async def cancelled() -> None:
        d = await cluster.async_session(echo=False).open()
        assert d.subprocess_pid is not None
        with watched([d.subprocess_pid]) as worker:
            turn = asyncio.create_task(d.execute_string("while true:\n    pass"))
            await asyncio.sleep(0)
            while not d._core._turns.locked():
                await asyncio.sleep(0.001)
            turn.cancel()
            with pytest.raises(asyncio.CancelledError):
                await turn
            assert all_end(worker)
        with pytest.raises(SessionClosedError):
            await d.call("str", 1)

    asyncio.run(cancelled())

    d = cluster.session(echo=False)
    assert d.subprocess_pid is not None
    with watched([d.subprocess_pid]) as worker:
        waiting = threading.Thread(
            target=lambda: (eventually(d._core._turns.locked), os.kill(os.getpid(), signal.SIGINT))
        )
        waiting.start()
        with pytest.raises(KeyboardInterrupt):
            d.execute_string("while true:\n    pass")
        waiting.join()
        assert all_end(worker)

    # Closed by another thread.
    d = cluster.session(echo=False)
    waiting = threading.Thread(target=lambda: (eventually(d._core._turns.locked), d.close()))
    waiting.start()
    with pytest.raises(SessionClosedError):
        d.execute_string("while true:\n    pass")
    waiting.join()

    # Dropped by everybody.
    held = [cluster.session(echo=False)]
    with watched([pid for one in held if (pid := one.subprocess_pid) is not None]) as worker:
        assert len(worker) == 1
        held.clear()
        gc.collect()
        assert all_end(worker)
    eventually(lambda: cluster.stats().sessions == 0)


@pytest.mark.parametrize("answer", ["gone", "lost"])
def test_a_cluster_that_closes_under_a_turn_is_closed_and_not_lost(answer: str) -> None:
    """Whichever of its ends the turn meets first: the node let go of the session, or is gone itself."""

    async def answers(reference: Any, seconds: float | None) -> bytes:
        nodes.closed = True
        if answer == "lost":
            raise lost("node", "the actor died")
        return GONE

    nodes: Any = SimpleNamespace(closed=False, grace=1.0, client="client")
    opening: Any = SimpleNamespace(packed=lambda: b"", limits=None, setup_seconds=0.0)
    node: Any = MagicMock(answer=answers, node_id="node")

    async def turn() -> None:
        core = Core(nodes, opening, restarts=False)
        core.node = node
        await core.turn("execute", b"")

    with pytest.raises(SessionClosedError, match="the DanaCluster was closed"):
        asyncio.run(turn())


def test_a_full_cluster(machines: Cluster, cluster: DanaCluster) -> None:
    tiny = PoolConfig(min_idle=0, max_workers=1, acquire_timeout=3)
    with DanaCluster(name="tiny", pool=tiny, lease=20, grace=20) as small:
        eventually(lambda: len(small.stats().nodes) == 2)
        with DanaCluster(name="tiny", pool=PoolConfig(min_idle=0, max_workers=2, acquire_timeout=1)) as other:
            with pytest.raises(ResourceError, match="other settings") as caught:
                other.session()
            assert not isinstance(caught.value, PoolExhaustedError)
        first, second = small.session(echo=False), small.session(echo=False)
        assert first.node_id != second.node_id
        with pytest.raises(PoolExhaustedError, match="all 2 nodes"):
            small.session()
        # Those that wait get a place in their order, as soon as there is one.
        opened: list[ClusterSession] = []
        waiting = []
        for _ in range(2):
            waiting.append(threading.Thread(target=lambda: opened.append(small.session(echo=False))))
            waiting[-1].start()
        second.close()
        eventually(lambda: len(opened) == 1)
        first.close()
        for thread in waiting:
            thread.join()
        assert [one.call("str", 1) for one in opened] == ["1", "1"]
        pids = {node.pid for node in small.stats().nodes}
    # The actors end with their last client, and are made again for the next.
    small = DanaCluster(name="tiny", pool=tiny, lease=20, grace=20)
    d = small.session(echo=False)
    assert actor(small, d) not in pids
    # A cluster that is closed ends what is under way.
    closing = threading.Thread(target=lambda: (eventually(d._core._turns.locked), small.close()))
    closing.start()
    with pytest.raises(SessionClosedError):
        d.execute_string("while true:\n    pass")
    closing.join()
    d.close()
    with pytest.raises(SessionClosedError):
        d.call("str", 1)


LOST_CLIENT = """
import sys
import ray
ray.init(address=sys.argv[1], log_to_driver=False)
from pathlib import Path
from opendxa.dana import PoolConfig
from opendxa.dana.ray import DanaCluster
pool = PoolConfig(min_idle=1, max_workers=20, acquire_timeout=60)
cluster = DanaCluster(pool=pool, secrets=sys.argv[2], lease=2, grace=20)
sessions = [cluster.session(echo=False) for _ in range(3)]
print(*[one.subprocess_pid for one in sessions], flush=True)
sessions[0].execute_string("while true:\\n    pass")
"""


def test_a_client_that_dies_leaves_no_sessions(
    machines: Cluster, cluster: DanaCluster, secrets: Path
) -> None:
    command = [sys.executable, "-W", "ignore", "-c", LOST_CLIENT, machines.address, str(secrets)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as client:
        assert client.stdout is not None
        pids = [int(pid) for pid in client.stdout.readline().split()]
        assert len(pids) == 3
        with watched(pids) as worker:
            client.kill()
            assert all_end(worker, 20)
    assert cluster.stats().sessions == 0
    assert {node.clients for node in cluster.stats().nodes} == {1}


def test_an_actor_that_is_killed(cluster: DanaCluster) -> None:
    assert cluster.stats().sessions == 0
    here, there = cluster.session(echo=False), cluster.session(echo=False)
    assert here.node_id != there.node_id
    replaced = cluster.session(restart_on_failure=True, echo=False)
    process = actor(cluster, here)
    assert here.subprocess_pid is not None
    waiting = threading.Thread(
        target=lambda: (eventually(here._core._turns.locked), os.kill(process, signal.SIGKILL))
    )
    with watched([here.subprocess_pid]) as worker:
        waiting.start()
        result = here.execute_string("while true:\n    pass")
        assert isinstance(result.error, WorkerLostError)
        assert "nothing was tried again" in str(result.error)
        assert isinstance(result.error.__cause__, ray.exceptions.RayActorError)
        assert pickle.loads(pickle.dumps(result.error)).args == result.error.args
        assert all_end(worker)
    waiting.join()
    with pytest.raises(SessionClosedError, match="is lost"):
        here.call("str", 1)
    assert not here.is_subprocess_isolated
    assert here.isolation.level == "none"
    # The other node goes on, and takes what comes.
    assert there.call("str", 1) == "1"
    with cluster.session(echo=False) as d:
        assert d.node_id == there.node_id
    here.restart_subprocess()
    assert here.call("str", 2) == "2"
    if replaced.node_id != there.node_id:
        with pytest.raises(WorkerLostError):
            replaced.call("str", 1)
    assert replaced.call("str", 3) == "3"
    for one in (here, there, replaced):
        one.close()
    # The actor comes back by itself.
    eventually(lambda: len(cluster.stats().nodes) == 2)
    assert process not in {node.pid for node in cluster.stats().nodes}


def test_a_node_that_does_not_answer(cluster: DanaCluster, machines: Cluster, secrets: Path) -> None:
    with (
        DanaCluster(pool=POOL, secrets=secrets, lease=20, grace=1) as impatient,
        impatient.session(limits=Limits(wall_time=0.5), echo=False) as d,
    ):
        process = actor(cluster, d)
        os.kill(process, signal.SIGSTOP)
        try:
            with pytest.raises(WorkerLostError, match=r"no answer within 1\.5 s"):
                d.call("str", 1)
        finally:
            os.kill(process, signal.SIGCONT)


class Load:
    """Clients that open sessions and have them call a function of the node that leaves a trace."""

    def __init__(self, cluster: DanaCluster, notes: Path) -> None:
        self.cluster = cluster
        self.notes = notes
        self.done: list[str] = []
        self.lost: list[str] = []
        self.wrong: list[BaseException] = []
        self.stop = threading.Event()
        self.clients = [threading.Thread(target=self.client, args=(number,)) for number in range(12)]
        for one in self.clients:
            one.start()

    def client(self, number: int) -> None:
        turn = 0
        try:
            while not self.stop.is_set():
                turn = self.session(number, turn)
        except BaseException as error:
            self.wrong.append(error)

    def session(self, number: int, turn: int) -> int:
        try:
            d = self.cluster.session(functions=[ray_node.note], echo=False)
        except WorkerLostError:
            self.lost.append(f"{number}/opening")
            return turn
        with d:
            for _ in range(20):
                turn += 1
                try:
                    d.call("note", str(self.notes), f"{number}/{turn}")
                except WorkerLostError:
                    self.lost.append(f"{number}/{turn}")
                    break
                self.done.append(f"{number}/{turn}")
        return turn

    def go_on(self, turns: int) -> None:
        wanted = len(self.done) + turns
        eventually(lambda: self.wrong or len(self.done) > wanted)
        assert not self.wrong, self.wrong

    def end(self) -> None:
        self.stop.set()
        for one in self.clients:
            one.join()
        assert not self.wrong, self.wrong


def test_a_node_that_is_taken_away_under_load(
    machines: Cluster, cluster: DanaCluster, tmp_path: Path
) -> None:
    eventually(lambda: len(cluster.stats().nodes) == 2)
    load = Load(cluster, tmp_path / "notes")
    try:
        load.go_on(100)
        eventually(lambda: all(node.sessions for node in cluster.stats().nodes))
        machines.remove_node(next(iter(machines.worker_nodes)))
        load.go_on(100)
    finally:
        load.end()
    # Every call ended: with a value, or with our error, and then its session was over.
    assert load.lost, "the node had sessions"
    assert len(load.lost) <= 2 * len(load.clients)
    noted = Counter(load.notes.read_text().split())
    assert set(noted.values()) == {1}, "nothing is done twice"
    assert set(load.done) <= set(noted)
    assert set(noted) - set(load.done) <= set(load.lost), "what ran and was not answered was lost"
    left = cluster.stats()
    assert len(left.nodes) == 1
    with cluster.session(echo=False) as d:
        assert d.node_id == left.nodes[0].node_id

    # A node that joins gets sessions.
    machines.add_node(**NODE)
    eventually(lambda: len(cluster.stats().nodes) == 2)
    with cluster.session() as first, cluster.session() as second:
        assert first.node_id != second.node_id


# Ray Serve's settings are written for an older pydantic.
@pytest.mark.filterwarnings("ignore:Using extra keyword arguments on `Field` is deprecated")
def test_ray_serve(machines: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray import serve

    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "examples"))
    import ray_serve_app

    port = free_port()
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    try:
        serve.run(ray_serve_app.app)
        url = f"http://127.0.0.1:{port}/"

        def post(body: bytes) -> dict[str, Any]:
            with urlopen(Request(url, body, method="POST")) as response:
                told: dict[str, Any] = json.loads(response.read())
                return told

        first = post(b'{"program": "print(1)\\n6 * 7"}')
        assert (first["success"], first["result"], first["output"]) == (True, 42, "1")
        assert first["isolation"] in ("landlocked", "filtered")
        second = post(b'{"program": "1 / 0"}')
        assert second["error"].startswith("ZeroDivisionError")
        assert second["worker"] != first["worker"]
        for body, status in ((b"[]", 422), (b'{"program": 1}', 422), (b" " * 70_000, 413)):
            with pytest.raises(HTTPError) as caught:
                post(body)
            assert caught.value.code == status
            caught.value.close()
    finally:
        serve.shutdown()


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_without_ray() -> None:
    program = "import sys; sys.modules['ray'] = None\nimport opendxa.dana.ray"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'dana-bridge[ray]'" in done.stderr.splitlines()[-1]


def test_nodes_that_cannot_be_used(machines: Cluster, tmp_path: Path) -> None:
    cluster = DanaCluster(
        name="unusable", secrets=tmp_path / "none", lease=20, pool=PoolConfig(acquire_timeout=1)
    )
    with pytest.raises(ResourceError, match="no node of the Ray cluster was ready") as caught:
        cluster.session()
    assert f"{tmp_path / 'none'} cannot be read" in str(caught.value)
    stats = cluster.stats()
    assert not stats.nodes
    assert "cannot be read" in "".join(stats.not_ready.values())
    cluster.close()
    cluster.close()
    assert repr(cluster) == "DanaCluster(closed)"
    with pytest.raises(SessionClosedError):
        cluster.session()
    with pytest.raises(SessionClosedError):
        cluster.stats()
