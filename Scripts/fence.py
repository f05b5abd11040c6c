#!/usr/bin/env python3
"""Holds one binary against another: the fence around a change that is to change nothing.

Runs two binaries over every verb and every form of a model, and compares exit status, stdout, stderr and every byte of
every file they leave behind. Models are made here (fence/models.py), other forms of them by OLD, so that both get the
same; both run in the same folder, one after the other. The cases stand in fence/cases.txt, a command line each, which is
also the case's name. What varies from run to run is masked: MASKS says what and why.

Prints a line for each case that differs and what of it, and a summary; exit status 1 where one differs.
Python's standard library is enough.
"""

import argparse
import collections
import concurrent.futures
import difflib
import fnmatch
import hashlib
import itertools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent / "fence"
sys.path.insert(0, str(HERE))
import models  # noqa: E402
import parts  # noqa: E402

TIMEOUT = 120
# The verbs, and how each is told its number of threads: by the name that older binaries know too, as in cases.txt.
VERBS = {
    "decrypt": "--jobs", "encrypt": "--jobs", "verify": "--jobs", "inspect": "--jobs", "compare": "--jobs", "releases": "",
    "hash": "--threads", "convert": "", "merge": "", "extend": "", "quantize": "--threads", "evaluate": "--threads", "generate": "--threads",
    "doctor": "--threads", "report": "", "models": "",
}
NUMBER = r"-?[0-9][0-9.]*(?:[eE][-+]?[0-9]+)?"
SIZE = r"[0-9.]+ (?:B|[kMGT]B)"
TIME = r"(?:[0-9]+ h )?(?:[0-9]+ min )?[0-9.]+ s"

# What varies though nothing has changed: where (a stream, or a pattern of file names), what, what stands in its place,
# and why it varies. Only the number goes, so that a changed wording is seen.
Mask = collections.namedtuple("Mask", "where pattern replacement reason")
MASKS = [
    Mask("stdout", rf'("(?:prompt_)?seconds":){NUMBER}', r"\1#", "time of the clock in JSON"),
    Mask("stdout", rf'("(?:tokens|flops|sgemm_flops)_per_second":){NUMBER}', r"\1#", "speed in JSON"),
    Mask("stdout", rf'("peak_memory_bytes":){NUMBER}', r"\1#", "memory in JSON: threads and allocator decide"),
    Mask("stdout", r"^(\S+  (?:gptq|rtn).*  )[0-9.]+ s$", r"\1# s", "quantize: time of a module"),
    Mask("stdout", rf"^([0-9]+ modules in ){TIME}:", r"\1# s:", "quantize: time of the run"),
    Mask("stdout", rf"(, at most ){SIZE}( of memory: )", r"\1#\2", "quantize: memory that was used"),
    Mask("stderr", rf"^(note: .*; {SIZE} in )[0-9.]+ s(?:, {SIZE}/s)?$", r"\1# s", "decrypt: time and speed"),
    Mask("stderr", rf"(, about ){TIME}(, {SIZE} of memory)", r"\1# s\2", "quantize: time foretold from measured speed"),
    Mask("stderr", r"^(note: )[0-9.]+ s, [0-9.]+( tokens a second)$", r"\1# s, #\2", "evaluate: time and speed"),
    Mask("stderr", r"^note: [0-9]+% done, about [0-9]+ seconds left\n", "", "a line each half minute"),
    Mask("stderr", r"( (?:read|written) in )[0-9.]+ s", r"\1# s", "generate: times"),
    Mask("stderr", r"( s: )[0-9.]+( a second)$", r"\1#\2", "generate: speed"),
]
# The same where OLD and NEW are given different numbers of threads.
THREAD_MASKS = [
    Mask("stderr", rf"{SIZE}( of memory(?:,| are needed))", r"#\1", "quantize: each thread has buffers of its own"),
]


def shell(count):
    """What precedes a case: each verb is a function that runs the binary, with so many threads, and notes its status."""
    lines = ['run() { "$TOOL" "$@"; s=$?; echo $s >>"$STATUSES"; return $s; }']
    for verb, option in VERBS.items():
        more = f"{option} {count}" if count and option else ""
        chosen = f'case " $* " in *" {option} "*|*help*) run {verb} "$@";; *) run {verb} "$@" {more};; esac'
        lines.append(f"{verb}() {{ {chosen}; }}")
    return "\n".join(lines) + "\n"


