"""The trip planner with a model that says what the destination asks for, for uvicorn.

Between the first piece and the second it waits for `/test/go`, where the destination wants that.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

from trip_planner.app import create_app

from opendxa.dana.llm import FromCallable

TEXTS = [
    "Begin with a coffee near the Pantheon and look up through its open dome. After lunch in Trastevere, "
    "cross the river to the Galleria Borghese. In the evening, walk to the Trevi Fountain.",
    "Take the early tram to the Colosseum, before the sun is high. Spend the afternoon among the stalls of "
    "the Testaccio Market. End the day on the Spanish Steps with an ice cream.",
    "Climb the Aventine Hill for the view through the keyhole. In the afternoon, visit the Centrale "
    "Montemartini. Dine in the Jewish Ghetto, where artichokes are fried whole.",
]
STOPS = [
    [
        ("Pantheon", "Have a coffee in the square, then stand under the open dome.", 5),
        ("Trastevere", "Lunch on the side streets, away from the main square.", 25),
        ("Galleria Borghese", "See Bernini's marble come alive; book a time slot.", 27),
        ("Trevi Fountain", "Walk there late, when the crowds are gone.", 0),
    ],
    [
        ("Colosseum", "Enter at opening time, with the arena floor.", 24),
        ("Testaccio Market", "Eat from stall to stall.", 18),
        ("Spanish Steps", "Watch the evening with an ice cream.", 4),
        ("Moon Palace", "Not in the text.", 1),
    ],
    [
        ("Aventine Hill", "Look through the keyhole of the Knights of Malta.", 0),
        ("Centrale Montemartini", "Statues among turbines in a former power station.", 11),
        ("Jewish Ghetto", "Dinner with fried artichokes.", 35),
    ],
]
go = asyncio.Event()


async def model(messages: list[dict[str, str]], options: dict[str, Any]) -> AsyncIterator[str]:
    """Write, or list, what the day of the question has; the destination may want something else."""
    # All of it: who is asked again hears only what was wrong.
    asked = "\n".join(message["content"] for message in messages)
    reading = "List what there is to do" in asked
    if "Breakdown" in asked:
        raise RuntimeError("the model's address is http://10.0.0.1/ and its key sk-secret")
    if "Nonsense" in asked:
        yield "{{{ }}} <<<>>> 000000 {}"
        return
    if "Formless" in asked and not reading:
        yield "You will love every bit of it."
        return
    if "every bit of it" in asked:
        yield "I would rather tell you a story."
        return
    if "Vague" in asked and not reading:
        yield "Start at the Vague Gardens. Then see the Old Mill, with a picnic."
        return
    if "Vague Gardens" in asked:
        yield '[{"place": "A", "activity": "B", "cost": 1}, {"place": "B", "activity": "C", "cost": 2}]'
        return
    hostile = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
    if "Hostile" in asked and not reading:
        yield f"See the Hostile Gate. {hostile}"
        return
    day = next((at for at, text in enumerate(TEXTS) if text in asked), None)
    if day is None:
        text = next(
            text for text, which in zip(TEXTS, ("first", "second", "third"), strict=True) if which in asked
        )
    else:
        stops = [{"place": place, "activity": what, "cost": cost} for place, what, cost in STOPS[day]]
        text = json.dumps(stops)
    words = text.split(" ")
    patient = "Patience" in asked
    if patient:
        go.clear()
    yield words[0]
    if patient:
        await go.wait()
    for at, word in enumerate(words[1:]):
        if at % 6 == 5:
            await asyncio.sleep(0)
        yield f" {word}"


class Model(FromCallable):
    """The same, with a name."""

    model = "scripted"


app = create_app(Model(model))


@app.post("/test/go")
async def let_go() -> None:
    go.set()
