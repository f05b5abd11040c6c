"""Against what really runs: `inspect --safety` ends with status 2 for every file that makes a loader run something, and
never for an honest one. Every hostile file is really loaded, in a sandbox, by the loaders that may take it; what does
not run there is told, and not counted."""

import atexit
import concurrent.futures
import contextlib
import json
import os
import pathlib
import queue
import tempfile

import safety_honest
import safety_hostile
import safety_hostile_files
import safety_hostile_readers
from safety_sandbox import Sandbox
from support import check, tools, unsafe

NEEDS = ["torch", "numpy"]

STRICT = "torch.load(weights_only=True)"
AT_LEAST_HOSTILE, AT_LEAST_HONEST = 60, 100

_place = tempfile.TemporaryDirectory(prefix="belle-interop-")
PLACE = pathlib.Path(_place.name)
_sandboxes = queue.SimpleQueue()
_open = contextlib.ExitStack()
atexit.register(_open.close)
for _ in range(os.cpu_count() or 1):
    _sandboxes.put(_open.enter_context(Sandbox()))
totals = {"ran": 0, "let through": 0, "not run": 0, "honest": 0, "accused": 0}


def loaders(path, there):
    """Who may take a file, the strictest first."""
    data = path.read_bytes()
    found = [STRICT, "torch.load"]
    if not data.startswith(b"PK"):
        found += ["torch.load, again and again", "pickle.load", "Python's unpickler"]
    if b"PK\5\6" in data:
        found += ["torch.load(mmap=True)", "torch.jit.load", "zip members", "numpy.load"]
    if b"\x93NUMPY" in data:
        found += ["numpy.load", "numpy.load, again and again"]
    return [one for one in [*found, "joblib.load"] if one in there]


def load(path):
    """The loader by which something of a file, or of a folder's files, was run; and what torch.load says otherwise."""
    sandbox = _sandboxes.get()
    try:
        files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
        if path.is_dir():  # What a link leads to is a file of the folder, too.
            files += [one for link in path.iterdir() if link.is_symlink() for one in link.rglob("*") if one.is_file()]
        said = ""
        for file in files:
            answer = sandbox.load(loaders(file, sandbox.loaders), file)
            if answer["by"]:
                return answer["by"], ""
            said = json.loads(answer["said"].get("torch.load", '""'))
        return None, said
    finally:
        _sandboxes.put(sandbox)


def write(path, content):
    """Writes a file, or a folder: path → bytes, or where a link leads."""
    if isinstance(content, bytes):
        path.write_bytes(content)
        return
    path.mkdir()
    for name, part in content.items():
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(part, tuple):
            place.symlink_to(part[1])
        else:
            place.write_bytes(part)


def verdict(path):
    done = tools("inspect", "--safety", "--quiet", path, status=None)
    return done.returncode, (done.stdout + done.stderr).strip()


def tried(number, name, content):
    """Loads an evasion and asks for its verdict: its name, what ran it, the exit status, what torch.load says."""
    place = PLACE / f"hostile-{number}"
    place.mkdir()
    path = place / ("folder" if isinstance(content, dict) else "a.pt")
    write(path, content)
    ran, said = load(path)
    status, _ = verdict(path)
    return name, ran, status, said


_pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1)


def hostile(title, make):
    @check(f"hostile, {title}: what runs is never called harmless")
    def of_kind():
        evasions = make()
        base = totals["ran"] + totals["not run"]
        jobs = [_pool.submit(tried, base + number, *item) for number, item in enumerate(evasions.items())]
        results = [job.result() for job in jobs]
        ran = [result for result in results if result[1]]
        missed = [f"{name} ({loader}; exit {status})" for name, loader, status, _ in ran if status != 2]
        idle = [f"{name} (exit {status}; {said[:60]})" for name, loader, status, said in results if not loader]
        totals["ran"] += len(ran)
        totals["let through"] += len(missed)
        totals["not run"] += len(idle)
        assert not missed, f"{len(missed)} of {len(ran)} that run are let through: {'; '.join(missed)}"
        strict = sum(result[1] == STRICT for result in ran)
        return (
            f"{len(ran)} run"
            + (f", {strict} under weights_only=True" if strict else "")
            + (f"; not run: {'; '.join(idle)}" if idle else "")
        )


for _title, _make in (safety_hostile.KINDS | safety_hostile_files.KINDS | safety_hostile_readers.KINDS).items():
    hostile(_title, _make)


@check("hostile, every value before every opcode that uses one: what is called harmless runs nothing")
def uses():
    place = PLACE / "uses"
    place.mkdir()
    safety_hostile.uses(place)
    passed = sorted(set(place.iterdir()) - unsafe(place))
    results = list(_pool.map(load, passed))
    missed = [f"{path.name} ({ran})" for path, (ran, _) in zip(passed, results) if ran]
    assert not missed, f"{len(missed)}: {'; '.join(missed)}"
    return f"{len(list(place.iterdir()))} files, {len(passed)} of them called harmless"


def honest(title, make):
    @check(f"honest, {title}: never accused")
    def of_kind():
        place = PLACE / f"honest-{title.replace(' ', '-')}"
        place.mkdir()
        paths = make(place)

        def asked(path):
            return path, *verdict(path)

        accused = [
            f"{path.relative_to(place) if path.is_relative_to(place) else path.name} ({said.splitlines()[-1][:160]})"
            for path, status, said in _pool.map(asked, paths)
            if status not in (0, 1)
        ]
        totals["honest"] += len(paths)
        totals["accused"] += len(accused)
        assert not accused, f"{len(accused)} of {len(paths)}: {'; '.join(accused)}"
        return f"{len(paths)} files"


for _title, _make in safety_honest.KINDS.items():
    honest(_title, _make)


@check("together: enough of both, none let through, none accused")
def together():
    summary = (
        f"evasions that ran: {totals['ran']}, of these called harmless: {totals['let through']}; that did not run: "
        f"{totals['not run']}; honest: {totals['honest']}, called hostile: {totals['accused']}"
    )
    assert totals["ran"] >= AT_LEAST_HOSTILE and totals["honest"] >= AT_LEAST_HONEST, summary
    assert not totals["let through"] and not totals["accused"], summary
    return summary
