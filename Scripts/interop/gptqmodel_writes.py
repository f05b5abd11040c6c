"""Folders that GPTQModel itself writes: `doctor` says nothing about them, `evaluate` has the perplexity that transformers has
on them, and they become GGUF and floating-point models with the same weights."""

import contextlib
import json
import shutil

from gptq_support import load
from gptqmodel import GPTQModel, QuantizeConfig
from gptqmodel_support import perplexity
from support import PROJECT, check, folder, tools
from transformers import BloomConfig, BloomForCausalLM, LlamaConfig, LlamaForCausalLM, set_seed

NEEDS = ["torch", "transformers", "gptqmodel", "optimum", "numpy"]
FIXTURES = PROJECT / "Tests/Fixtures/tiny"
WINDOWS = 4


def random_model(family, path):
    """One layer of random weights, with the small models' tokenizer."""
    set_seed(1)
    if family == "llama":
        model = LlamaForCausalLM(LlamaConfig(
            vocab_size=4096, hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=512, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2))
    else:
        model = BloomForCausalLM(BloomConfig(
            vocab_size=4096, hidden_size=64, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=2, pad_token_id=3))
    model.half().save_pretrained(path)
    for file in (FIXTURES / family).glob("tokenizer*"):
        if file.name != "tokenizer-cases.json":
            shutil.copy(file, path)


def verify(family, **options):
    tokens = FIXTURES / family / "tokens.safetensors"
    # It writes logs into the folder that it is run in.
    with folder() as place, contextlib.chdir(place):
        random_model(family, place / "plain")
        rows = [{"input_ids": row.tolist(), "attention_mask": [1] * len(row)} for row in load(tokens)["calibration"][:4]]
        model = GPTQModel.load(str(place / "plain"), QuantizeConfig(group_size=32, **options), device="cpu")
        model.quantize(rows, batch_size=1)
        model.save(str(place / "packed"))
        lines = [json.loads(line) for line in tools("doctor", place / "packed", "--json").splitlines()]
        assert not any(line["type"] == "finding" for line in lines), lines
        found = perplexity(place / "packed", tokens, WINDOWS)
        text = f"{tokens}:evaluation"
        for output in ("packed", "floats", "model.gguf"):
            if output == "floats":
                tools("convert", place / "packed", place / output, "--dequantize")
            elif output == "model.gguf":
                # Scattered groups and asymmetric grids have no block of their own: F32 holds every value.
                tools("convert", place / "packed", place / output, "--gguf-type", "f32")
            scores = json.loads(
                tools("evaluate", place / output, "--text", text, "--max-tokens", WINDOWS * 256, "--json").splitlines()[-1])
            assert abs(found / scores["perplexity"] - 1) < 0.01, f"{output}: {found} there, {scores['perplexity']} here"


@check("LLaMA, 4 bits, symmetric")
def four():
    verify("llama", bits=4)


@check("LLaMA, 4 bits, asymmetric, in the order of activations, version 1")
def asymmetric():
    verify("llama", bits=4, sym=False, desc_act=True)


@check("LLaMA, 8 bits, asymmetric, version 2")
def eight():
    verify("llama", bits=8, sym=False, format="gptq_v2")


@check("BLOOM, 4 bits, symmetric")
def bloom():
    verify("bloom", bits=4)
