"""What the topics with GPTQModel share: how it is set up, and the perplexity of a folder in transformers through it."""

import json
import math
import os

# Its modules would be compiled at their first use, which takes longer than everything else here.
os.environ["TORCHDYNAMO_DISABLE"] = "1"
# On machines with few processors it asks for more workers than it has made.
os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")

import gptqmodel  # noqa: E402, F401  transformers finds it by itself
import torch
from gptq_support import load
from transformers import AutoModelForCausalLM, GPTQConfig


def quantized_model(path):
    """A folder's model in transformers, by GPTQModel's modules."""
    # Of the settings given here only the backend counts: the one in torch itself, which needs no compiler.
    backend = GPTQConfig(bits=json.loads((path / "quantize_config.json").read_text())["bits"], backend="gptq_torch")
    model = AutoModelForCausalLM.from_pretrained(
        path, device_map="cpu", dtype=torch.float32, quantization_config=backend).eval()
    assert any("Linear" in type(module).__name__ and hasattr(module, "qweight") for module in model.modules()), (
        "transformers has not kept it quantized")
    return model


def perplexity(path, tokens, windows):
    """Of transformers' model, on the first windows of a file of tokens."""
    model = quantized_model(path)
    tokens = torch.tensor(load(tokens)["evaluation"][:windows].astype("int64"))
    with torch.no_grad():
        return math.exp(model(tokens, labels=tokens).loss.item())
