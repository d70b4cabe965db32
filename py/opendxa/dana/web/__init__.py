"""What the adapters for web frameworks have in common; nothing here imports a framework.

`problems` says which error is which answer, `service` what an application's sessions are opened with,
`events` what a stream looks like, `health` what monitoring reads.
"""
