"""llama.cpp's model files of 2023, which its programs of that time made: as GGUF they hold the same values by gguf-py's
account, today's llama.cpp loads them, and its likeliest tokens are ours. Needs the fixtures: BELLE_GGML names their folder."""

import hashlib
import json
import os
import pathlib

import gguf
import numpy
from llama_cpp import Llama
from support import PROJECT, Skip, check, folder, tools

NEEDS = ["llama_cpp", "gguf", "numpy"]

FILES = pathlib.Path(os.environ.get("BELLE_GGML", PROJECT.parent / "shared/fixtures/ggml-mini"))
NAMES = {
    "token_embd": "tok_embeddings", "output_norm": "norm", "output": "output", "blk.0.attn_norm": "layers.0.attention_norm",
    "blk.0.attn_q": "layers.0.attention.wq", "blk.0.attn_k": "layers.0.attention.wk", "blk.0.attn_v": "layers.0.attention.wv",
    "blk.0.attn_output": "layers.0.attention.wo", "blk.0.ffn_norm": "layers.0.ffn_norm",
    "blk.0.ffn_gate": "layers.0.feed_forward.w1", "blk.0.ffn_down": "layers.0.feed_forward.w2",
    "blk.0.ffn_up": "layers.0.feed_forward.w3",
}
# What has a place in GGUF as it is; the others go there as floats.
KEPT = ["ggml-f16", "ggmf-f16", "ggjt1-f16", "ggjt2-f16", "ggjt1-q4_0", "ggjt1-q5_0", "ggjt1-q5_1", "ggjt2-q4_0",
        "ggjt2-q5_0", "ggjt2-q5_1", "ggjt3-f16", "ggjt3-q4_0", "ggjt3-q4_1", "ggjt3-q5_0", "ggjt3-q5_1", "ggjt3-q8_0"]


def manifest():
    if not (FILES / "manifest.json").exists():
        raise Skip(f"no manifest.json in {FILES}: BELLE_GGML names the folder")
    return json.loads((FILES / "manifest.json").read_text())


def written(name, place, is_kept=None):
    path = place / f"{name}{is_kept}.gguf"
    options = [] if name in KEPT and is_kept is not False else ["--gguf-type", "f32"]
    said = tools("convert", FILES / f"{name}.bin", path, *options)
    assert "every value identical" in said, said
    return path


@check("every tensor of every file has its values in the GGUF file, by digest")
def values():
    for name, about in manifest().items():
        with folder() as place:
            reader = gguf.GGUFReader(written(name, place))
            assert len(reader.tensors) == len(about["tensors"]), name
            for tensor in reader.tensors:
                wanted = about["tensors"][NAMES[tensor.name.removesuffix(".weight")] + ".weight"]
                found = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype("<f4")
                digest = hashlib.sha256(numpy.ascontiguousarray(found).tobytes()).hexdigest()
                assert digest == wanted["values_sha256"], f"{name}: {tensor.name}"


@check("files of ggjt 3 go into GGUF byte for byte, as llama.cpp's own converter took them")
def bytes_of_the_last():
    for name in manifest():
        if not name.startswith("ggjt3-"):
            continue
        stored = (FILES / f"{name}.bin").read_bytes()
        with folder() as place:
            for tensor in gguf.GGUFReader(written(name, place)).tensors:
                assert numpy.ascontiguousarray(tensor.data).tobytes() in stored, f"{name}: {tensor.name}"


@check("llama.cpp loads them, and its likeliest tokens are ours")
def greedy():
    prompt = "the quick brown fox"
    for name in manifest():
        with folder() as place:
            # Blocks are loaded; what is compared are the same values as floats, for with blocks llama.cpp rounds the states.
            if name in KEPT:
                Llama(str(written(name, place)), n_ctx=64, verbose=False, n_threads=2, n_gpu_layers=0)
            path = written(name, place, is_kept=False)
            engine = Llama(str(path), n_ctx=64, verbose=False, n_threads=2, n_gpu_layers=0)
            tokens = engine.tokenize(prompt.encode(), add_bos=True)
            theirs = []
            for token in engine.generate(tokens, temp=0.0, repeat_penalty=1.0):
                if token == engine.token_eos() or len(theirs) == 12:
                    break
                theirs.append(token)
            lines = tools(
                "generate", FILES / f"{name}.bin", "--prompt", prompt, "--max-tokens", 12, "--json").splitlines()
            ours = next(line["tokens"] for line in map(json.loads, lines) if line["type"] == "text")
            assert ours[: len(theirs)] == theirs, f"{name}: {ours}, {theirs} in llama.cpp"
