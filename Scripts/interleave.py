#!/usr/bin/env python3
"""Two builds of the program in turn: whether a change has cost speed.

Runs what the cases of belle-bench run (decrypt, checkpoint, gptq, model, generate) with both builds, on made-up files that
are as small as they can be and still take most of a second; in each round each command with both, and each round the other
one first. Prints the median seconds of both, and of each command the ratio of the medians, above 1 where NEW is faster, with
how far the rounds lie apart. Exit status 1 where a ratio is below --wanted.

With --instructions callgrind's counts take the place of seconds, once, on one processor and on smaller files and matrices (a
quarter of each side): what to look at where rounds lie further apart than what is asked for. Needs valgrind, strip and cc; what
else the machine does is no matter.

NAME-bench is belle-bench, of the same build. Files are made by OLD, in memory. Python's standard library is enough.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import random
import re
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


def make(folder, tools, size, fraction):
    """All files, the releases among them, in a folder; the model's sides are divided by fraction."""
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
        folder / "llama", hidden=2048 // fraction, middle=5632 // fraction, layers=2, heads=16 // fraction,
        vocabulary=4096, windows=max(1, 8 // fraction**2), length=512, tokenizer=PROJECT / "Tests/Fixtures/tiny/llama/tokenizer.model")
    for kind in ("q4_0", "q4_k"):
        run("convert", folder / "llama", folder / f"{kind}.gguf", "--gguf-type", kind)
    shutil.rmtree(folder / "one")
    shutil.rmtree(folder / "four")


def cases(folder, fraction):
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
    for recipe, *shape in (("reference", 2048, 2048), ("reference", 2048, 5632), ("fast", 2048, 2048)):
        sides = [str(side // fraction) for side in shape]
        found.append(Case(f"gptq {recipe}, {' × '.join(sides)}", "bench", ["--once", "gptq", recipe, *sides]))
    for recipe in ("reference", "best"):
        arguments = ["--once", "model", f + "/llama", "1", recipe, f + "/result.json", "f32"]
        found.append(Case(f"model, {recipe}", "bench", arguments))
    for kind in ("q4_0", "q4_k"):
        arguments = ["generate", f"{f}/{kind}.gguf", "--prompt", "The king and the water", "--max-tokens", "64", "--json"]
        found.append(Case(f"generate, {kind}: tokens a second", "tools", arguments, "tokens_per_second"))
        found.append(Case(f"generate, {kind}: from beginning to end", "tools", arguments))
    return found


def measure(case, binaries, folder, counts):
    """Seconds of a run, or seconds a token; or how many instructions it takes on one processor."""
    arguments = [binaries[case.binary], *case.arguments]
    if case.binary == "tools" and not case.rate:
        arguments.append("--quiet")
    if "--no-list" in arguments and not binaries["lists"]:
        arguments.remove("--no-list")
    if counts:
        arguments = ["taskset", "-c", "0", "valgrind", "--fair-sched=yes", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                     *arguments]  # fmt: skip
    start = time.perf_counter()
    more = {"LD_PRELOAD": str(folder / "sigsuspend.so")} if counts else {}
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, env=os.environ | more)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"interleave.py: {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr.decode(errors='replace')}")
    for path in folder.glob("out*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if counts:
        return int(re.search(rb"Collected : (\d+)", done.stderr)[1])
    if case.rate:
        values = [value for line in done.stdout.splitlines() if (value := json.loads(line).get(case.rate))]
        return 1 / values[-1]
    return seconds


def pair(name):
    """The binaries of a build."""
    tools, bench = (os.path.abspath(path) for path in name)
    help_text = subprocess.run([tools, "decrypt", "--help"], capture_output=True, text=True).stdout
    return {"tools": tools, "bench": bench, "lists": "--no-list" in help_text}


# Valgrind 3.19 writes to the mask that it is given, which libdispatch keeps among its constants.
SIGSUSPEND = """
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>
int sigsuspend(const sigset_t *mask) { sigset_t own = *mask; return syscall(SYS_rt_sigsuspend, &own, 8); }
"""


def ready_for_valgrind(sides, folder):
    """Copies without what debuggers read, at which it gives up."""
    (folder / "sigsuspend.c").write_text(SIGSUSPEND)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "sigsuspend.so", folder / "sigsuspend.c"], check=True)
    for number, side in enumerate(sides):
        for name in ("tools", "bench"):
            copy = folder / f"{name}-{number}"
            subprocess.run(["strip", "-o", copy, side[name]], check=True)
            side[name] = str(copy)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--old", nargs=2, metavar=("TOOLS", "BENCH"), required=True, help="belle-tools and belle-bench of before")
    parser.add_argument("--new", nargs=2, metavar=("TOOLS", "BENCH"), required=True, help="those of now")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="rounds, after one that warms up (%(default)s)")
    parser.add_argument("--size", type=int, default=512, metavar="MIB", help="of the files that are decrypted (%(default)s)")
    parser.add_argument("--wanted", type=float, default=0.97, metavar="X", help="the least ratio (%(default)s)")
    parser.add_argument("--memory", default="/dev/shm", metavar="FOLDER", help="where files are (%(default)s)")
    parser.add_argument("--instructions", action="store_true", help="count instructions, by callgrind, in place of seconds")
    parser.add_argument("case", nargs="*", help="parts of the names of cases; by default all")
    options = parser.parse_args()
    counts = options.instructions
    fraction, rounds = (4, 1) if counts else (1, options.rounds + 1)
    sides = [pair(options.old), pair(options.new)]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="belle-interleave.", dir=options.memory))
    try:
        if counts:
            ready_for_valgrind(sides, folder)
        make(folder, sides[0]["tools"], (options.size << 20) // (8 if counts else 1), fraction)
        chosen = [case for case in cases(folder, fraction) if not options.case or any(word in case.name for word in options.case)]
        found = {(case.name, side): [] for case in chosen for side in (0, 1)}
        for number in range(rounds):
            start = time.monotonic()
            for case in chosen:
                for side in (0, 1) if number % 2 else (1, 0):
                    value = measure(case, sides[side], folder, counts)
                    if number or counts:
                        found[case.name, side].append(value)
                if counts:
                    print(f"{case.name}: {found[case.name, 0][0] / found[case.name, 1][0]:.3f}", file=sys.stderr)
            what = f"round {number} of {options.rounds}" if number else "counted" if counts else "a round to warm up"
            print(f"{what}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return show(chosen, found, counts, options.wanted)


def show(chosen, found, counts, wanted):
    """Prints the table; 1 where a ratio is below what is wanted."""
    unit, scale = ("M instructions", 1e-6) if counts else ("ms", 1e3)
    width, missed = max(len(case.name) for case in chosen), 0
    print(f"{'':{width}}  old, new ({unit})      ratio  ratios of rounds  spread of old, new")
    for case in chosen:
        one, other = found[case.name, 0], found[case.name, 1]
        old, new = statistics.median(one), statistics.median(other)
        ratios = [a / b for a, b in zip(one, other)]
        spread = [(max(values) - min(values)) / statistics.median(values) for values in (one, other)]
        missed += old / new < wanted
        print(f"{case.name:{width}}  {old * scale:9.1f} {new * scale:9.1f}     {old / new:5.3f}  {min(ratios):.3f}–{max(ratios):.3f}"
              f"       {spread[0]:4.0%}, {spread[1]:4.0%}{'  below' if old / new < wanted else ''}")  # fmt: skip
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
