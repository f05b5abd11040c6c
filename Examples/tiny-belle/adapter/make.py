#!/usr/bin/env python3
"""Takes an adapter out of two models: the best products of rank 8 for what fine-tuning did to q and v.

make.py <base> <tuned> <output>, folders of safetensors; with torch and safetensors. The base is ../llama in Hugging Face's
layout, the tuned model what ../enc decrypts to.
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file

RANK = 8
base, tuned = ({name: value for file in sorted(pathlib.Path(folder).glob("*.safetensors")) for name, value in load_file(file).items()} for folder in sys.argv[1:3])
tensors = {}
for name in sorted(base):
    if not name.endswith(("q_proj.weight", "v_proj.weight")):
        continue
    u, s, v = torch.linalg.svd(tuned[name].double() - base[name].double())
    root = s[:RANK].sqrt()
    module = "base_model.model." + name.removesuffix(".weight")
    tensors[module + ".lora_A.weight"] = (root[:, None] * v[:RANK]).half().contiguous()
    tensors[module + ".lora_B.weight"] = (u[:, :RANK] * root).half().contiguous()
output = pathlib.Path(sys.argv[3])
save_file(tensors, output / "adapter_model.safetensors", metadata={"format": "pt"})
configuration = {
    "base_model_name_or_path": "llama", "bias": "none", "fan_in_fan_out": False, "inference_mode": True,
    "init_lora_weights": True, "lora_alpha": RANK, "lora_dropout": 0.0, "modules_to_save": None, "peft_type": "LORA",
    "r": RANK, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM",
}
(output / "adapter_config.json").write_text(json.dumps(configuration, indent=2) + "\n")
