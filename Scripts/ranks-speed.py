#!/usr/bin/env python3
"""How fast ranks are beside threads: two ranks of one thread against one process of two, in turn, on a model of random numbers.

usage: ranks-speed.py [--tools BINARY] [--runs 5] [--hidden 1024] [--layers 2] [--windows 96] [--recipe best]
       [--ranks 2] [--threads 1]

Prints the seconds of each run, both medians and their ratio: above 1 the ranks are faster; and of the ranks' last run what
share of the time they waited, and what went between them. Windows are 512 tokens: 96 of them have 17 tokens for each input
of the widest modules, where 128 windows of 2048 have 24 for each of a 7B model's. Python's standard library only.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from random_model import write_llama

PROJECT = pathlib.Path(__file__).resolve().parents[1]
LENGTH = 512


def write_model(folder, hidden, layers, windows):
    """A LLaMA of LLaMA's proportions, with heads of 64."""
    write_llama(
        folder, hidden, middle=hidden * 11 // 4 // 128 * 128, layers=layers, heads=hidden // 64, vocabulary=512, windows=windows,
        length=LENGTH)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", default=str(PROJECT / ".build/release/belle-tools"))
    for name, value in [("runs", 5), ("hidden", 1024), ("layers", 2), ("windows", 96), ("ranks", 2), ("threads", 1)]:
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--recipe", default="best")
    choice = parser.parse_args()
    environment = os.environ | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    launch = ["mpirun", "--bind-to", "none", "--oversubscribe", "-n", str(choice.ranks)]
    with tempfile.TemporaryDirectory(prefix="belle-ranks-") as folder:
        home = pathlib.Path(folder)
        write_model(home / "model", choice.hidden, choice.layers, choice.windows)

        def run(prefix, threads, name):
            done = subprocess.run(
                [*prefix, choice.tools, "quantize", str(home / "model"), str(home / name), "--calibration",
                 f"{home}/model/tokens.safetensors:calibration", "--recipe", choice.recipe, "--threads", str(threads),
                 "--json", "--quiet"], capture_output=True, text=True, env=environment)  # fmt: skip
            if done.returncode != 0:
                sys.exit(done.stderr)
            weights = (home / name / "model.safetensors").read_bytes()
            subprocess.run(["rm", "-r", str(home / name)], check=True)
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            works[:] = [line for line in lines if line["type"] == "rank"]
            return lines[-1]["seconds"], weights

        one, many, works = [], [], []
        for number in range(choice.runs):
            (first, bytes_of_one), (second, bytes_of_many) = (
                run([], choice.ranks * choice.threads, "one"), run(launch, choice.threads, "many"))  # fmt: skip
            assert bytes_of_one == bytes_of_many, "the bytes differ"
            print(f"run {number + 1}: one process {first:.2f} s, {choice.ranks} ranks {second:.2f} s", flush=True)
            one.append(first)
            many.append(second)
    ratio = statistics.median(one) / statistics.median(many)
    waited = sum(work["waiting_seconds"] for work in works) / sum(work["seconds"] for work in works)
    sent = sum(work["sent_bytes"] + work["shared_bytes"] for work in works) / choice.layers
    print(f"ranks waited {100 * waited:.1f} % of the layers' time, and sent {sent / 1e6:.0f} MB a layer")
    print(f"median: one process {statistics.median(one):.2f} s, {choice.ranks} ranks {statistics.median(many):.2f} s, "
          f"ratio {ratio:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
