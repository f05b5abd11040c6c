"""GPTQ folders that `quantize` writes, loaded by transformers through GPTQModel: the perplexity there is ours."""

import json
import math

import torch
from gptq_support import TOKENS, load, quantize
from gptqmodel import BACKEND, GPTQModel
from gptqmodel_support import perplexity
from support import check, folder, tools

NEEDS = ["torch", "transformers", "gptqmodel", "optimum", "numpy"]
WINDOWS = 16


def verify(*options):
    with folder() as path:
        quantized = quantize(path, *options)
        found = perplexity(quantized, TOKENS, WINDOWS)
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


@check("bits and groups that differ by module, chosen for a size: GPTQModel's own loader reads dynamic")
def mixed():
    with folder() as path:
        quantized = quantize(path, "--target-bits", 3.7, "--recipe", "fast")
        assert json.loads((quantized / "quantize_config.json").read_text()).get("dynamic"), "all modules got the same"
        model = GPTQModel.load(str(quantized), device="cpu", backend=BACKEND.TORCH, dtype=torch.float32).model
        forms = {(part.bits, part.group_size) for part in model.modules() if hasattr(part, "qweight")}
        assert len(forms) > 1, forms
        tokens = torch.tensor(load(TOKENS)["evaluation"][:WINDOWS].astype("int64"))
        with torch.no_grad():
            logits = model(tokens).logits.float()[:, :-1]
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), tokens[:, 1:].reshape(-1))
        scores = json.loads(
            tools(
                "evaluate", quantized, "--text", f"{TOKENS}:evaluation", "--max-tokens", WINDOWS * 256, "--json", "--quiet"
            ).splitlines()[-1])
        found = math.exp(loss.item())
        assert abs(found / scores["perplexity"] - 1) < 0.01, f"{found} there, {scores['perplexity']} here"


@check("4 bits, asymmetric: GPTQModel's own loader takes it too")
def own_loader():
    with folder() as path:
        model = GPTQModel.load(
            str(quantize(path, "--bits", 4, "--asymmetric", "--recipe", "fast")), device="cpu", backend=BACKEND.TORCH,
            dtype=torch.float16)
        tokens = torch.tensor(load(TOKENS)["evaluation"][:1].astype("int64"))
        with torch.no_grad():
            assert torch.isfinite(model.model(tokens).logits).all()
