#!/usr/bin/env python3
"""Divergence over size: how far a quantized model's predictions are from its own, in every type of a GGUF file, with a size on
demand, and by llama.cpp; as a table and as a picture (SVG).

  Scripts/divergence.py MODEL TOKENS WORK [--part evaluation] [--recipe guided] [--recipe best] [--types q4_k,q6_k]
                        [--llama] [--mixtures q2_k,q4_k_m] [--picture FILE.svg] [--only-picture] [--title TEXT]

MODEL is a Hugging Face folder, TOKENS a safetensors file with the tensors `calibration` and `evaluation` (or --part,
several times: every file is scored on each, and the first is the one of the table and of the picture). What was measured is
kept in WORK/measured.jsonl, a line a file, and is not measured again: a run that was stopped goes on.

For every type a file of it (--pure) is made with each recipe; then one of the same size with --target-size, which must be
nearer to the model; with --llama, by a Python that has llama_cpp and gguf, also llama.cpp's own files of these types and of
its mixtures, with the importance matrix of the same tokens. The last lines say for which types the size on demand is farther
from it; exit status 1 where there is one. Everything is scored by `evaluate`, on the same tokens, against MODEL.

BELLE_TOOLS names the program, by default .build/release/belle-tools.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOL = os.environ.get("BELLE_TOOLS", ROOT / ".build/release/belle-tools")
TYPES = ["q2_k", "q3_k", "iq4_xs", "q4_k", "q5_k", "q6_k", "q8_0"]
MIXTURES = ["q2_k", "q3_k_m", "iq4_xs", "q4_k_m", "q5_k_m", "q6_k", "q8_0"]
# llama.cpp, include/llama.h: llama_ftype.
FILE_TYPES = {
    "q2_k": 10, "q3_k_s": 11, "q3_k_m": 12, "iq4_xs": 30, "iq4_nl": 25, "q4_k_s": 14, "q4_k_m": 15, "q5_k_s": 16,
    "q5_k_m": 17, "q6_k": 18, "q8_0": 7}


def tool(*arguments):
    run = subprocess.run([str(TOOL), *map(str, arguments)], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}\n{run.stderr}")
    return run.stdout


class Measured:
    """What was measured, by curve and name."""

    def __init__(self, options):
        self.options = options
        self.path = options.work / "measured.jsonl"
        self.rows = {}
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                row = json.loads(line)
                self.rows[row["curve"], row["name"], row["part"]] = row

    def get(self, curve, name):
        """What counts: the figures by the first of the texts."""
        return self.rows.get((curve, name, self.options.part[0]))

    def add(self, curve, name, make):
        """Makes a file, scores it on every text and forgets it; or says what is known already."""
        parts = [part for part in self.options.part if (curve, name, part) not in self.rows]
        if not parts:
            return self.get(curve, name)
        path = self.options.work / "model.gguf"
        path.unlink(missing_ok=True)
        figures = make(path)
        for part in parts:
            scores = json.loads(
                tool(
                    "evaluate", path, "--text", f"{self.options.tokens}:{part}", "--reference", self.options.model,
                    "--json", "--quiet").splitlines()[-1])
            row = {
                "curve": curve, "name": name, "part": part, "bytes": path.stat().st_size, "divergence": scores["kl_mean"],
                **figures}
            with self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")
            self.rows[curve, name, part] = row
            print(f"{curve:24} {name:10} {part:10} {row['bytes']:12} {row['divergence']:.6g}", flush=True)
        path.unlink()
        return self.get(curve, name)


def quantize(options, recipe, *more):
    def make(path):
        lines = tool(
            "quantize", options.model, path, "--format", "gguf", "--recipe", recipe, "--calibration",
            f"{options.tokens}:calibration", "--json", "--quiet", *more).splitlines()
        last = json.loads(lines[-1])
        return {"predicted": last["predicted_divergence"], "planned": (last["choice"] or {}).get("predicted_divergence")}

    return make


def llama(options):
    """llama.cpp's quantizer with the importance matrix of the calibration, as a function of its mixture's name."""
    import ctypes

    import gguf
    import llama_cpp
    import numpy

    floats, matrix = options.work / "f16.gguf", options.work / "imatrix.gguf"
    if not floats.exists():
        tool("convert", options.model, floats, "--gguf-type", "f16")
    if not matrix.exists():
        tool(
            "quantize", options.model, options.work / "unused.gguf", "--force", "--gguf-type", "q8_0", "--recipe", "fast",
            "--calibration", f"{options.tokens}:calibration", "--imatrix-out", matrix, "--quiet")
        (options.work / "unused.gguf").unlink()
    tensors = {tensor.name: tensor.data for tensor in gguf.GGUFReader(matrix).tensors}
    names = [name.removesuffix(".in_sum2") for name in tensors if name.endswith(".in_sum2")]
    data = (llama_cpp.llama_cpp.llama_model_imatrix_data * (len(names) + 1))()
    kept = []
    for place, name in enumerate(names):
        counts = float(numpy.ravel(tensors[name + ".counts"])[0])
        means = (numpy.ravel(tensors[name + ".in_sum2"]) / counts).astype(numpy.float32)
        kept += [means, name.encode()]
        data[place].name = kept[-1]
        data[place].data = means.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        data[place].size = means.size

    def quantizer(mixture):
        def make(path):
            choices = llama_cpp.llama_model_quantize_default_params()
            choices.ftype, choices.nthread = FILE_TYPES[mixture], os.cpu_count()
            choices.imatrix = ctypes.cast(data, ctypes.POINTER(llama_cpp.llama_cpp.llama_model_imatrix_data))
            status = llama_cpp.llama_model_quantize(str(floats).encode(), str(path).encode(), ctypes.byref(choices))
            if status:
                sys.exit(f"llama.cpp's quantizer ended with {status}")
            return {}

        return make

    # What the entries point to lives as long as the function.
    quantizer.kept = kept
    return quantizer


def measure(options, measured):
    if options.llama:
        quantizer = llama(options)
        for mixture in options.mixtures:
            row = measured.add("llama.cpp, importance matrix", mixture, quantizer(mixture))
            for recipe in options.recipe:
                measured.add(
                    f"{recipe}, size on demand", f"as llama.cpp's {mixture}",
                    quantize(options, recipe, "--target-size", str(row["bytes"])))
    failed = []
    for recipe in options.recipe:
        for kind in options.types:
            one = measured.add(f"{recipe}, one type", kind, quantize(options, recipe, "--gguf-type", kind, "--pure"))
            name = f"as {kind}"
            chosen = measured.add(
                f"{recipe}, size on demand", name, quantize(options, recipe, "--target-size", str(one["bytes"])))
            # Where there is nothing better than the largest type, the choice is that type, and as good.
            if chosen["divergence"] > one["divergence"] or chosen["bytes"] > one["bytes"]:
                failed.append((recipe, kind))
    return failed


def table(options, measured):
    print("\ntype        bytes         one type   at its size   of it     planned   predicted")
    for recipe in options.recipe:
        for kind in options.types:
            one, chosen = measured.get(f"{recipe}, one type", kind), measured.get(f"{recipe}, size on demand", f"as {kind}")
            print(
                f"{kind:10} {one['bytes']:10} {one['divergence']:12.5g} {chosen['divergence']:12.5g} "
                f"{chosen['divergence'] / one['divergence']:8.2f} {chosen.get('planned') or float('nan'):11.4g} "
                f"{chosen.get('predicted') or float('nan'):11.4g}   {recipe}")


# What a picture looks like.
WIDTH, HEIGHT = 880, 520
LEFT, RIGHT, TOP, BOTTOM = 84, 24, 56, 60
COLOURS = ["#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#475569", "#b45309"]


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def size(count):
    for unit, one in [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)]:
        if count >= one:
            return f"{count / one:.3g} {unit}"
    return f"{count:g} bytes"


def picture(options, measured):
    """Size across, divergence up, both by their logarithms."""
    curves = {}
    for (curve, name, part), row in measured.rows.items():
        if part == options.part[0] and row["divergence"] > 0:
            curves.setdefault(curve, []).append((row["bytes"], row["divergence"], name))
    points = [point for rows in curves.values() for point in rows]
    if not points:
        sys.exit("nothing was measured yet")
    low, high = (f(math.log(p[0]) for p in points) for f in (min, max))
    least, most = (f(math.log10(p[1]) for p in points) for f in (min, max))
    low, high = low - 0.03 * (high - low + 1e-9), high + 0.06 * (high - low + 1e-9)
    least, most = math.floor(least * 2) / 2, math.ceil(most * 2) / 2

    def x(count):
        return LEFT + (math.log(count) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(value):
        return TOP + (most - math.log10(value)) / (most - least) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="26" font-size="17" fill="#111827">{escaped(options.title)}</text>',
        f'<text x="{LEFT}" y="44" fill="#4b5563">mean divergence from the unquantized model, nats a token; lower is nearer</text>']
    for step in range(math.ceil(least), math.floor(most) + 1):
        for factor in (1, 2, 5):
            value = factor * 10.0**step
            if not least <= math.log10(value) <= most:
                continue
            parts.append(
                f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}" '
                f'stroke="#e5e7eb" stroke-width="{1.5 if factor == 1 else 0.7}"/>')
            parts.append(
                f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end" fill="#4b5563">{value:g}</text>')
    ticks = 6
    for tick in range(ticks + 1):
        count = math.exp(low + (high - low) * tick / ticks)
        parts.append(
            f'<text x="{x(count):.1f}" y="{HEIGHT - BOTTOM + 22}" text-anchor="middle" fill="#4b5563">{size(count)}</text>')
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 14}" text-anchor="middle" fill="#4b5563">size of the file</text>')
    for number, curve in enumerate(sorted(curves)):
        colour = COLOURS[number % len(COLOURS)]
        rows = sorted(curves[curve])
        line = " ".join(f"{x(count):.1f},{y(value):.1f}" for count, value, _ in rows)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for count, value, name in rows:
            parts.append(
                f'<circle cx="{x(count):.1f}" cy="{y(value):.1f}" r="3.5" fill="{colour}">'
                f"<title>{escaped(f'{curve}: {name}, {count} bytes, {value:.4g}')}</title></circle>")
            if not name.startswith("as "):
                parts.append(
                    f'<text x="{x(count) + 6:.1f}" y="{y(value) - 6:.1f}" font-size="10" fill="{colour}">'
                    f"{escaped(name)}</text>")
        height = TOP + 14 + 18 * number
        parts.append(
            f'<line x1="{WIDTH - 268}" x2="{WIDTH - 244}" y1="{height}" y2="{height}" stroke="{colour}" stroke-width="3"/>'
            f'<text x="{WIDTH - 238}" y="{height + 4}" fill="#111827">{escaped(curve)}</text>')
    options.picture.write_text("\n".join(parts + ["</svg>"]) + "\n", encoding="utf-8")
    print(f"the picture is {options.picture}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("tokens", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--part", action="append")
    parser.add_argument("--recipe", action="append")
    parser.add_argument("--types", type=lambda text: [name for name in text.split(",") if name], default=TYPES)
    parser.add_argument("--llama", action="store_true")
    parser.add_argument("--mixtures", type=lambda text: [name for name in text.split(",") if name], default=MIXTURES)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--only-picture", action="store_true")
    parser.add_argument("--title")
    options = parser.parse_args()
    options.recipe = options.recipe or ["guided"]
    options.part = options.part or ["evaluation"]
    options.title = options.title or options.model.resolve().name
    options.work.mkdir(parents=True, exist_ok=True)
    measured = Measured(options)
    failed = []
    if not options.only_picture:
        failed = measure(options, measured)
        table(options, measured)
    if options.picture:
        picture(options, measured)
    for recipe, kind in failed:
        print(f"farther than {kind} at its size: {recipe}")
    sys.exit(1 if failed else 0)


main()
