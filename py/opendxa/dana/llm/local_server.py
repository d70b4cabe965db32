"""The program that serves the local model, run as a process of its own.

Rule: it reads one line of JSON from standard input, answers with one line of JSON once the model is served,
and ends when standard input ends, which happens whenever the process that started it ends. It imports nothing
of this package.
"""

import json
import os
import sys
from typing import Any


def main() -> None:
    """Serve one model until standard input ends."""
    config = json.loads(sys.stdin.buffer.readline())
    sys.path[:] = config["path"]
    from importlib import import_module  # noqa: PLC0415 - where it is has just been told

    xllamacpp: Any = import_module("xllamacpp")

    parameters = xllamacpp.CommonParams()
    parameters.model.path = config["model"]
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = config["port"]
    parameters.api_keys = [config["key"]]
    parameters.n_ctx = config["context"]
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    parameters.n_parallel = 1
    server = xllamacpp.Server(parameters)
    print(json.dumps({"address": server.listening_address}), flush=True)  # noqa: T201 - the answer
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # from here on the server would log what it is asked
    sys.stdin.buffer.read()
    os._exit(0)  # the server's threads hold nothing worth saving


if __name__ == "__main__":
    main()
