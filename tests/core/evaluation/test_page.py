"""The report of an evaluation as a page."""

from __future__ import annotations

import html.parser
import http.server
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rowsmith.evaluation import (
    Direction,
    Evaluated,
    EvaluationKind,
    EvaluationReport,
    EvaluationResult,
    EvaluationStatus,
    EvaluationTables,
    Finding,
    Measure,
    evaluation_tables,
)
from rowsmith.evaluation.page import render_page, write_page
from rowsmith.table.frames import from_frame

MARKUP = "</title><script>alert(1)</script><img src=x onerror=alert(2)>"


def _tables(rows: int = 300, **columns: object) -> EvaluationTables:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": random.normal(50, 9, rows).round(1),
            "count": random.poisson(3, rows),
            "kind": random.choice(["a", "b", MARKUP], rows),
            **columns,
        }
    )
    table = from_frame(frame)
    return evaluation_tables(table, table.take(random.permutation(rows)))


def _report(message: str = "column 'size': the tails are cut") -> EvaluationReport:
    measure = Measure(name="tails", value=0.97, ceiling=0.99, interval=(0.96, 0.98), sizes={"real": 300})
    finding = Finding(defect="tails-cut", message=message, columns=("size",))
    done = EvaluationResult(
        name="tails",
        kind=EvaluationKind.FIDELITY,
        status=EvaluationStatus.DONE,
        evaluated=Evaluated(measures=(measure,), findings=(finding,)),
    )
    failed = EvaluationResult(
        name="copies", kind=EvaluationKind.PRIVACY, status=EvaluationStatus.FAILED, message=f"ValueError: {MARKUP}"
    )
    return EvaluationReport(results=(done, failed))


