#!/usr/bin/env python3
"""How far ranks go: measures the parts of the work on two ranks of one thread, and works out from them how much of their
machines' speed 16 and 64 ranks have on models of 7B and 65B. No cluster is needed, and none is asked: the network is assumed.

usage: ranks-scaling.py [--tools BINARY] [--widths 1024 2048] [--layers 3] [--windows 32] [--parts FILE.json] [--hosts]

Without --parts it measures, with random models of these widths, and writes what it has measured to standard output as JSON,
for --parts of a later run; tables follow. With --hosts (root, iproute2) the two ranks are on two network namespaces with an
interface each: what goes through it is held against what the program counts, and what an exchange takes is measured by
`belle-bench --once ranks`, where that lies beside the program. Python's standard library only.
"""

import argparse
import contextlib
import importlib.util
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parents[1]
ENVIRONMENT = os.environ | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
GROUP = 128
# The machine of the tables: threads of a rank, and what a link moves in a second, in one direction.
THREADS = 8
LINKS = {"10 Gbit/s": 10e9 / 8, "100 Gbit/s": 100e9 / 8}
LATENCY = 50e-6
MODELS = {"7B": (4096, 11008, 32), "65B": (8192, 22016, 80)}
PARTS = ["passes", "sums", "factors", "solving"]


