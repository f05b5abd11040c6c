"""llama.cpp's model files of 2023, which its programs of that time made: as GGUF they hold the same values by gguf-py's
account, today's llama.cpp loads them, and its likeliest tokens are ours. Needs the fixtures: BELLE_GGML names their folder.
BELLE_GGML_CONVERTER is a command that runs llama.cpp's convert-llama-ggml-to-gguf.py, which is no longer shipped: the source
of llama-cpp-python 0.2.57 on PyPI has it, with its gguf-py, in vendor/llama.cpp (numpy 1)."""

import hashlib
import json
import os
import pathlib
import shlex
import subprocess

import gguf
import numpy
from llama_support import has_blas, load, logits
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


def contents(path):
    reader = gguf.GGUFReader(path)
    tensors = {one.name: (int(one.tensor_type), list(map(int, one.shape)), one.data.tobytes()) for one in reader.tensors}
    return tensors, {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}


@check("what llama.cpp's own converter takes has its bytes in every tensor, and its value in every key that both write")
def converter():
    command = shlex.split(os.environ.get("BELLE_GGML_CONVERTER", ""))
    if not command:
        raise Skip("BELLE_GGML_CONVERTER names no program")
    taken = 0
    for name in manifest():
        with folder() as place:
            theirs = place / "theirs.gguf"
            options = ["-i", str(FILES / f"{name}.bin"), "-o", str(theirs), "--eps", "1e-6"]
            if subprocess.run(command + options, capture_output=True).returncode != 0:
                continue
            taken += 1
            ours = place / "ours.gguf"
            tools("convert", FILES / f"{name}.bin", ours, "--rms-eps", "1e-6", "--context", 2048)
            (their_tensors, their_keys), (our_tensors, our_keys) = contents(theirs), contents(ours)
            assert their_tensors == our_tensors, name
            different = {key for key in their_keys if key in our_keys and their_keys[key] != our_keys[key]}
            # Unversioned files hold no scores: it writes zeros, and here the order of the tokens counts.
            assert different <= ({"tokenizer.ggml.scores"} if name.startswith("ggml-") else set()), (name, different)
    print(f"  {taken} files taken by it")
    assert taken >= 12, taken


PROMPTS = ["the quick brown fox", "Hello", "a b c d"]


def generated(name, prompt):
    lines = tools("generate", FILES / f"{name}.bin", "--prompt", prompt, "--max-tokens", 12, "--json").splitlines()
    said = next(line for line in map(json.loads, lines) if line["type"] == "text")
    return said["tokens"], said["end"] == "eos"


def parting(engine, tokens, said, has_ended):
    """The first token that was said here and is not llama.cpp's likeliest, and how much likelier that is, as a part of the
    range of its logits; None where there is none."""
    expected = said + [engine.token_eos()] * has_ended
    for row, token in zip(logits(engine, tokens + said)[len(tokens) - 1 :], expected):
        if row.argmax() != token:
            return token, (row.max() - row[token]) / (row.max() - row.min())
    return None


@check("llama.cpp loads them; its likeliest tokens are ours")
def greedy():
    exact, texts = has_blas(), 0
    for name in manifest():
        # Without BLAS llama.cpp rounds the states to 8 bits beside blocks, and to halves beside halves: of a model of random
        # weights many tokens are as good as equal, and what it calls equal may part. With BLAS nothing does.
        for is_kept in [False, True] if name in KEPT else [False]:
            rounds = not exact and is_kept
            with folder() as place:
                engine = load(written(name, place, is_kept), context=64)
                for prompt in PROMPTS:
                    tokens = engine.tokenize(prompt.encode(), add_bos=True)
                    found = parting(engine, tokens, *generated(name, prompt))
                    limit = 0 if not rounds else 0.001 if name.endswith("f16") else 0.01
                    assert found is None or found[1] <= limit, f"{name}, {prompt!r}: {found}"
                    texts += 1
    return f"{texts} texts" + ("" if exact else "; llama.cpp has no BLAS here, and rounds states beside blocks")
