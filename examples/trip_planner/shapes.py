"""What comes in and goes out, checked by pydantic.

Rule: a request is refused here or fits; what a program made is read again here before it goes out, as what
any stranger says.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = [
    "Day",
    "Layer",
    "Stop",
    "Tested",
    "Trial",
    "Trip",
    "TripAnswer",
    "TripRequest",
    "Verdict",
    "Worker",
]

#: One line: no control characters, which would also be none of the model's business.
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")
]


class TripRequest(BaseModel):
    """A wish."""

    model_config = ConfigDict(extra="forbid")

    destination: Annotated[Line, Field(max_length=80)]
    days: Annotated[int, Field(ge=1, le=7)] = 2
    interests: Annotated[list[Annotated[Line, Field(max_length=40)]], Field(max_length=10)] = []
    #: In euros, for the whole trip.
    budget: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]


class Stop(BaseModel):
    """One thing to do."""

    place: str
    activity: str
    #: The model's estimate in euros; None where it has none.
    cost: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None


class Day(BaseModel):
    """A day; one without stops is left open, and its notes say why."""

    number: int
    #: The model's sentences that the stops were read from.
    text: str
    stops: list[Stop]
    notes: list[str]


class Trip(BaseModel):
    """A plan, as far as the model's answers fit."""

    destination: str
    days: list[Day]
    #: The model's estimates added up.
    cost: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    budget: float
    notes: list[str]


class Layer(BaseModel):
    """One wall round a worker, and what proves it."""

    name: str
    wanted: bool
    in_force: bool
    evidence: str
    value: str
    reason: str


class Worker(BaseModel):
    """The process that served a request, read from the live process."""

    pid: int
    #: The process of the web server that it belongs to.
    host: int
    level: str
    layers: list[Layer]


class TripAnswer(BaseModel):
    """A plan and who made it."""

    trip: Trip
    worker: Worker
    #: Whether the worker's process was seen to have ended when the answer went out.
    worker_ended: bool
    seconds: float
    usage: dict[str, Any]


class Trial(BaseModel):
    """A program to run in the sandbox."""

    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, Field(min_length=1, max_length=20_000)]


class Tested(BaseModel):
    """That the service still answers: what another, fresh worker said to six times seven."""

    pid: int
    answer: int
    seconds: float


class Verdict(BaseModel):
    """What became of a program."""

    #: ``limit``: it reached one; ``error``: it was refused something, or failed; ``lost``: its worker ended
    #: without a last word; ``finished``: it ran to its end.
    outcome: Literal["limit", "error", "lost", "finished"]
    #: The class of the error, and for one of the program's own its kind in Dana.
    error: str | None
    message: str | None
    #: The limit that was reached, by its name among `limits`.
    limit: str | None
    limits: dict[str, float | int | None]
    output: str
    #: Characters that were printed beyond what `output` shows.
    output_left_out: int
    result: str | None
    seconds: float
    usage: dict[str, Any]
    worker: Worker
    worker_ended: bool
    afterwards: Tested
