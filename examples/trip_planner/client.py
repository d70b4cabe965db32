"""A client of the trip planner: ``python examples/trip_planner/client.py Rome --days 2 --stream``.

`plan` waits for the answer, `plan_async` does so on asyncio, `stream` reads what the model says meanwhile.
Rule: what a server says is shown without its control characters; a problem (RFC 9457) ends with its title.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any

import httpx

#: Seconds: a small model takes its time, and the service ends a plan after five minutes.
TIMEOUT = httpx.Timeout(320, connect=5)


class RefusedError(Exception):
    """The service answered with a problem."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(f"{problem.get('title')} ({problem.get('status')}): {problem.get('detail')}")
        self.problem = problem


def plan(url: str, wish: dict[str, Any]) -> dict[str, Any]:
    """Plan a trip and wait for it."""
    return answered(httpx.post(f"{url}/api/trips", json=wish, timeout=TIMEOUT))


async def plan_async(client: httpx.AsyncClient, wish: dict[str, Any]) -> dict[str, Any]:
    """Plan a trip on asyncio; cancelling the task ends the worker of the service."""
    return answered(await client.post("/api/trips", json=wish))


def stream(url: str, wish: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of a plan in the making: name and data. Stopping ends the worker of the service."""
    with httpx.stream("POST", f"{url}/api/trips/stream", json=wish, timeout=TIMEOUT) as response:
        if response.status_code != 200:
            response.read()
            answered(response)
        name = ""
        for line in response.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                data = json.loads(value)
                if name == "error":
                    raise RefusedError(data)
                yield name, data
    if name != "done":
        raise RefusedError(
            {"title": "The connection broke off", "status": 0, "detail": "the answer is not complete"}
        )


def answered(response: httpx.Response) -> dict[str, Any]:
    """Return what a response says, or raise its problem."""
    try:
        told: dict[str, Any] = response.json()
    except ValueError:
        told = {"title": "No JSON", "status": response.status_code, "detail": response.reason_phrase}
        raise RefusedError(told) from None
    if response.status_code != 200:
        raise RefusedError(told)
    return told


def show(answer: dict[str, Any]) -> None:
    """Print a plan and who made it."""
    say("")
    for day in answer["trip"]["days"]:
        say(f"Day {day['number']}" + ("" if day["stops"] else " is left open"))
        for stop in day["stops"]:
            cost = "" if stop["cost"] is None else f" (about {stop['cost']:.0f} euros)"
            what = f": {stop['activity']}" if stop["activity"] else ""
            say(f"  {stop['place']}{what}{cost}")
        for note in day["notes"]:
            say(f"  [{note}]")
    worker = answer["worker"]
    say(f"worker {worker['pid']}, isolation {worker['level']}, has ended: {answer['worker_ended']}")


def say(text: str, end: str = "\n") -> None:
    """Print text of strangers: nothing in it moves the cursor."""
    print("".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text), end=end)


def main() -> None:
    parser = argparse.ArgumentParser(description="Plan a trip with the trip planner.")
    parser.add_argument("destination")
    parser.add_argument("--days", type=int, default=2, help="1 to 7 (2)")
    parser.add_argument("--interest", action="append", default=[], help="may be given several times")
    parser.add_argument("--budget", type=float, default=400, help="in euros, for the whole trip (400)")
    parser.add_argument("--stream", action="store_true", help="show what the model says as it says it")
    parser.add_argument("--at-once", type=int, default=1, help="ask so many times at once, on asyncio (1)")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of the service")
    wanted = parser.parse_args()
    wish = {
        "destination": wanted.destination,
        "days": wanted.days,
        "interests": wanted.interest,
        "budget": wanted.budget,
    }
    if wanted.stream:
        follow(wanted.url, wish)
    elif wanted.at_once > 1:
        for answer in asyncio.run(several(wanted.url, wish, wanted.at_once)):
            show(answer)
    else:
        show(plan(wanted.url, wish))


def follow(url: str, wish: dict[str, Any]) -> None:
    """Print a stream, then the plan. Several answers come at the same time: each piece says whose it is."""
    told: dict[str, Any] = {}
    last = None
    for name, data in stream(url, wish):
        told[name] = data
        if name == "question":
            last = None
            say(f"\n[{data['question']}] {data['label']}")
        elif name == "piece":
            say(
                data["text"]
                if last in (None, data["question"])
                else f"\n[{data['question']}] {data['text']}",
                "",
            )
            last = data["question"]
    say("")
    show({"trip": told["trip"], "worker": told["worker"], **told["closed"]})


async def several(url: str, wish: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Ask several times at once."""
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT) as client:
        return await asyncio.gather(*(plan_async(client, wish) for _ in range(count)))


if __name__ == "__main__":
    try:
        main()
    except RefusedError as error:
        say("", end="")
        sys.exit("".join(c if c.isprintable() else " " for c in str(error)))
    except httpx.HTTPError as error:
        sys.exit(f"the service cannot be reached: {error or type(error).__name__}")
    except KeyboardInterrupt:
        sys.exit(130)
