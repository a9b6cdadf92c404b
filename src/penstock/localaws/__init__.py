"""The embedded AWS: ministack in a process of its own, extended in-process by the modules of this package.

It is met only as a URL. Start it with ``python -m penstock.localaws --port 4747 --state DIR``.
"""
