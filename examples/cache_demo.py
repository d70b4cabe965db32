"""What a cache of answers is worth: the same reviews, read by a small model on this machine, again and again.

Set DANA_LLM (for example to openai:gpt-4o-mini) to ask another model.
"""

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from opendxa.dana import Dana
from opendxa.dana.exceptions import DanaError
from opendxa.dana.llm import Local, Provider, ReasoningCache, resolve

ROUNDS = 3
REVIEWS = (
    "The soup was cold and the waiter was rude.",
    "Lovely place, we will come again!",
    "It was fine, a bit expensive perhaps.",
)


@dataclass
class Opinion:
    """What a guest thinks."""

    happy: bool
    stars: int


def read(model: Provider, cache: ReasoningCache | None) -> float:
    """Read all reviews some times over; tell what it took."""
    with Dana(use_subprocess_isolation=True, llm=model, cache=cache) as d:
        begin = time.monotonic()
        for _ in range(ROUNDS):
            for review in REVIEWS:
                d.reason(f"What does this guest think? {review}", {"temperature": 0}, returns=Opinion)
        seconds, used = time.monotonic() - begin, d.usage
    asked = f"{used.model_calls} questions to the model, {used.cached_answers} answers from the cache"
    print(f"{seconds:8.3f} s   {used.tokens:6d} tokens   {asked}", flush=True)
    return seconds


def main() -> None:
    model = resolve() if os.environ.get("DANA_LLM") else Local(progress=lambda line: print(f"... {line}"))
    if isinstance(model, Local):
        model.start()

    print(f"\n{len(REVIEWS)} reviews, {ROUNDS} times, without a cache:")
    without = read(model, None)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "answers.db")
        print("with a cache:")
        cold = read(model, ReasoningCache(path=path, namespace="reviews"))
        print("with the same answers from the disk, as another process would find them:")
        warm = read(model, ReasoningCache(path=path, namespace="reviews"))

        print("eight threads that ask the same at once, with a cache they share:")
        shared = ReasoningCache(namespace="reviews")
        question = "Name one thing a restaurant needs."
        with Dana(llm=model, cache=shared) as d, d.get_llm() as llm, ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(llm.generate, [question] * 8, [{"max_tokens": 30}] * 8))
            print(f"           {llm.usage.tokens:6d} tokens   {llm.usage.model_calls} question to the model")
            assert len({str(answer) for answer in answers}) == 1
        print(f"           {shared}")

    print(
        f"\nfaster by {without / cold:.1f} times with the cache, {without / warm:.0f} times when it is warm"
    )


if __name__ == "__main__":
    try:
        main()
    except DanaError as error:
        sys.exit(f"cache_demo failed: {error}")
