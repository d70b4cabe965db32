"""Start the service: ``python examples/trip_planner``."""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn


def main() -> None:
    parser = argparse.ArgumentParser(description="Plan trips in isolated processes, on this machine.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (8000)")
    parser.add_argument("--workers", type=int, default=1, help="processes of the server (1)")
    wanted = parser.parse_args()
    here = Path(__file__).resolve().parent
    uvicorn.run(
        f"{here.name}.app:app",
        app_dir=str(here.parent),
        host=wanted.host,
        port=wanted.port,
        workers=wanted.workers,
        access_log=False,
        timeout_graceful_shutdown=5,  # a plan in the making may take minutes
    )


if __name__ == "__main__":
    main()
