"""What the load test asks: one wish, planned in a fresh worker, in this process, and without Dana at all.

Rule: all three are routes of one application on one server, ask one scripted model, make the same checks and
answer with the same bytes.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI

from opendxa.dana import AsyncDana
from opendxa.dana.fastapi import DanaSession

from . import planning
from .app import create_app
from .model import Heard
from .shapes import Day, Stop, Trip, TripRequest

__all__ = ["app"]

_TEXT = "Begin at the Pantheon. After lunch, cross the river to Trastevere. End the day on the Spanish Steps."
_STOPS = json.dumps(
    [
        {"place": "Pantheon", "activity": "Stand under the open dome.", "cost": 5},
        {"place": "Trastevere", "activity": "Have lunch in the side streets.", "cost": 25},
        {"place": "Spanish Steps", "activity": "Watch the evening.", "cost": 0},
    ]
)


async def model(messages: list[dict[str, str]], _: dict[str, Any]) -> str:
    """Answer at once, so that what is measured is everything else."""
    return _STOPS if _TEXT in messages[-1]["content"] else _TEXT


async def planned(d: AsyncDana, wish: TripRequest) -> Trip:
    made = await d.call("plan", wish.destination, wish.days, wish.interests, wish.budget)
    return Trip.model_validate(made.to_dict())


def _made() -> FastAPI:
    # All come from one address, each as soon as the answer before is there: sessions that are ending count.
    app = create_app(model, sessions_per_tenant=64)

    @app.post("/load/fresh-process")
    async def fresh_process(wish: TripRequest, d: DanaSession) -> Trip:
        """Run the program in a worker of the request's own."""
        return await planned(d, wish)

    @app.post("/load/in-process")
    async def in_process(wish: TripRequest) -> Trip:
        """Run the program in a session of the request's own, in this process: no wall, to compare with."""
        settings: dict[str, Any] = {"limits": planning.LIMITS, "setup": planning.PROGRAM, "llm": Heard(model)}
        async with AsyncDana(echo=False, search_paths=(), **settings) as d:
            return await planned(d, wish)

    @app.post("/load/plain")
    async def plain(wish: TripRequest) -> Trip:
        """Do in Python what the program does."""
        return await in_python(wish)

    return app


async def in_python(wish: TripRequest) -> Trip:
    """Do what planner.na does, for answers that fit."""
    days: list[Day] = []
    taken: set[str] = set()
    for number in range(1, wish.days + 1):
        asked = f"Write {number} of {wish.days} for {wish.destination}, {wish.interests}, {wish.budget}"
        text = await model([{"role": "user", "content": asked}], {})
        _check(text, 2000)
        told = await model(
            [{"role": "user", "content": f"List what there is to do in this plan. {text}"}], {}
        )
        stops = [Stop.model_validate(stop) for stop in json.loads(told)]
        there = f" {' '.join(_words(text))} "
        for stop in stops:
            _check(stop.place, 80)
            _check(stop.activity, 240)
            place = " ".join(_words(stop.place))
            if f" {place} " not in there or place in taken:
                raise ValueError(f"{stop.place} does not fit")
            taken.add(place)
        days.append(Day(number=number, text=text, stops=stops, notes=[]))
    cost = sum(stop.cost or 0 for day in days for stop in day.stops)
    return Trip(destination=wish.destination, days=days, cost=cost, budget=wish.budget, notes=[])


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in text.lower()).split()


def _check(text: str, longest: int) -> None:
    clean = text.strip()
    said = _words(clean)
    letters = sum(c.isalpha() for c in clean)
    if not said or len(clean) > longest or letters * 2 < len(clean) or any(c in "{}[]<>|\\`$" for c in clean):
        raise ValueError("it does not fit")
    if len(said) > 5 and len(set(said)) * 2 < len(said):
        raise ValueError("it repeats itself")


app = _made()
