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
import random
import statistics
import struct
import subprocess
import sys
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parents[1]
LENGTH = 512
VOCABULARY = 512


def safetensors(path, tensors):
    """Writes (name, type, shape, bytes)."""
    header, at = {}, 0
    for name, kind, shape, data in tensors:
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for *_, data in tensors:
            file.write(data)


def halves(seed, count):
    """Random numbers in half precision, 2^-7 to 2^-5 with either sign."""
    bits = int.from_bytes(seed.randbytes(2 * count), "little")
    mask = int.from_bytes(b"\xff\x87" * count, "little")
    base = int.from_bytes(b"\x00\x20" * count, "little")
    return (bits & mask | base).to_bytes(2 * count, "little")


def write_model(home, hidden, layers, windows):
    seed = random.Random(1)
    middle = hidden * 11 // 4 // 128 * 128
    home.mkdir()
    (home / "config.json").write_text(
        json.dumps(
            {"model_type": "llama", "hidden_size": hidden, "intermediate_size": middle, "num_hidden_layers": layers,
             "num_attention_heads": hidden // 64, "num_key_value_heads": hidden // 64, "vocab_size": VOCABULARY,
             "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "torch_dtype": "float16"}))  # fmt: skip
    one = b"\x00\x3c" * hidden
    tensors = [("model.embed_tokens.weight", "F16", [VOCABULARY, hidden], halves(seed, VOCABULARY * hidden)),
               ("lm_head.weight", "F16", [VOCABULARY, hidden], halves(seed, VOCABULARY * hidden)),
               ("model.norm.weight", "F16", [hidden], one)]  # fmt: skip
    for layer in range(layers):
        place = f"model.layers.{layer}."
        tensors += [(place + f"{norm}_layernorm.weight", "F16", [hidden], one) for norm in ["input", "post_attention"]]
        for name, out, width in [*((f"self_attn.{x}_proj", hidden, hidden) for x in "qkvo"), ("mlp.gate_proj", middle, hidden),
                                 ("mlp.up_proj", middle, hidden), ("mlp.down_proj", hidden, middle)]:  # fmt: skip
            tensors.append((place + name + ".weight", "F16", [out, width], halves(seed, out * width)))
    safetensors(home / "model.safetensors", tensors)
    tokens = b"".join(struct.pack("<i", seed.randrange(VOCABULARY)) for _ in range(windows * LENGTH))
    safetensors(home / "tokens.safetensors", [("calibration", "I32", [windows, LENGTH], tokens)])


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
