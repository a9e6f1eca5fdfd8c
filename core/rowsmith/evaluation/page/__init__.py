"""The report of an evaluation as one HTML page that needs no network and runs no code."""

from __future__ import annotations

from rowsmith.evaluation.page.writing import PAGE_FILE, render_page, write_page

__all__ = ["PAGE_FILE", "render_page", "write_page"]
