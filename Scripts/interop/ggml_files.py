"""llama.cpp's model files of 2023, which its programs of that time made: as GGUF they hold the same values by gguf-py's
account, today's llama.cpp loads them, and its likeliest tokens are ours. Needs the fixtures: BELLE_GGML names their folder.
BELLE_GGML_CONVERTER is a command that runs llama.cpp's convert_llama_ggml_to_gguf.py, which is no longer shipped: the
program of 2024 with gguf 0.6.0 and numpy 1, where GGUFWriter has no add_tokenizer_pre until one is given to it."""

import hashlib
import json
import os
import pathlib
import shlex
import subprocess

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


def likeliest(engine, tokens):
    engine.reset()
    found = []
    for token in engine.generate(tokens, temp=0.0, repeat_penalty=1.0):
        if token == engine.token_eos() or len(found) == 12:
            break
        found.append(token)
    return found


def generated(name, prompt):
    lines = tools("generate", FILES / f"{name}.bin", "--prompt", prompt, "--max-tokens", 12, "--json").splitlines()
    return next(line["tokens"] for line in map(json.loads, lines) if line["type"] == "text")


@check("llama.cpp loads them; its likeliest tokens are ours, and where it rounds states, parting only at what it calls equal")
def greedy():
    for name in manifest():
        # A model of random weights has many tokens that are as good as equal. llama.cpp keeps keys and values in half
        # precision, and beside blocks rounds the states to 8 bits: 0.1 % and 1 % of the range of its logits.
        for is_kept in [False, True] if name in KEPT else [False]:
            with folder() as place:
                path = written(name, place, is_kept)
                engine = Llama(str(path), n_ctx=64, verbose=False, n_threads=2, n_gpu_layers=0, logits_all=True)
                for prompt in PROMPTS:
                    tokens = engine.tokenize(prompt.encode(), add_bos=True)
                    theirs, ours = likeliest(engine, tokens), generated(name, prompt)
                    if ours[: len(theirs)] == theirs:
                        continue
                    assert is_kept or prompt != PROMPTS[0], f"{name}: {ours}, {theirs} in llama.cpp"
                    place_of_parting = next(at for at, both in enumerate(zip(ours, theirs)) if both[0] != both[1])
                    engine.reset()
                    engine.eval(tokens + theirs[:place_of_parting])
                    logits = engine.scores[engine.n_tokens - 1]
                    gap = logits[theirs[place_of_parting]] - logits[ours[place_of_parting]]
                    part = 0.01 if is_kept and not name.endswith("f16") else 0.001
                    assert gap <= part * (logits.max() - logits.min()), f"{name}: {ours}, {theirs} in llama.cpp, {gap}"
