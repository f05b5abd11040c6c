#!/usr/bin/env python3
"""The same function with other weights: of a LLaMA model whose weights were rounded to blocks once (a GGUF file that was
dequantized), one whose weights lie on no grid. On such a grid a type of blocks costs nothing, and says nothing of types.

  Scripts/offgrid.py MODEL OUTPUT [--spread 0.2] [--seed 1]

MODEL is a Hugging Face folder (plain RMS norms, SiLU gate, no biases). Norms are multiplied into the matrices that read them
and become 1; channels between v_proj and o_proj, and between up_proj and down_proj, are scaled by exp(spread · normal) on
one side and by its inverse on the other. The embedding, the last norm and a head stay as they are. Needs numpy and
safetensors.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy
from safetensors.numpy import load_file, save_file


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--spread", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    facts = json.loads((options.model / "config.json").read_text(encoding="utf-8"))
    tensors = {}
    for path in sorted(options.model.glob("*.safetensors")):
        tensors |= load_file(path)
    tensors = {name: values.astype(numpy.float32) for name, values in tensors.items()}
    random = numpy.random.default_rng(options.seed)
    heads, keys = facts["num_attention_heads"], facts.get("num_key_value_heads") or facts["num_attention_heads"]
    size = facts.get("head_dim") or facts["hidden_size"] // heads

    def factors(*shape):
        return numpy.exp(options.spread * random.standard_normal(shape)).astype(numpy.float32)

    for layer in range(facts["num_hidden_layers"]):
        place = f"model.layers.{layer}."
        reads = {
            "input_layernorm": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
            "post_attention_layernorm": ["mlp.gate_proj", "mlp.up_proj"]}
        for norm, modules in reads.items():
            weights = tensors[f"{place}{norm}.weight"]
            for module in modules:
                tensors[f"{place}{module}.weight"] *= weights[None, :]
            tensors[f"{place}{norm}.weight"] = numpy.ones_like(weights)
        # Several heads read one head of values.
        values = factors(keys, size)
        tensors[place + "self_attn.v_proj.weight"] *= values.reshape(-1, 1)
        tensors[place + "self_attn.o_proj.weight"] /= values.repeat(heads // keys, 0).reshape(1, -1)
        middle = factors(facts["intermediate_size"])
        tensors[place + "mlp.up_proj.weight"] *= middle[:, None]
        tensors[place + "mlp.down_proj.weight"] /= middle[None, :]
    options.output.mkdir(parents=True)
    save_file(tensors, options.output / "model.safetensors", metadata={"format": "pt"})
    for path in options.model.iterdir():
        if path.suffix != ".safetensors" and path.is_file() and "index" not in path.name:
            shutil.copy(path, options.output)


main()