class _Elements(html.parser.HTMLParser):
    """The elements of a page, their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_markup_in_names_labels_and_messages_is_text() -> None:
    tables = _tables(**{MARKUP: np.arange(300) % 7})
    page = _Elements(render_page(_report(MARKUP), tables, {"title": MARKUP, "verdict": [MARKUP], MARKUP: MARKUP}))
    assert not {"script", "img", "iframe", "object"} & set(page.names)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    # Title, heading, verdict, finding, failure, fact and its name, column, label, pair.
    assert page.text.count(MARKUP) >= 9


def test_the_page_refers_to_nothing_outside() -> None:
    page = _Elements(render_page(_report(), _tables(), {}))
    links = [value for name, value in page.attributes if name in ("href", "src", "action", "data", "srcset")]
    assert links
    assert all(link.startswith(("#", "data:")) for link in links)


def test_the_verdict_is_at_the_top_and_failures_are_named() -> None:
    text = _Elements(render_page(_report(), _tables(), {"verdict": ["Columns 0.99 beside 0.995"]})).text
    assert (
        text.index("1 defect beyond the threshold")
        < text.index("Columns 0.99 beside 0.995")
        < text.index("largest first")
    )
    assert "column 'size': the tails are cut" in text
    assert re.search(r"copies: failed: ValueError", text)


def test_labels_of_few_rows_are_not_shown() -> None:
    rare = np.array(["common"] * 296 + ["secret"] * 4, dtype=object)
    page = render_page(EvaluationReport(results=()), _tables(rare=rare), {})
    assert "common" in page
    assert "secret" not in page


def test_the_ends_of_an_axis_are_not_the_values_of_few_rows() -> None:
    far = np.concatenate([np.linspace(1, 2, 296), [987654.25] * 4])
    page = render_page(EvaluationReport(results=()), _tables(far=far), {})
    assert "987" not in _Elements(page).text


def test_what_one_group_has_in_many_rows_is_not_shown() -> None:
    random = np.random.default_rng(2)
    people = np.repeat(np.arange(40), 10)
    one = people == 7
    frame = pd.DataFrame(
        {
            "person": people,
            "ward": np.where(one, "secret-ward", random.choice(["a", "b"], 400)),
            "dose": np.where(one, 987654.25, random.normal(5, 1, 400)).round(2),
            "day": np.where(one, "1911-03-04", "2021-05-06"),
        }
    )
    table = from_frame(frame)
    tables = evaluation_tables(table, table, group_by=["person"])
    text = _Elements(render_page(EvaluationReport(results=()), tables, {})).text
    assert not [secret for secret in ("secret-ward", "987", "1911") if secret in text]


def test_a_measure_whose_best_value_is_in_the_middle_has_a_full_bar_there() -> None:
    measure = Measure(name="classifier", value=0.5, ceiling=0.75, direction=Direction.LOWER, best=0.5)
    result = EvaluationResult(
        name="classifier",
        kind=EvaluationKind.UTILITY,
        status=EvaluationStatus.DONE,
        evaluated=Evaluated(measures=(measure,)),
    )
    page = render_page(EvaluationReport(results=(result,)), _tables(), {})
    assert 'style="width: 100.0%"></i><b style="left: 50.0%">' in page
    assert "0.5 is best" in page


def test_each_synthetic_group_is_a_line_of_its_own() -> None:
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"person": np.repeat(np.arange(40), 8), "level": random.normal(0, 1, 320).round(2)})
    table = from_frame(frame)
    page = render_page(EvaluationReport(results=()), evaluation_tables(table, table, group_by=["person"]), {})
    assert page.count('stroke-opacity=".8"') == 5


def test_a_wide_table_gives_a_page_under_three_megabytes(tmp_path: Path) -> None:
    wide = {f"c{number}": np.random.default_rng(number).integers(0, 50, 300) for number in range(200)}
    path = tmp_path / "report.html"
    write_page(_report(), _tables(**wide), {}, path)
    assert path.stat().st_size < 3_000_000
    assert "143 further columns are not drawn" in path.read_text(encoding="utf-8")


@pytest.fixture
def requests() -> Iterator[tuple[int, list[str]]]:
    """A proxy that serves nothing and notes what was asked for: its port, and the requests."""
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_error(404)

        do_CONNECT = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Keep the output of the tests clean."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1], seen
    server.shutdown()
    server.server_close()
    thread.join()


def _browse(page: Path, folder: Path, proxy: int) -> tuple[str, str]:
    """Load a page in a browser that reaches the network through a proxy alone: the elements in the end, and its log."""
    browser = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}"]
    logged = ["--enable-logging=stderr", "--v=0", f"--proxy-server=127.0.0.1:{proxy}", "--virtual-time-budget=2000"]
    command = [*browser, *logged, "--dump-dom", page.as_uri()]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return found.stdout, found.stderr


def test_a_dark_screen_does_not_decide_what_is_printed() -> None:
    """All colours are set again for paper, and bars, which are backgrounds, are printed."""
    page = render_page(_report(), _tables(), {"title": "A table"})
    style = page.partition("<style")[2].partition("</style>")[0]
    dark = style.partition("prefers-color-scheme: dark")[2].partition("} }")[0]
    printed = style.partition("@media print")[2]
    colours = re.findall(r"--\w+(?=:)", dark)
    assert len(colours) > 5
    assert set(colours) <= set(re.findall(r"--\w+(?=:)", printed))
    assert re.search(r"\.bar, .*\.meter i, .*print-color-adjust: exact", printed)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the browser Chromium")
def test_a_browser_shows_the_page_without_errors_and_without_requests(
    tmp_path: Path, requests: tuple[int, list[str]]
) -> None:
    proxy, seen = requests
    path = tmp_path / "report.html"
    write_page(_report(MARKUP), _tables(**{MARKUP: np.arange(300) % 7}), {"title": "A table"}, path)
    shown, log = _browse(path, tmp_path / "profile", proxy)
    assert "<h1>A table</h1>" in shown
    assert "<script" not in shown
    assert "CONSOLE" not in log
    # The browser also asks hosts of its maker, whatever the page.
    assert [url for url in seen if "google" not in url and "gvt1" not in url] == []

    other = tmp_path / "other.html"
    other.write_text("<img src='http://elsewhere.test/x.png'><script>console.error('here')</script>", encoding="utf-8")
    _, log = _browse(other, tmp_path / "profile", proxy)
    assert "CONSOLE" in log
    assert "http://elsewhere.test/x.png" in seen
