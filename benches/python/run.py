"""Sessions, calls and values beside raw limits and peers, in one run.

Prints the tables; with --write also docs/PERFORMANCE.md and the plots in docs/performance. How each figure is
measured stands in that page; the code is the package `speed` beside this file.

Usage: python benches/python/run.py [--quick] [--write] [--only ROW ...] [--json FILE] [--plots FOLDER]
"""

from __future__ import annotations


def main() -> None:
    from speed.main import main  # noqa: PLC0415 - the processes of ProcessPoolExecutor import this file

    main()


if __name__ == "__main__":
    main()
