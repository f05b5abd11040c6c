"""Gradients of the small trained models by torch, for GradientTests: python make_gradients.py SHARED/tiny

For the two windows of reference-logits.safetensors and labels drawn from the model's predictions by seed 7 (LabelDraws.swift,
written once more here): of each linear module Σ g² and four entries of g, the gradient at its output of the summed cross
entropy. Written in double precision, so that only what is tested rounds.
"""
import json, os, sys
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

MASK = (1 << 64) - 1


def mixed(x):
    z = (x + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
    return z ^ z >> 31


def uniform(seed, draw, token):
    return (mixed((mixed((mixed(seed) + draw) & MASK) + token) & MASK) >> 11) * 2.0**-53


here = os.path.dirname(os.path.abspath(__file__))
for name in ["llama", "bloom"]:
    folder = os.path.join(sys.argv[1], name)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval()
    model.requires_grad_(False)
    tokens = load_file(os.path.join(here, name, "reference-logits.safetensors"))["tokens"].long()
    gradients = {}
    for module_name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and "lm_head" not in module_name:
            module.register_full_backward_hook(
                lambda _, __, out, key=module_name: gradients.__setitem__(key, out[0].reshape(-1, out[0].shape[-1]))
            )
    states = model.get_input_embeddings()(tokens).detach().requires_grad_(True)
    logits = model(inputs_embeds=states).logits
    logits = logits.reshape(-1, logits.shape[-1])
    sums = torch.softmax(logits.detach(), -1).cumsum(-1)
    numbers = torch.tensor([uniform(7, 0, t) for t in range(len(logits))], dtype=torch.float64) * (1 - 2.0**-20)
    labels = (sums <= numbers[:, None]).sum(-1)
    torch.nn.functional.cross_entropy(logits, labels, reduction="sum").backward()
    found = {}
    for key, g in sorted(gradients.items()):
        places = [(1, 2), (40, g.shape[1] - 1), (60, 17), (95, g.shape[1] // 2)]
        found[key] = {
            "squares": (g * g).sum().item(),
            "entries": [{"row": r, "column": c, "value": g[r, c].item()} for r, c in places],
        }
    with open(os.path.join(here, name, "gradients.json"), "w") as file:
        json.dump({"seed": 7, "labels": labels.tolist(), "modules": found}, file, indent=1)
        file.write("\n")
