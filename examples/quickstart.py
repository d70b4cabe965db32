"""Run a Dana program in a locked worker process, with a real language model answering on this machine.

Set DANA_LLM (for example to openai:gpt-4o-mini) to ask another model.
"""

import os
import sys
from pathlib import Path

from opendxa.dana import Dana, Limits
from opendxa.dana.exceptions import DanaError
from opendxa.dana.llm import Local


def show_progress(line: str) -> None:
    print(f"... {line}", flush=True)


def main() -> None:
    program = Path(__file__).with_name("quickstart.na")
    model = None if os.environ.get("DANA_LLM") else Local(progress=show_progress)
    if model is not None:
        model.start()

    with Dana(use_subprocess_isolation=True, llm=model, limits=Limits(wall_time=300)) as d:
        show_progress(f"running {program.name} in worker {d.sandbox.subprocess_pid}")
        result = d.execute_file(program)
        if result.error is not None:
            raise result.error

        report = result.result
        print()
        for opinion in report.opinions:
            print(f"{opinion.stars} stars, happy={opinion.happy}, topics={opinion.topics}")
        print(f"average: {report.average:.1f}")
        print(f"reply: {report.reply.greeting!r}, apology={report.reply.apology}")
        print(f"as a dictionary: {report.reply.to_dict()}")
        if model is not None:
            print("(the model is tiny: it keeps to the types, do not expect it to be right)")
        print(f"a Dana function called from Python: between(1, 9, 5) = {d.call('between', 1, 9, 5)}")

        used = result.usage
        print()
        seconds, failed = result.execution_time, used.failed_attempts
        print(f"{used.model_calls} questions in {seconds:.1f} s, {failed} failed tries")
        print(f"{used.tokens} tokens: {used.input_tokens} in, {used.output_tokens} out")
        print(f"{used.steps} steps, at most {used.memory_peak} bytes")
        print()
        print(f"isolated: {d.is_subprocess_isolated}")
        print(d.isolation)


if __name__ == "__main__":
    try:
        main()
    except DanaError as error:
        sys.exit(f"quickstart failed: {error}")
