"""Every architecture but LLaMA's plain form, Qwen's and BLOOM's: small random models by transformers (InternLM2's and
Baichuan's by a plain forward pass in torch) are evaluated and continued here as there; their GGUF files predict in llama.cpp
as here and are read by gguf-py; converted back they are the same models to transformers; quantized folders load there.

The models are those of Tests/Fixtures/architectures/make.py, with other numbers and the layers that llama.cpp wants.
"""

import contextlib
import functools
import json
import os
import sys

os.environ["TORCHDYNAMO_DISABLE"] = "1"
os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")

import gguf
import numpy
import torch
from llama_support import FEWEST, load, perplexity, share
from safetensors.numpy import save_file
from support import PROJECT, Skip, check, folder, tools
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

NEEDS = ["gguf", "llama_cpp", "numpy", "safetensors", "tokenizers", "torch", "transformers"]

sys.path.insert(0, str(PROJECT / "Tests/Fixtures/architectures"))
import make as fixtures  # noqa: E402

# The numbers of layers by which llama.cpp tells Baichuan's positions.
LAYERS = {"baichuan": 32, "baichuan2-13b": 40}
# What llama.cpp does not compute: files with it are refused, or said to be others in long texts.
REFUSED = {"mistral": "tokens back only"}
# Up to which length of text both compute the same: beyond it llama.cpp has no window and no dynamic scaling. Of longrope it
# takes the divisors for its context, which is 256 tokens at least: those of long texts, as these are.
SHORT = {"llama-dynamic": 32, "internlm2": 32, "phi3-window": 16}


def tokenizer(place):
    """A byte-level BPE of the bytes alone, with an end."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: index for index, letter in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<|endoftext|>"])
    PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|endoftext|>").save_pretrained(place)


@functools.cache
def rows():
    return torch.randint(0, 256, (3, fixtures.LENGTH), generator=torch.Generator().manual_seed(11))


@contextlib.contextmanager
def model(name):
    """A model's folder, and what was made of the tokens."""
    with folder() as place:
        layers = {"num_hidden_layers": LAYERS[name]} if name in LAYERS else {}
        found = fixtures.make(name, place / "model", rows(), seed=5, **layers)
        tokenizer(place / "model")
        save_file({"tokens": rows().numpy().astype(numpy.int32)}, place / "tokens.safetensors")
        short = rows()[:, : SHORT.get(name, fixtures.LENGTH)].numpy().astype(numpy.int32)
        save_file({"tokens": numpy.ascontiguousarray(short)}, place / "short.safetensors")
        yield place, found


# llama.cpp rounds what it multiplies blocks by to 8 bits, which models without training feel: so much of the perplexity. With
# BLAS it does so only with matrices of fewer than 32 rows, as keys and values have here where several heads share them.
ROUNDED = share(1e-2, 8e-2)


def ours(path, text):
    lines = tools("evaluate", path, "--text", text, "--json", "--quiet").splitlines()
    return json.loads(lines[-1])["perplexity"]


def near(one, other, what, limit):
    assert abs(one / other - 1) < limit, f"{what}: {one} and {other}"


def theirs(path, length):
    """llama.cpp's perplexity, with a context of just the text."""
    return perplexity(load(path, context=max(length, FEWEST)), rows()[:, :length].tolist())


def in_floats(place, path, length):
    """The values of blocks as floats: there llama.cpp does not round what it multiplies them by."""
    floats = place / "floats.gguf"
    tools("convert", path, floats, "--gguf-type", "f32", "--dequantize", "--force")
    near(theirs(floats, length), ours(path, place / "short.safetensors"), f"{path.name} as floats in llama.cpp", 2e-3)


def each(one):
    """Runs a check for every architecture and says all that failed."""
    failures = []
    for name in fixtures.models():
        try:
            one(name)
        except AssertionError as reason:
            failures.append(f"{name}: {reason}")
    assert not failures, "; ".join(failures)
    return f"{len(fixtures.models())} models"


