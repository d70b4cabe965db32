"""What sessions, calls and values cost, as a Python caller sees it, beside the raw limits and the peers.

`run.py` beside this package runs it. One idea per file:

- `sample`: taking turns, and what was measured
- `rows`: what is measured, and the targets
- `stage`: what is there to measure: C programs for the raw limits, peers, sizes
- `placement`: the cores on which the two ends of a pipe run
- `raw`, `tasks`: the other ends of the raw limits and of Python's process pools
- `calls`, `busy`, `sessions`, `requests`, `memory`, `kills`, `payloads`, `imports`, `levels`, `sweeps`: the
  measures; each measures one thing for all contestants, side by side
- `machine`, `table`, `plots`, `report`: what is told of it

Rule: every answer is checked. A benchmark that does not look at its answers measures nothing.
"""