def module(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


# --- Shapes: what Sources/Quantize/Pipeline/WorkShape.swift counts, for LLaMA


class Layer:
    """The groups of a layer: inputs, outputs of the modules, and whether P is wanted."""

    def __init__(self, hidden, middle, length):
        self.hidden, self.length = hidden, length
        self.groups = [(hidden, [hidden] * 3, False), (hidden, [hidden], True),
                       (hidden, [middle] * 2, False), (middle, [hidden], True)]  # fmt: skip

    def passes(self):
        """FLOP a row, both streams."""
        return 2 * (sum(2 * width * sum(outs) for width, outs, _ in self.groups) + 2 * self.length * self.hidden)

    def sums(self, group):
        """FLOP a row."""
        width, outs, adds = group
        return 3 * width * width + (2 * width * outs[0] if adds else 0)

    def factors(self):
        return sum(width**3 / 3 for width, *_ in self.groups)

    def solving(self):
        """Products of weights with squares, the measure of all that the solver does."""
        return sum(out * width * width for width, outs, _ in self.groups for out in outs)

    def weights(self):
        return sum(out * width for width, outs, _ in self.groups for out in outs)

    def flop(self, part, rows):
        by_rows = {"passes": self.passes(), "sums": sum(map(self.sums, self.groups))}
        return rows * by_rows[part] if part in by_rows else getattr(self, part)()


def sum_bytes(group):
    """H by whole tiles, Δ and P as they are."""
    width, outs, adds = group
    edge = 512 if width >= 4096 else 256
    tiles = [min(edge, width - at) for at in range(0, width, edge)]
    lower = sum(a * b for row, a in enumerate(tiles) for b in tiles[: row + 1])
    return 4 * (lower + width * width + (outs[0] * width if adds else 0))


def solved_bytes(group):
    """A byte for each weight; scales, zeros and minimums; six sums a row."""
    width, outs, _ = group
    return sum(outs) * (width + 4 * (3 * math.ceil(width / GROUP) + 6))


def batch_rows(rows, ranks, threads, length):
    """As `ModelQuantizer` cuts them (share(of:)), in whole blocks of 1024 rows."""
    most = 1024 * min(8, max(4, threads))
    return max(1024, min(most, rows // ranks // 2) // 1024 * 1024)


def traffic(layer, rows, ranks, threads):
    """Bytes that all ranks send to single ones for a layer, and that they give to all."""
    per_batch = batch_rows(rows, ranks, threads, layer.length)
    batches = math.ceil(math.ceil(rows / per_batch) / ranks) * ranks
    sums = sum(map(sum_bytes, layer.groups))
    return (batches - 1) * sums, sums + sum(map(solved_bytes, layer.groups))


# --- Measuring


def quantize(choice, launch, home, name):
    done = subprocess.run(
        [*launch, choice.tools, "quantize", str(home / "model"), str(home / name), "--calibration",
         f"{home}/model/tokens.safetensors:calibration", "--threads", "1", "--json", "--quiet"],
        capture_output=True, text=True, env=ENVIRONMENT)  # fmt: skip
    if done.returncode != 0:
        sys.exit(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def measured(choice, launch, width, sent):
    """The parts at a width: of the layer before the last, which has all of them."""
    speed = module("ranks_speed", PROJECT / "Scripts/ranks-speed.py")
    with tempfile.TemporaryDirectory(prefix="belle-ranks-") as folder:
        home = pathlib.Path(folder)
        speed.write_model(home / "model", width, choice.layers, choice.windows)
        before = sent()
        lines = quantize(choice, launch, home, "out")
        through = None if before is None else sent() - before
    works = [line for line in lines if line["type"] == "rank"]
    own = [work for work in works if work["layer"] == choice.layers - 1]
    rows = choice.windows * speed.LENGTH
    layer = Layer(width, width * 11 // 4 // 128 * 128, speed.LENGTH)
    # Of processors: where others use them too, what they do is no part of it.
    seconds = {part: sum(work[part + "_processor_seconds"] for work in own) for part in PARTS + ["reading", "storing"]}
    # Every rank factors all of H, and has a part of the rest.
    rates = {part: layer.flop(part, rows) * (len(own) if part == "factors" else 1) / max(seconds[part], 1e-9)
             for part in PARTS}  # fmt: skip
    last = [work for work in works if work["layer"] == choice.layers]
    counted = [sum(work[key] for work in last) for key in ["sent_bytes", "shared_bytes"]]
    return {
        "width": width, "rows": rows, "flop_per_second": rates,
        "reading_bytes_per_second": 2 * layer.weights() * len(own) / max(seconds["reading"], 1e-9),
        # Rank 0 packs and writes, and all put into the layer.
        "storing_seconds_per_weight": max(work["storing_processor_seconds"] for work in own) / layer.weights(),
        "layer_seconds": max(work["seconds"] for work in own),
        "waiting_share": sum(work["waiting_seconds"] for work in own) / sum(work["seconds"] for work in own),
        "traffic": {"counted": counted, "formula": traffic(layer, rows, len(own), 1),
                    "counted_by_rank_0": sum(work["sent_bytes"] + work["shared_bytes"] for work in works if work["rank"] == 0),
                    "through_the_interface": through},
    }  # fmt: skip


def interface_bytes(name):
    done = subprocess.run(["ip", "-n", name, "-s", "-j", "link", "show", "belle-veth-1"], capture_output=True, text=True,
                          check=True)  # fmt: skip
    return json.loads(done.stdout)[0]["stats64"]["tx"]["bytes"]


def measure(choice):
    with contextlib.ExitStack() as stack:
        sent = lambda: None  # noqa: E731
        if choice.hosts:
            sys.path.insert(0, str(PROJECT / "Scripts/interop"))
            ranks = module("interop_ranks", PROJECT / "Scripts/interop/ranks.py")
            home = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="belle-ranks-")))
            start = stack.enter_context(ranks.two_hosts(home)) + ["-n", "2"]
            sent = lambda: interface_bytes("belle-host-1")  # noqa: E731
        else:
            start = ["mpirun", "--bind-to", "none", "--oversubscribe", "-n", "2"]
        found = {"widths": [measured(choice, start, width, sent) for width in choice.widths]}
        bench = pathlib.Path(choice.tools).with_name("belle-bench")
        if bench.exists():
            done = subprocess.run([*start, str(bench), "--once", "ranks"], capture_output=True, text=True, env=ENVIRONMENT)
            if done.returncode == 0:
                small, middle, large = map(float, done.stdout.split())
                found["exchange"] = {"8 B": small, "1 MiB": middle, "32 MiB": large}
    return found


# --- Working out


def alone(layer, rows, threads, rate, widest):
    """Seconds of a layer on one machine."""
    rows_seconds = sum(layer.flop(part, rows) / (threads * rate[part]) for part in ["passes", "sums"])
    return rows_seconds + layer.factors() / (threads * rate["factors"]) + solving(layer, 1, threads, rate) + fixed(layer, widest)


def fixed(layer, widest):
    """What no rank takes from another: reading the layer's weights; packing and writing them."""
    return 2 * layer.weights() / widest["reading_bytes_per_second"] + layer.weights() * widest["storing_seconds_per_weight"]


def solving(layer, ranks, threads, rate):
    """Strips of 256 rows on threads: no more are at work than there are."""
    seconds = 0
    for width, outs, _ in layer.groups:
        strips = math.ceil(sum(math.ceil(out / 256) for out in outs) / ranks)
        seconds += math.ceil(strips / threads) * 256 * width * width / rate["solving"]
    return seconds


def together(layer, rows, ranks, threads, link, rate, widest):
    """Seconds of a layer on ranks."""
    own = rows / ranks
    batch = batch_rows(rows, ranks, threads, layer.length)
    batches = max(1, own / batch)
    seconds = own * layer.passes() / (threads * rate["passes"]) + layer.factors() / (threads * rate["factors"])
    for group in layer.groups:
        width = group[0]
        adding, moving = own * layer.sums(group) / (threads * rate["sums"]), batches * sum_bytes(group) / link
        # Parts of H: until the last rank has its first.
        parts = max(1, min(4 * ranks, (width // (512 if width >= 4096 else 256)) ** 2 // 2 // threads))
        first = min(batch, own) * width * width / (threads * rate["sums"]) / parts
        first += 2 * width * width / parts / link + LATENCY
        everybody = 2 * sum_bytes(group) / link + LATENCY * math.log2(ranks)
        solved = 2 * solved_bytes(group) / link + LATENCY * math.log2(ranks)
        seconds += max(adding, moving) + (ranks - 1) * first + everybody + solved
    return seconds + solving(layer, ranks, threads, rate) + fixed(layer, widest)


def show(found):
    widest = found["widths"][-1]
    rate = widest["flop_per_second"]
    print("\n| width | " + " | ".join(f"{part}, GFLOP/s" for part in PARTS) + " | reading | storing | waited |")
    print("|---" * (len(PARTS) + 4) + "|")
    for one in found["widths"]:
        rates = " | ".join(f"{one['flop_per_second'][part] / 1e9:.1f}" for part in PARTS)
        print(f"| {one['width']} | {rates} | {one['reading_bytes_per_second'] / 1e9:.2f} GB/s | "
              f"{1e9 * one['storing_seconds_per_weight']:.2f} ns a weight | {100 * one['waiting_share']:.1f} % |")  # fmt: skip
    print("\n| width | sent, the last layer | by the formula | given to all | by the formula | rank 0, all layers | its interface |")
    print("|---" * 7 + "|")
    for one in found["widths"]:
        traffic = one["traffic"]
        (sent, shared), (a, b) = traffic["counted"], traffic["formula"]
        through = traffic["through_the_interface"]
        cells = [sent, a, shared, b, traffic["counted_by_rank_0"]] + ([] if through is None else [through])
        print(f"| {one['width']} | " + " | ".join(f"{cell / 1e6:.2f} MB" for cell in cells)
              + (" | not asked |" if through is None else " |"))  # fmt: skip
    if exchange := found.get("exchange"):
        print("\none way: " + ", ".join(f"{name} {1e6 * seconds:.0f} µs" for name, seconds in exchange.items())
              + f": {32 * 2**20 / exchange['32 MiB'] / 1e9:.2f} GB/s")  # fmt: skip
    print(f"\n{THREADS} threads a rank at the rates of width {widest['width']}, {1e6 * LATENCY:.0f} µs a transfer; assumed links:")
    print("\n| model, tokens | " + " | ".join(f"{ranks} ranks: {link}" for ranks in [16, 64] for link in LINKS) + " |")
    print("|---" * (1 + 2 * len(LINKS)) + "|")
    for name, (hidden, middle, _) in MODELS.items():
        for rows in [1 << 18, 1 << 20]:
            layer = Layer(hidden, middle, 2048)
            one = alone(layer, rows, THREADS, rate, widest)
            cells = [f"{one / ranks / together(layer, rows, ranks, THREADS, link, rate, widest):.2f}"
                     for ranks in [16, 64] for link in LINKS.values()]  # fmt: skip
            print(f"| {name}, {rows:,} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", default=str(PROJECT / ".build/release/belle-tools"))
    parser.add_argument("--widths", type=int, nargs="+", default=[1024, 2048])
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--windows", type=int, default=32)
    parser.add_argument("--parts")
    parser.add_argument("--hosts", action="store_true")
    choice = parser.parse_args()
    if choice.parts:
        found = json.loads(pathlib.Path(choice.parts).read_text())
    else:
        found = measure(choice)
        print(json.dumps(found, indent=1))
    show(found)


if __name__ == "__main__":
    main()
