"""What the topics share: the checks of a file, the program under test, folders that vanish. Run by run.py with a topic's
path; prints one JSON line for each check.

A topic is a file with NEEDS (the packages it imports) and functions marked @check("what holds"). A check that returns
has passed, and a text that it returns is told; AssertionError is a failure, Skip says why something could not be tried.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

PROJECT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = os.environ.get("BELLE_TOOLS", str(PROJECT / ".build/release/belle-tools"))
CHECKPOINTS = PROJECT / "Tests/Fixtures/checkpoints"

_checks = []


class Skip(Exception):
    """Something that this check needs is not here."""


def check(what):
    """Marks a function as a check."""

    def add(function):
        _checks.append((what, function))
        return function

    return add


def tools(*arguments, status=0):
    """Runs belle-tools and returns what it printed.

    status: the exit status that is expected; None for any, and then the whole result is returned.
    """
    done = subprocess.run([TOOLS, *map(str, arguments)], capture_output=True, text=True, timeout=600)
    if status is None:
        return done
    assert done.returncode == status, f"belle-tools {' '.join(map(str, arguments))}: {done.returncode}: {done.stderr}"
    return done.stdout


def unsafe(folder):
    """The files of a folder that `inspect --safety` says not to load."""
    said = map(json.loads, tools("inspect", "--safety", "--json", folder, status=None).stdout.splitlines())
    return {pathlib.Path(line["file"]) for line in said if line["type"] == "file" and not line["safe"]}


def tensors(path, *options):
    """The tensors of a checkpoint as belle-tools reads them: name → (dtype, shape, SHA-256 of the values)."""
    lines = [json.loads(line) for line in tools("inspect", path, "--stats", "--json", *options).splitlines()]
    return {
        line["name"]: (line["dtype"], tuple(line["shape"]), line["sha256"]) for line in lines if line["type"] == "tensor"
    }


def entry(dtype, shape, values):
    """A tensor as tensors() has it, from its bytes: contiguous, row-major, little-endian."""
    return dtype, tuple(shape), hashlib.sha256(values).hexdigest()


def assert_equal(found, expected, what=""):
    """Says which tensors differ, not all of them."""
    if found == expected:
        return
    lines = [f"{name}: missing" for name in expected.keys() - found.keys()]
    lines += [f"{name}: not expected" for name in found.keys() - expected.keys()]
    lines += [f"{name}: {found[name]}, expected {expected[name]}" for name in expected.keys() & found.keys()
              if found[name] != expected[name]]
    raise AssertionError(f"{what}: " * bool(what) + "; ".join(sorted(lines)[:5]))


@contextlib.contextmanager
def folder():
    """A folder that vanishes."""
    with tempfile.TemporaryDirectory(prefix="belle-interop-") as path:
        yield pathlib.Path(path)


def run(path):
    # Some packages talk on stdout, which is for results here.
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    specification = importlib.util.spec_from_file_location(pathlib.Path(path).stem, path)
    topic = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(topic)
    for what, function in _checks:
        status, why = "passed", ""
        try:
            why = function() or ""
        except Skip as reason:
            status, why = "skipped", str(reason)
        except AssertionError as reason:
            status, why = "failed", str(reason) or traceback.format_exc().splitlines()[-3].strip()
        except Exception:  # A peer that fails is a failure like any other; the next check is of interest all the same.
            status, why = "failed", traceback.format_exc().splitlines()[-1]
            traceback.print_exc()
        print(json.dumps({"status": status, "what": what, "why": why}), file=results, flush=True)


if __name__ == "__main__":
    # Topics import this file by its name, and must get this very module.
    sys.modules["support"] = sys.modules["__main__"]
    run(sys.argv[1])
