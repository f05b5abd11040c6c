"""GPTQ folders that `quantize` writes, loaded by transformers through GPTQModel: the perplexity there is ours."""

import json
import math
import os

# Its modules would be compiled at their first use, which takes longer than everything else here.
os.environ["TORCHDYNAMO_DISABLE"] = "1"

import gptqmodel  # noqa: E402, F401  transformers finds it by itself
import torch
from gptq_support import TOKENS, load, quantize
from support import check, folder, tools
from transformers import AutoModelForCausalLM, GPTQConfig

NEEDS = ["torch", "transformers", "gptqmodel", "optimum", "numpy"]
WINDOWS = 16


def perplexity(path):
    """Of transformers' model, on the first windows."""
    # Of the settings given here only the backend counts: the one in torch itself, which needs no compiler.
    backend = GPTQConfig(bits=json.loads((path / "quantize_config.json").read_text())["bits"], backend="gptq_torch")
    model = AutoModelForCausalLM.from_pretrained(
        path, device_map="cpu", dtype=torch.float32, quantization_config=backend).eval()
    assert any("Linear" in type(module).__name__ and hasattr(module, "qweight") for module in model.modules()), (
        "transformers has not kept it quantized")
    tokens = torch.tensor(load(TOKENS)["evaluation"][:WINDOWS].astype("int64"))
    with torch.no_grad():
        return math.exp(model(tokens, labels=tokens).loss.item())


def verify(*options):
    with folder() as path:
        quantized = quantize(path, *options)
        found = perplexity(quantized)
        scores = json.loads(
            tools(
                "evaluate", quantized, "--text", f"{TOKENS}:evaluation", "--max-tokens", WINDOWS * 256, "--json", "--quiet"
            ).splitlines()[-1])
        assert abs(found / scores["perplexity"] - 1) < 0.01, f"{found} there, {scores['perplexity']} here"


@check("4 bits, the defaults")
def defaults():
    verify("--bits", 4)


@check("4 bits, asymmetric, groups in the order of activation, with g_idx")
def ordered():
    verify("--bits", 4, "--asymmetric", "--act-order")


@check("8 bits, groups of 32")
def eight():
    verify("--bits", 8, "--group-size", 32, "--recipe", "fast")