def execute(binary, threads, command, folder, work):
    """Runs a case in the folder of the inputs, its outputs going to `work`: statuses, stdout, stderr."""
    work.mkdir(parents=True, exist_ok=True)
    statuses = work.with_name(work.name + ".status")
    statuses.unlink(missing_ok=True)
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(work), "LC_ALL": "C.UTF-8", "TZ": "UTC",
        "COLUMNS": "80", "SWIFT_BACKTRACE": "enable=no", "TOOL": binary, "STATUSES": str(statuses),
        "OUT": os.path.relpath(work, folder),
    }
    environment |= {name: value for name, value in os.environ.items() if name.startswith(("LD_", "BELLE_ONEDNN", "OPENBLAS_"))}
    process = subprocess.Popen(
        ["sh", "-c", shell(threads) + command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        out, err = process.communicate(timeout=TIMEOUT)
        end = [str(process.returncode)]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        end = [f"longer than {TIMEOUT} s"]
    # The shell's own comes last: it differs where a pipe or a test has the last word.
    status = (statuses.read_text().split() if statuses.exists() else []) + end
    statuses.unlink(missing_ok=True)
    return status, out, err


def tree(folder):
    """What is in a folder: paths, and of each what is to be the same."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        else:
            found[name] = ("folder" if path.is_dir() else "file", oct(path.stat().st_mode & 0o7777))
    return found


def masked(data, where):
    """A text with everything masked that varies in such a place."""
    text = data.decode("utf-8", "surrogateescape")
    for mask in MASKS:
        if fnmatch.fnmatch(where, mask.where):
            text = re.sub(mask.pattern, mask.replacement, text, flags=re.MULTILINE)
    return text


def text_difference(old, new, where, out):
    """The lines of a unified diff, or nothing; the folder of outputs is $OUT in it."""
    one, other = masked(old, where), masked(new, where)
    if one == other:
        return None
    lines = list(difflib.unified_diff(one.splitlines(), other.splitlines(), "old", "new", n=0, lineterm=""))[2:]
    lines = [line.replace(out, "$OUT") for line in lines if not line.startswith("@@")] or ["(only line ends differ)"]
    return [line.encode("utf-8", "backslashreplace").decode() for line in lines]


def shown(lines):
    """What is printed of such lines."""
    more = [f"… {len(lines) - 8} lines more"] if len(lines) > 8 else []
    return "".join(f"    {line[:400]}\n" for line in lines[:8] + more)


def file_difference(old, new, name):
    """Where two files begin to differ, or nothing."""
    one, other = old.read_bytes(), new.read_bytes()
    if one == other or masked(one, name) == masked(other, name):
        return None
    at = next((at for at, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))
    sizes = f", {len(one)} and {len(other)} bytes" if len(one) != len(other) else ""
    what = parts.difference(name, one, other)
    return f"file {name} at byte {at}{sizes}" + (f": {what}" if what else "")


class Fence:
    """Two binaries, and the folder where they work."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.inputs = folder / "inputs"
        self.threads = (options.threads.split(":") * 2)[:2] if options.threads else ["", ""]
        MASKS.extend(THREAD_MASKS if self.threads[0] != self.threads[1] else [])
        self.binaries = [os.path.abspath(options.old), os.path.abspath(options.new)]

    def prepare(self, project, lines):
        """Makes all inputs; those that need a program by OLD, or by NEW."""
        self.inputs.mkdir(parents=True)
        os.chdir(self.inputs)
        models.make(project)
        for line in lines:
            # What OLD cannot make, as it has no such verb, NEW makes.
            for binary in self.binaries:
                status, _, err = execute(binary, "", "set -e; " + line, self.inputs, self.folder / "work" / "inputs")
                if status[-1] == "0":
                    break
            if status[-1] != "0":
                sys.exit(f"fence.py: an input cannot be made: {line}\n{err.decode(errors='replace')}")
        models.make_more()

    def fingerprint(self):
        """Changes where an input does."""
        return {name: (kind, (self.inputs / name).lstat().st_size, (self.inputs / name).lstat().st_mtime_ns)
                for name, kind in tree(self.inputs).items() if kind[0] != "folder"}

    def compare(self, case):
        """What of a case differs: (aspect, what, lines of a diff)."""
        words = re.sub(r"[^A-Za-z0-9.=-]+", "_", case).strip("_")[:60]
        slug = f"{words}-{hashlib.sha256(case.encode()).hexdigest()[:8]}"
        work, runs, kept = self.folder / "work" / slug, [], []
        for side, binary, threads in zip(("old", "new"), self.binaries, self.threads):
            runs.append(execute(binary, threads, case, self.inputs, work))
            kept.append(self.folder / side / slug)
            kept[-1].parent.mkdir(exist_ok=True)
            work.rename(kept[-1])
        found = []
        (old, *olds), (new, *news) = runs
        if old != new:
            # Of one verb alone the shell's status says no more.
            words = [" ".join(status[:-1] if status[-2:-1] == status[-1:] else status) for status in (old, new)]
            found.append(("status", f"status {words[0]} became {words[1]}", []))
        for name, one, other in zip(("stdout", "stderr"), olds, news):
            lines = text_difference(one, other, name, os.path.relpath(work, self.inputs)) if self.options.texts else None
            if lines:
                found.append((name, name, lines))
        one, other = tree(kept[0]), tree(kept[1])
        for name in sorted(one | other):
            if one.get(name) != other.get(name):
                words = [" ".join(side[name]) if name in side else "missing" for side in (one, other)]
                found.append(("file", f"file {name}: {words[0]} became {words[1]}", []))
            elif one[name][0] == "file":
                what = file_difference(kept[0] / name, kept[1] / name, name)
                if what:
                    found.append(("file", what, []))
        if self.options.keep:
            for folder, (status, out, err) in zip(kept, runs):
                for ending, data in (("status", " ".join(status).encode()), ("stdout", out), ("stderr", err)):
                    folder.with_name(folder.name + "." + ending).write_bytes(data)
        else:
            for folder in kept:
                shutil.rmtree(folder)
        return found


def read_table():
    """The table of cases: (lines that make inputs, cases)."""
    sets, parts, part = {}, {"inputs": [], "cases": []}, None
    lines = re.sub(r"\\\n\s*", " ", (HERE / "cases.txt").read_text()).splitlines()
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("["):
            part = line.strip("[]")
        elif part == "sets":
            name, members = line.split(" = ", 1)
            sets[name] = [
                word for member in members.split() for found in expand(member, sets) for word in globbed(found)
            ]
        else:
            parts[part] += expand(line, sets)
    # Two lines may come to the same.
    return parts["inputs"], list(dict.fromkeys(parts["cases"]))


def globbed(word):
    """The fixtures that a pattern names, or the word itself."""
    if "*" not in word:
        return [word]
    found = sorted((HERE.parent.parent / "Tests/Fixtures").glob(word.removeprefix("fixtures/")))
    return ["fixtures/" + str(path.relative_to(HERE.parent.parent / "Tests/Fixtures")) for path in found]


def expand(line, sets):
    """A line for each choice of its {a|b} and {SET}."""
    pieces = re.split(r"\{([A-Z_]+|[^{}]*\|[^{}]*)\}", line)
    choices = [
        [piece] if at % 2 == 0 else piece.split("|") if "|" in piece else sets[piece] for at, piece in enumerate(pieces)
    ]
    return [" ".join("".join(words).split()) for words in itertools.product(*choices)]


class Rule(collections.namedtuple("Rule", "aspect cases what reason")):
    """Differences that are wanted: of an aspect, in some cases, of some wording."""

    def covers(self, aspect, what):
        """Whether it speaks of a changed line, or of what became of a status or a file; * and ? are as in names of files."""
        return self.aspect in (aspect, "*") and fnmatch.fnmatchcase(what, self.what.replace("[", "[[]"))


def read_allowed(path):
    """The rules of a file."""
    allowed = []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        if line.strip() and not line.startswith("#"):
            fields = [field.strip() for field in line.split(" :: ")]
            fields[2:2] = ["*"] * (len(fields) == 3)
            if len(fields) != 4 or not all(fields) or fields[0] not in ("status", "stdout", "stderr", "file", "*"):
                sys.exit(f"fence.py: {path}: line {number}: it is not `aspect :: pattern of cases [:: what] :: reason`")
            allowed.append(Rule(*fields))
    return allowed


def unlisted(case, found, allowed):
    """What of a case's differences no rule covers, and the rules that cover some; of a text each line is asked for."""
    rules, rest, used = [rule for rule in allowed if fnmatch.fnmatchcase(case, rule.cases)], [], set()
    for aspect, what, lines in found:
        left = []
        for line in lines or [what]:
            fitting = [rule for rule in rules if rule.covers(aspect, line)]
            used.update(fitting[:1])
            left += [] if fitting else [line]
        rest += [(aspect, what, left if lines else [])] if left else []
    return rest, used


def chosen(cases, patterns):
    """Cases that hold one of the words, or fit one of the patterns."""
    if not patterns:
        return cases
    found = [case for case in cases if any(fnmatch.fnmatchcase(case, p) or p in case for p in patterns)]
    return found or sys.exit("fence.py: no case fits; --list shows them")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("old", help="the binary whose behaviour is to be kept; it makes the inputs")
    parser.add_argument("new", help="the binary that is held against it")
    parser.add_argument("case", nargs="*", help="part of a case's command line, or a pattern of it; by default all")
    parser.add_argument("--list", action="store_true", help="show the cases, and run none")
    parser.add_argument("--keep", action="store_true", help="keep the folder with inputs, outputs, texts of both sides")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="cases at once (%(default)s)")
    parser.add_argument(
        "--allow", metavar="FILE", help="wanted differences: `aspect :: pattern of cases [:: what] :: reason` a line; the "
        "aspect is status, file, stdout, stderr or *, what is a pattern of changed lines, with their + or -, or of what is "
        "printed of a status or a file")
    parser.add_argument("--threads", metavar="N[:M]", help="give N threads (or jobs) to OLD and M to NEW")
    parser.add_argument("--texts", action=argparse.BooleanOptionalAction, default=True, help="compare stdout and stderr")
    options = parser.parse_args()
    for binary in (options.old, options.new):
        if not options.list and not (os.path.isfile(binary) and os.access(binary, os.X_OK)):
            parser.error(f"{binary} is no program")
    return options


def main():
    options = arguments()
    inputs, cases = read_table()
    cases = chosen(cases, options.case)
    if options.list:
        print("\n".join(cases))
        return 0
    allowed = read_allowed(options.allow) if options.allow else []
    used, start = collections.Counter(), time.monotonic()
    # In memory, where there is room: a disk would be most of the time.
    roomy = os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 8 << 30
    folder = pathlib.Path(tempfile.mkdtemp(prefix="belle-fence.", dir="/dev/shm" if roomy else None))
    differing = listed = 0
    try:
        fence = Fence(options, folder)
        fence.prepare(HERE.parent.parent, inputs)
        before = fence.fingerprint()
        with concurrent.futures.ThreadPoolExecutor(max(1, options.jobs)) as pool:
            for case, found in zip(cases, pool.map(fence.compare, cases)):
                rest, rules = unlisted(case, found, allowed)
                used.update(rules)
                if rest:
                    differing += 1
                    print(f"{case}: " + "; ".join(what for _, what, _ in rest))
                    print("".join(shown(lines) for *_, lines in rest), end="", flush=True)
                elif found:
                    listed += 1
        if fence.fingerprint() != before:
            differing += 1
            print("(inputs): a case has changed the inputs, which no verb may")
    finally:
        if options.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    for rule in allowed:
        if rule in used:
            print(f"{used[rule]} cases: {' :: '.join(rule)}")
        elif not options.case:
            print(f"note: nothing differs any more that {options.allow} lists: {' :: '.join(rule)}")
    extra = f", {listed} listed" if allowed else ""
    print(f"{len(cases)} cases, {differing} differ{extra}; {time.monotonic() - start:.0f} s")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
