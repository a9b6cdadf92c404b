"""Tests run in several workers at once: whatever is numbered must be each worker's own."""

from __future__ import annotations

import os

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""The number of this worker, from 0."""
