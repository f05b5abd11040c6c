#!/usr/bin/env python3
"""How well the cost of a module is foretold: each module of a model alone is quantized, in a form of about so many bits a weight,
and the divergence that was predicted before the work, that which the solver's error says, and that which is measured are
held against each other.

  Scripts/module-costs.py MODEL TOKENS WORK [--recipe guided] [--bits 2.7,3.5,4.6,6.6]

MODEL is a Hugging Face folder, TOKENS a safetensors file with the tensors `calibration` and `evaluation`. What was measured is
kept in WORK/modules.jsonl, and not measured again. At the end: rank correlations, and the ratios of measured to predicted.

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


def tool(*arguments):
    run = subprocess.run([str(TOOL), *map(str, arguments)], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}\n{run.stderr}")
    return [json.loads(line) for line in run.stdout.splitlines()]


def names(options):
    """The modules' names, as a dry run lists them."""
    last = tool(
        "quantize", options.model, options.work / "names.gguf", "--format", "gguf", "--target-bits", "5", "--recipe", "fast",
        "--calibration", f"{options.tokens}:calibration", "--samples", "1", "--dry-run", "--json", "--quiet")[-1]
    return [module["name"] for module in last["choice"]["modules"]]


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    result = [0] * len(values)
    for rank, index in enumerate(order):
        result[index] = rank
    return result


def correlation(one, other):
    a, b = ranks(one), ranks(other)
    mean = (len(a) - 1) / 2
    up = sum((x - mean) * (y - mean) for x, y in zip(a, b))
    return up / sum((x - mean) ** 2 for x in a)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("tokens", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--recipe", default="guided")
    parser.add_argument("--bits", type=lambda text: text.split(","), default=["2.7", "3.5", "4.6", "6.6"])
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    path = options.work / "modules.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {(row["recipe"], row["bits"], row["name"]) for row in rows}
    for name in names(options):
        for bits in options.bits:
            if (options.recipe, bits, name) in known:
                continue
            output = options.work / "one.gguf"
            output.unlink(missing_ok=True)
            lines = tool(
                "quantize", options.model, output, "--format", "gguf", "--target-bits", bits, "--recipe", options.recipe,
                "--only", name, "--embedding-type", "f16", "--calibration", f"{options.tokens}:calibration", "--json",
                "--quiet")
            module = next(line for line in lines if line["type"] == "layer")
            scores = tool(
                "evaluate", output, "--text", f"{options.tokens}:evaluation", "--reference", options.model, "--json",
                "--quiet")[-1]
            row = {
                "recipe": options.recipe, "bits": bits, "name": name, "form": module["stored_as"],
                "planned": module["planned_divergence"], "predicted": module["predicted_divergence"],
                "measured": scores["kl_mean"]}
            rows.append(row)
            with path.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{name:40} {row['form']:8} {row['planned']:.3g} {row['predicted']:.3g} {row['measured']:.3g}", flush=True)
    rows = [row for row in rows if row["recipe"] == options.recipe]
    measured = [row["measured"] for row in rows]
    for kind in ("planned", "predicted"):
        logs = sorted(math.log(row["measured"] / row[kind]) for row in rows)
        ratio = [math.exp(logs[int(share * (len(logs) - 1))]) for share in (0.1, 0.5, 0.9)]
        print(
            f"{kind}: rank correlation with what is measured {correlation([row[kind] for row in rows], measured):.3f}; "
            f"measured / {kind}: median {ratio[1]:.2f}, from {ratio[0]:.2f} to {ratio[2]:.2f} (tenth to ninth tenth)")
        for bits in options.bits:
            some = [row for row in rows if row["bits"] == bits]
            of = [row["measured"] / row[kind] for row in some]
            mean = math.exp(sum(map(math.log, of)) / len(of))
            print(
                f"  {some[0]['form']:8} {correlation([row[kind] for row in some], [row['measured'] for row in some]):.3f}, "
                f"ratio {mean:.2f}")


main()