@check("perplexity is transformers', or the plain forward pass's")
def evaluated():
    def one(name):
        with model(name) as (place, found):
            near(ours(place / "model", place / "tokens.safetensors"), found["perplexity"], "perplexity", 1e-4)

    return each(one)


@check("GGUF files are read by gguf-py and predict in llama.cpp as here, and as the original in texts that it computes alike")
def to_gguf():
    def one(name):
        with model(name) as (place, found):
            if name in REFUSED:
                done = tools("convert", place / "model", place / "m.gguf", status=None)
                assert done.returncode == 1 and REFUSED[name] in done.stderr, done.stderr
                return
            length = SHORT.get(name, fixtures.LENGTH)
            for kind, limit in (("f32", 2e-3), ("q8_0", ROUNDED)):
                path = place / f"{kind}.gguf"
                tools("convert", place / "model", path, "--gguf-type", kind)
                if kind != "f32":
                    in_floats(place, path, length)
                reader = gguf.GGUFReader(path)
                assert reader.tensors and all(numpy.isfinite(tensor.data).all() for tensor in reader.tensors
                                              if tensor.tensor_type == gguf.GGMLQuantizationType.F32)
                mine = ours(path, place / "short.safetensors")
                near(theirs(path, length), mine, f"{kind} in llama.cpp", limit)
                if kind == "f32":
                    near(mine, ours(place / "model", place / "short.safetensors"), "f32 and the folder", 1e-4)

    return each(one)


@check("made of its GGUF file, a folder is the same model to transformers")
def from_gguf():
    def one(name):
        if name in REFUSED or fixtures.models()[name][0] in fixtures.PLAIN:
            return
        with model(name) as (place, _):
            tools("convert", place / "model", place / "m.gguf", "--gguf-type", "f32")
            tools("convert", place / "m.gguf", place / "back")
            length = SHORT.get(name, fixtures.LENGTH)
            text = rows()[:, :length]
            loaded = AutoModelForCausalLM.from_pretrained(place / "back", dtype=torch.float32).eval()
            original = AutoModelForCausalLM.from_pretrained(place / "model", dtype=torch.float32).eval()
            with torch.no_grad():
                worst = (loaded(text).logits - original(text).logits).abs().max().item()
            assert worst < 1e-3, f"logits differ by {worst}"

    return each(one)


@check("GPTQ folders load in transformers through GPTQModel and predict as here")
def quantized():
    try:
        import gptqmodel  # noqa: F401
        from transformers import GPTQConfig
    except ImportError as reason:
        raise Skip("no GPTQModel here") from reason

    def one(name):
        if fixtures.models()[name][0] in fixtures.PLAIN:
            return
        with model(name) as (place, _):
            tools(
                "quantize", place / "model", place / "packed", "--bits", "4", "--group-size", "32", "--method", "rtn",
                "--quiet")
            backend = GPTQConfig(bits=4, backend="gptq_torch")
            loaded = AutoModelForCausalLM.from_pretrained(
                place / "packed", device_map="cpu", dtype=torch.float32, quantization_config=backend).eval()
            with torch.no_grad():
                found = fixtures.perplexity(loaded(rows()).logits, rows())
            near(found, ours(place / "packed", place / "tokens.safetensors"), "perplexity", 1e-2)

    return each(one)


@check("quantized into GGUF, files predict in llama.cpp as here")
def quantized_gguf():
    def one(name):
        if name in REFUSED:
            return
        with model(name) as (place, _):
            path = place / "q.gguf"
            tools(
                "quantize", place / "model", path, "--format", "gguf", "--gguf-type", "q4_0", "--method", "rtn", "--quiet")
            length = SHORT.get(name, fixtures.LENGTH)
            near(theirs(path, length), ours(path, place / "short.safetensors"), "perplexity", ROUNDED)
            in_floats(place, path, length)

    return each(one)
