#!/usr/bin/env python3
"""Two builds of the program in turn: whether a change has cost speed.

Runs what the cases of belle-bench run (decrypt, checkpoint, gptq, model, generate) with both builds, on made-up files that
are as small as they can be and still take most of a second; in each round each command with both, and each round the other
one first. Prints the median seconds of both, and of each command the ratio of the medians, above 1 where NEW is faster, with
how far the rounds lie apart. Exit status 1 where a ratio is below --wanted.

NAME-bench is belle-bench, of the same build. Files are made by OLD, in memory. Python's standard library is enough.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from random_model import halves, safetensors, write_llama

PROJECT = pathlib.Path(__file__).resolve().parent.parent
PARTS = 8

# A command: the binary (tools or bench), its arguments, and what is told after it: nothing (seconds of the process), or the
# name of a rate in the JSON that it prints.
Case = collections.namedtuple("Case", "name binary arguments rate", defaults=[None])


def make(folder, tools, size):
    """All files, the releases among them, in a folder."""
    def run(*arguments):
        subprocess.run([tools, *map(str, arguments), "--quiet"], check=True, stdout=subprocess.DEVNULL)

    seed = random.Random(2)
    block = seed.randbytes(4 << 20)
    key = folder / "key.pth"
    key.write_bytes(block * 8)
    for name, count in (("one", 1), ("four", 4)):
        (folder / name).mkdir()
        for part in range(count):
            with open(folder / name / f"{'abcd'[part]}.bin", "wb") as file:
                for at in range(size // count >> 22):
                    file.write(struct.pack("<q", at + part) + block[8:])
        run("encrypt", folder / name, key, folder / f"{name}-enc")
    digest = hashlib.md5((folder / "one/a.bin").read_bytes()).hexdigest()
    (folder / "one.md5").write_text(f"{digest}  a.bin\n")
    (folder / "model").mkdir()
    rows = size // (2 * 4096 * PARTS)
    names = [f"model.layers.{part}.mlp.weight" for part in range(PARTS)]
    safetensors(folder / "values.safetensors", [(name, "F16", [rows, 4096], halves(seed, rows * 4096)) for name in names])
    run("convert", folder / "values.safetensors", folder / "model/pytorch_model.bin")
    (folder / "values.safetensors").unlink()
    run("encrypt", folder / "model", key, folder / "model-enc")
    write_llama(
        folder / "llama", hidden=2048, middle=5632, layers=2, heads=16, vocabulary=4096, windows=8, length=512,
        tokenizer=PROJECT / "Tests/Fixtures/tiny/llama/tokenizer.model")
    for kind in ("q4_0", "q4_k"):
        run("convert", folder / "llama", folder / f"{kind}.gguf", "--gguf-type", kind)
    shutil.rmtree(folder / "one")
    shutil.rmtree(folder / "four")


def cases(folder):
    """The commands. What they write is removed after each."""
    f, out = str(folder), str(folder / "out")
    key = f + "/key.pth"
    found = [
        Case("decrypt, SHA-256", "tools", ["decrypt", f + "/one-enc", key, out]),
        Case("decrypt, SHA-256 and MD5", "tools", ["decrypt", f + "/one-enc", key, out, "--manifest", f + "/one.md5"]),
        Case("decrypt, four files", "tools", ["decrypt", f + "/four-enc", key, out]),
        Case("inspect", "tools", ["inspect", f + "/llama"]),
        Case(".bin to .safetensors", "tools", ["convert", f + "/model/pytorch_model.bin", out + ".safetensors"]),
        Case("decrypt, a checkpoint", "tools", ["decrypt", f + "/model-enc", key, out]),
        Case("decrypt to safetensors, with its list", "tools", ["decrypt", f + "/model-enc", key, out, "--to", "safetensors"]),
        Case("decrypt to safetensors", "tools", ["decrypt", f + "/model-enc", key, out, "--to", "safetensors", "--no-list"]),
    ]
    for recipe, shape in (("reference", "2048 2048"), ("reference", "2048 5632"), ("fast", "2048 2048")):
        found.append(Case(f"gptq {recipe}, {shape.replace(' ', ' × ')}", "bench", ["--once", "gptq", recipe, *shape.split()]))
    for recipe in ("reference", "best"):
        arguments = ["--once", "model", f + "/llama", "1", recipe, f + "/result.json", "f32"]
        found.append(Case(f"model, {recipe}", "bench", arguments))
    for kind in ("q4_0", "q4_k"):
        arguments = ["generate", f"{f}/{kind}.gguf", "--prompt", "The king and the water", "--max-tokens", "64", "--json"]
        found.append(Case(f"generate, {kind}", "tools", arguments, "tokens_per_second"))
    return found


def measure(case, binaries, folder):
    """Seconds of a run, or seconds a token."""
    arguments = [binaries[case.binary], *case.arguments]
    if case.binary == "tools" and not case.rate:
        arguments.append("--quiet")
    if "--no-list" in arguments and not binaries["lists"]:
        arguments.remove("--no-list")
    start = time.perf_counter()
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"interleave.py: {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr.decode(errors='replace')}")
    for path in folder.glob("out*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if case.rate:
        values = [value for line in done.stdout.splitlines() if (value := json.loads(line).get(case.rate))]
        return 1 / values[-1]
    return seconds


def pair(name):
    """The binaries of a build."""
    tools, bench = (os.path.abspath(path) for path in name)
    help_text = subprocess.run([tools, "decrypt", "--help"], capture_output=True, text=True).stdout
    return {"tools": tools, "bench": bench, "lists": "--no-list" in help_text}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--old", nargs=2, metavar=("TOOLS", "BENCH"), required=True, help="belle-tools and belle-bench of before")
    parser.add_argument("--new", nargs=2, metavar=("TOOLS", "BENCH"), required=True, help="those of now")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="rounds, after one that warms up (%(default)s)")
    parser.add_argument("--size", type=int, default=512, metavar="MIB", help="of the files that are decrypted (%(default)s)")
    parser.add_argument("--wanted", type=float, default=0.97, metavar="X", help="the least ratio (%(default)s)")
    parser.add_argument("--memory", default="/dev/shm", metavar="FOLDER", help="where files are (%(default)s)")
    parser.add_argument("case", nargs="*", help="parts of the names of cases; by default all")
    options = parser.parse_args()
    sides = [pair(options.old), pair(options.new)]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="belle-interleave.", dir=options.memory))
    try:
        make(folder, sides[0]["tools"], options.size << 20)
        chosen = [case for case in cases(folder) if not options.case or any(word in case.name for word in options.case)]
        seconds = {(case.name, side): [] for case in chosen for side in (0, 1)}
        for number in range(options.rounds + 1):
            start = time.monotonic()
            for case in chosen:
                for side in (0, 1) if number % 2 else (1, 0):
                    found = measure(case, sides[side], folder)
                    if number:
                        seconds[case.name, side].append(found)
            what = f"round {number} of {options.rounds}" if number else "a round to warm up"
            print(f"{what}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    width, missed = max(len(case.name) for case in chosen), 0
    print(f"{'':{width}}  old        new        ratio  ratios of rounds  spread of old, new")
    for case in chosen:
        one, other = seconds[case.name, 0], seconds[case.name, 1]
        old, new = statistics.median(one), statistics.median(other)
        ratios = [a / b for a, b in zip(one, other)]
        spread = [(max(values) - min(values)) / statistics.median(values) for values in (one, other)]
        missed += old / new < options.wanted
        print(f"{case.name:{width}}  {old * 1000:7.1f} ms {new * 1000:7.1f} ms  {old / new:5.3f}  {min(ratios):.3f}–{max(ratios):.3f}"
              f"       {spread[0]:4.0%}, {spread[1]:4.0%}{'  below' if old / new < options.wanted else ''}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
