#!/usr/bin/env python3
"""Holds this program's files against other programs: `make interop`.

Each other file here is a topic, and says in NEEDS which Python packages it imports. It runs in the first Python that
has them, and is skipped, by name, where none has. These are tried: those in BELLE_PYTHON (paths, separated by colons),
the one that runs this, and those on the PATH.

Prints one line a check: passed, failed or skipped. Exit status 1 where one failed.

usage: run.py [topic ...]
"""

import ast
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
NOT_TOPICS = {
    "run", "browser", "support", "gptq_support", "gptqmodel_support", "llama_support", "safety_containers", "safety_honest",
    "safety_hostile", "safety_hostile_files", "safety_hostile_readers", "safety_sandbox", "terminal", "tokenizer_families",
    "tokenizer_texts", "torch_support", "wheels",
}  # fmt: skip


def declared(path, name):
    """A constant of a topic, without running it: its imports may be missing here."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == name for target in node.targets):
            return ast.literal_eval(node.value)
    return None


def pythons():
    """Interpreters, the most wanted first, each once."""
    names = os.environ.get("BELLE_PYTHON", "").split(":") + [sys.executable]
    names += [shutil.which("python3", path=folder) for folder in os.environ.get("PATH", "").split(":")]
    seen = []
    for name in names:
        if name and pathlib.Path(name).exists() and name not in seen:
            seen.append(name)
    return seen


def has(python, modules):
    """Whether an interpreter can import modules."""
    code = "".join(f"import {module}\n" for module in modules)
    return subprocess.run([python, "-c", code], capture_output=True).returncode == 0


def main():
    topics = sorted(path for path in HERE.glob("*.py") if path.stem not in NOT_TOPICS)
    unknown = set(sys.argv[1:]) - {path.stem for path in topics}
    if unknown:
        sys.exit(f"no such topic: {', '.join(sorted(unknown))}")
    counts = {"passed": 0, "failed": 0, "skipped": 0}

    def report(status, topic, what, why=""):
        counts[status] += 1
        print(f"{status:8}{topic}: {what}" + (f": {why}" if why else ""), flush=True)

    for path in topics:
        if len(sys.argv) > 1 and path.stem not in sys.argv[1:]:
            continue
        needs = declared(path, "NEEDS") or []
        python = next((python for python in pythons() if has(python, needs)), None)
        if python is None:
            report("skipped", path.stem, "everything", f"no Python here has {', '.join(needs)}")
            continue
        child = subprocess.Popen(
            [python, str(HERE / "support.py"), str(path)], stdout=subprocess.PIPE, text=True)
        for line in child.stdout:
            result = json.loads(line)
            report(result["status"], path.stem, result["what"], result["why"])
        if child.wait() != 0:
            report("failed", path.stem, "the topic itself", f"exit status {child.returncode}")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    main()
