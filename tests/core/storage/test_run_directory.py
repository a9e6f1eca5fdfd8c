import json
import os
import signal
import stat
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.errors import RunDirectoryError
from rowsmith.storage.run_directory import RunDirectory

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX modes and signals")

HOLD = """
import sys, time
from rowsmith.storage.run_directory import RunDirectory
directory = RunDirectory(sys.argv[1])
with directory.lock():
    with directory.writing("result.csv") as partial:
        partial.write_text("half a ro")
        print("ready", flush=True)
        time.sleep(60)
"""


@pytest.fixture
def directory(tmp_path):
    return RunDirectory(tmp_path / "runs" / "one")


@pytest.fixture
def holder(directory, root):
    """Another process that holds the directory and is in the middle of writing a file."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory.root)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root / "core")},
    )
    assert process.stdout.readline() == b"ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def files(directory):
    return sorted(path.name for path in directory.root.iterdir() if path.name != ".lock")


def test_making_the_object_touches_nothing(directory):
    assert not directory.root.exists()
    assert not directory.root.parent.exists()


@posix
def test_everything_is_private(directory):
    old = os.umask(0)
    try:
        directory.write_text("bundle/deep/notes.txt", "x")
        with directory.writing("table.csv") as partial:
            partial.unlink()
            partial.write_text("a\n")
        with directory.lock():
            assert mode(directory.root / ".lock") == 0o600
    finally:
        os.umask(old)
    assert mode(directory.root) == mode(directory.root / "bundle") == mode(directory.root / "bundle/deep") == 0o700
    assert mode(directory.path("bundle/deep/notes.txt")) == mode(directory.path("table.csv")) == 0o600


@posix
def test_a_directory_that_exists_keeps_its_mode(tmp_path):
    tmp_path.chmod(0o755)
    RunDirectory(tmp_path).create().write_text("x", "y")
    assert mode(tmp_path) == 0o755
    assert RunDirectory(tmp_path).access_warning() is None


@posix
@pytest.mark.parametrize("others", [0o777, 0o770, 0o722])
def test_a_directory_that_others_may_write_to_is_told(tmp_path, others):
    tmp_path.chmod(others)
    assert f"mode {others:04o}" in RunDirectory(tmp_path).access_warning()
    assert f"chmod 700 {tmp_path}" in RunDirectory(tmp_path).access_warning()


@posix
def test_folders_above_a_new_directory_are_private_as_well(tmp_path):
    old = os.umask(0)
    try:
        RunDirectory(tmp_path / "runs" / "first").create()
    finally:
        os.umask(old)
    assert mode(tmp_path / "runs") == mode(tmp_path / "runs" / "first") == 0o700


def test_content_comes_back(directory):
    directory.write_bytes("a.bin", b"\x00\r\n")
    directory.write_json("a.json", {"é": [1, None]})
    assert directory.path("a.bin").read_bytes() == b"\x00\r\n"
    assert directory.read_json("a.json") == {"é": [1, None]}
    assert directory.path("a.json").read_bytes().endswith(b"}\n")
    assert directory.exists("a.json")
    assert not directory.exists("b.json")


def test_json_that_no_parser_reads_is_not_written(directory):
    with pytest.raises(ValueError, match="not JSON compliant"):
        directory.write_json("a.json", float("nan"))
    assert not directory.exists("a.json")


def test_what_cannot_be_read_says_so(directory):
    with pytest.raises(RunDirectoryError, match=r"Cannot read .*plan.json: No such file"):
        directory.read_json("plan.json")
    directory.write_text("plan.json", "{")
    with pytest.raises(RunDirectoryError, match=r"plan.json is damaged: .* Start the run again"):
        directory.read_json("plan.json")


def test_an_error_while_writing_leaves_the_old_file(directory):
    directory.write_text("out.csv", "old")
    with pytest.raises(KeyError), directory.writing("out.csv") as partial:
        partial.write_text("ne")
        raise KeyError
    assert directory.read_text("out.csv") == "old"
    assert files(directory) == ["out.csv"]


def test_readers_see_the_old_file_until_the_new_one_is_whole(directory):
    directory.write_text("out.csv", "old")
    with directory.writing("out.csv") as partial:
        partial.write_text("new")
        assert partial.name.endswith("out.csv")
        assert partial.parent == directory.root
        assert directory.read_text("out.csv") == "old"
    assert directory.read_text("out.csv") == "new"


@posix
def test_a_process_killed_while_writing_leaves_the_old_file_and_no_lock(directory, holder):
    directory.write_text("result.csv", "whole")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert directory.read_text("result.csv") == "whole"
    assert json.loads((directory.root / ".lock").read_text())["pid"] == holder.pid
    with directory.lock():
        assert files(directory) == ["result.csv"]


def test_a_directory_in_use_names_its_user(directory, holder):
    with pytest.raises(RunDirectoryError) as caught, directory.lock():
        pass
    assert str(caught.value).startswith(f"{directory.root} is in use by process {holder.pid} on ")
    assert str(caught.value).endswith("Wait for it to end, or choose another run directory.")


def test_a_lock_is_exclusive_within_a_process_and_can_be_taken_again(directory):
    outcomes = []

    def attempt():
        try:
            with directory.lock():
                outcomes.append("held")
        except RunDirectoryError:
            outcomes.append("refused")

    with directory.lock():
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
    attempt()
    assert outcomes == ["refused", "held"]


def test_an_error_inside_releases_the_lock(directory):
    with pytest.raises(KeyError), directory.lock():
        raise KeyError
    with directory.lock():
        pass


def test_a_lock_that_another_machine_left_is_refused(directory):
    directory.create()
    (directory.root / ".lock").write_text('{"pid": 12, "host": "elsewhere"}')
    with pytest.raises(RunDirectoryError, match=r"was left locked by process 12 on elsewhere. If that process is gone"):
        directory.lock().__enter__()


@pytest.mark.parametrize("content", ["", "x", "[1]", "\x00", '{"pid":'])
def test_a_damaged_lock_file_is_taken_over(directory, content):
    directory.create()
    (directory.root / ".lock").write_text(content)
    with directory.lock():
        assert json.loads((directory.root / ".lock").read_text())["pid"] == os.getpid()


UNSAFE = [
    "",
    ".",
    "..",
    "../x",
    "/etc/passwd",
    "a//b",
    "a/../b",
    "a/",
    "/",
    ".lock",
    "a\\b",
    "a b",
    "a\x00",
    "C:x",
    "é",
]


@pytest.mark.parametrize("name", [*UNSAFE, "a" * 300, "a."])
def test_unsafe_names_are_refused(directory, name):
    with pytest.raises(RunDirectoryError, match="is not a safe file name"):
        directory.path(name)


@given(st.text(max_size=20))
def test_no_name_leads_out(tmp_path_factory, name):
    directory = RunDirectory(tmp_path_factory.getbasetemp() / "somewhere")
    try:
        path = directory.path(name)
    except RunDirectoryError:
        return
    assert path.resolve().is_relative_to(directory.root.resolve())
    assert path != directory.root


@posix
def test_links_that_lead_out_are_refused(directory, tmp_path):
    directory.create()
    (directory.root / "bundle").symlink_to(tmp_path)
    with pytest.raises(RunDirectoryError, match="leads out of the run directory"):
        directory.write_text("bundle/x", "y")
    assert not (tmp_path / "x").exists()


def test_a_file_in_the_way_is_reported(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(RunDirectoryError, match=r"is a file. Choose another run directory."):
        RunDirectory(tmp_path / "taken").create()
    with pytest.raises(RunDirectoryError, match="Cannot create"):
        RunDirectory(tmp_path / "taken" / "below").create()
