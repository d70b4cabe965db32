"""Prepared programs that mean harm, for the page's panel and for the tests.

Rule: each says what it tries, and by which error it is to be stopped; an empty `stopped_by` means that it
runs to its end and gets nowhere, which its result shows. These are attacks in the language. What a program
could do that has already broken the interpreter is what `dana-bridge attack` tries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["ATTACKS", "Attack"]


@dataclass(frozen=True)
class Attack:
    """One program."""

    name: str
    title: str
    #: What it tries, in a sentence.
    tries: str
    code: str
    #: The error that stops it, by the name of its class or, for one of the program's own, of its kind.
    stopped_by: str


ATTACKS: Final = (
    Attack(
        "read-file",
        "Read a file",
        "Asks Python's os module, which every Python sandbox has to hide, for the password file.",
        'import os.py\n\nos.popen("cat /etc/passwd").read()\n',
        "SandboxError",
    ),
    Attack(
        "endless-loop",
        "Endless loop",
        "Never ends, and catches every error on the way.",
        "while true:\n    try:\n        while true:\n            pass\n    except as e:\n        pass\n",
        "DeadlineExceededError",
    ),
    Attack(
        "memory-bomb",
        "Memory bomb",
        "Doubles a list until the machine has no memory left.",
        'everything = ["boom"]\nwhile true:\n    everything = everything + everything\n',
        "MemoryLimitError",
    ),
    Attack(
        "deep-recursion",
        "Endless recursion",
        "Calls itself until the stack of its process overflows.",
        "def fall(depth):\n    return fall(depth + 1)\n\nfall(0)\n",
        "DepthLimitError",
    ),
    Attack(
        "parser-stack",
        "Overflow the parser's stack",
        "A text nested so deeply that a recursive parser would crash its own worker.",
        "[" * 5000 + "\n",
        "ParseError",
    ),
    Attack(
        "value-stack",
        "Overflow the printer's stack",
        "A list in a list, a hundred thousand times: whoever walks it by recursion crashes.",
        "nest = []\nfor i in range(100000):\n    nest = [nest]\nprint(nest)\n",
        "RecursionError",
    ),
    Attack(
        "output-flood",
        "Output flood",
        "Prints for ever, to fill the log or the browser.",
        'while true:\n    print("spam " * 200)\n',
        "OutputLimitError",
    ),
    Attack(
        "ask-flood",
        "Question flood",
        "Asks the model for ever, to run up the bill.",
        """\
bill = 0
while true:
    if reason("Shall I go on?"):
        bill += 1
    else:
        bill += 2
""",
        "AskLimitError",
    ),
    Attack(
        "class-climbing",
        "Climb from a text to the interpreter",
        "The classic way out of Python sandboxes: from any value to all classes, and from these to os.",
        '"".__class__.__mro__[1].__subclasses__()\n',
        "AttributeError",
    ),
    Attack(
        "huge-integer",
        "Huge integer",
        "One line of arithmetic that no machine finishes.",
        "9 ** 9 ** 9 ** 9\n",
        "OverflowError",
    ),
    Attack(
        "every-door",
        "Fork, network, shell: every door",
        "Tries whatever the language has that leads outside, and lists what opened.",
        """\
opened = []

def knock(name, door):
    try:
        door()
        opened.append(name)
        print(f"OPEN     {name}")
    except as e:
        print(f"refused  {name}: {e.message}")

def fork():
    import os.py
    os.fork()

def network():
    import socket.py
    socket.create_connection(("127.0.0.1", 80))

def process():
    import subprocess.py as sub
    sub.run("id")

def memory():
    import ctypes.py
    ctypes.string_at(0)

def module():
    import secrets

def upwards():
    from ..app import create_app

knock("fork", fork)
knock("network", network)
knock("start a program", process)
knock("read raw memory", memory)
knock("a module beside the program", module)
knock("a module of the service", upwards)
knock("open a file", lambda :: open("/proc/self/mem"))
knock("evaluate Python", lambda :: eval("__import__('os').fork()"))
knock("run Python", lambda :: exec("import os"))
knock("a shell of the host", lambda :: use("shell"))
knock("a tool server of the host", lambda :: use("mcp", "http://127.0.0.1:9"))
knock("globals", lambda :: knock.__globals__)
knock("built-ins", lambda :: __builtins__)
knock("environment", lambda :: system:environ)

opened
""",
        "",
    ),
)
