"""Models that `extend` made against python-protobuf, sentencepiece, numpy and transformers: merged models byte for byte,
ids of random texts, new rows bit for bit, perplexities on sentencepiece's ids, tokens that are added as a list."""

import json
import random

import numpy
import sentencepiece
import torch
from safetensors.numpy import load_file, save_file
from sentencepiece import sentencepiece_model_pb2
from support import PROJECT, check, folder, tools
from transformers import AutoModelForCausalLM, AutoTokenizer

NEEDS = ["google.protobuf", "numpy", "safetensors", "sentencepiece", "torch", "transformers"]

FIXTURE = PROJECT / "Tests/Fixtures/extend"
MODEL, LENGTH = FIXTURE / "model", 32
MATRICES = ["model.embed_tokens.weight", "lm_head.weight"]


def trained(place, seed):
    """A tokenizer of Chinese and English words at random; now and then with pieces that are set aside."""
    chance = random.Random(seed)
    words = ["".join(chr(chance.randrange(0x4E00, 0x4E40)) for _ in range(chance.randrange(1, 4))) for _ in range(40)]
    words += ["".join(chance.choice("etaoin") for _ in range(chance.randrange(2, 6))) for _ in range(20)]
    lines = ["".join(chance.choice(words) + chance.choice(["", " ", "，"]) for _ in range(20)) for _ in range(300)]
    path = place / f"second-{seed}"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=str(path), model_type="bpe", vocab_size=450, hard_vocab_limit=False,
        character_coverage=0.9995, num_threads=1, minloglevel=2, user_defined_symbols=["<sep>"] if seed % 2 else [],
        byte_fallback=seed % 3 == 0)
    return path.with_suffix(".model"), lines


def merged(second, scores):
    one, other = sentencepiece_model_pb2.ModelProto(), sentencepiece_model_pb2.ModelProto()
    one.ParseFromString((MODEL / "tokenizer.model").read_bytes())
    other.ParseFromString(second.read_bytes())
    texts = {piece.piece for piece in one.pieces}
    for piece in (piece for piece in other.pieces if piece.piece not in texts):
        new = one.pieces.add()
        if scores == "keep":
            new.CopyFrom(piece)
        else:
            new.piece, new.score = piece.piece, 0
    return one.SerializeToString()


def inside():
    """The model's own tokenizer in the middle of a text: a message that occurs again is merged into the first."""
    own = (MODEL / "tokenizer.model").read_bytes()
    return sentencepiece.SentencePieceProcessor(model_proto=own + bytes([3 << 3 | 2, 2, 3 << 3, 0]))


@check("random tokenizers are merged as python-protobuf merges them; ids and rows are sentencepiece's and numpy's")
def merges():
    own, count = inside(), 0
    for seed in range(6):
        with folder() as place:
            second, _ = trained(place, seed)
            for scores in ("keep", "zero"):
                out = place / scores
                tools("extend", MODEL, second, out, "--scores", scores, "--rows", "pieces", "--quiet")
                assert (out / "tokenizer.model").read_bytes() == merged(second, scores), f"{seed} {scores}"
                peer = sentencepiece.SentencePieceProcessor(model_file=str(out / "tokenizer.model"))
                old, new = load_file(MODEL / "model.safetensors"), load_file(out / "model.safetensors")
                for name in MATRICES:
                    size = len(old[name])
                    assert new[name].shape[0] == peer.vocab_size() and (new[name][:size] == old[name]).all()
                    for row in range(size, peer.vocab_size()):
                        total = numpy.zeros(old[name].shape[1])
                        ids = own.encode(peer.id_to_piece(row))
                        for number in ids:
                            total += old[name][number].astype(numpy.float64)
                        assert ((total / len(ids)).astype(numpy.float16) == new[name][row]).all(), f"{name} {row}"
                        count += 1
    return f"{count} new rows"


@check("transformers opens what was extended, and predicts on sentencepiece's ids as evaluate does on its own")
def predictions():
    worst = 0
    for seed in range(2):
        with folder() as place:
            second, lines = trained(place, seed)
            (place / "text.txt").write_text("\n".join(lines[:40]), encoding="utf-8")
            for scores in ("keep", "zero"):
                out = place / scores
                tools("extend", MODEL, second, out, "--scores", scores, "--pad-to", 64, "--quiet")
                peer = sentencepiece.SentencePieceProcessor(model_file=str(out / "tokenizer.model"))
                ids = [1] + peer.encode("\n".join(lines[:40]))
                windows = torch.tensor(ids[: len(ids) // LENGTH * LENGTH]).reshape(-1, LENGTH)
                model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
                with torch.no_grad():
                    logits = model(windows).logits.double().log_softmax(-1)
                expected = (-logits[:, :-1].gather(2, windows[:, 1:, None])).mean().exp().item()
                said = tools("evaluate", out, "--text", place / "text.txt", "--sequence-length", LENGTH, "--json")
                said = json.loads(said.splitlines()[-1])
                assert said["windows"] == len(windows), said
                worst = max(worst, abs(said["perplexity"] / expected - 1))
    assert worst < 1e-5, worst
    return f"{worst:.1e} of the perplexity at most"


@check("tokens of a list have the ids in transformers that its own add_tokens gives them")
def lists():
    texts = ["a<|im_start|>user\n语言<|im_end|>", "the<x>the weights", "<|im_end|><|im_start|>", "no such token"]
    listed = ["<|im_start|>", {"content": "<|im_end|>", "special": True}, "<x>", "▁the"]
    with folder() as place:
        (place / "list.json").write_text(json.dumps(listed))
        tokenizer = PROJECT / "Tests/Fixtures/tiny/bloom"
        base = place / "bloom"
        base.mkdir()
        for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
            (base / name).write_bytes((tokenizer / name).read_bytes())
        settings = json.loads((base / "config.json").read_text()) | {"n_layer": 1, "n_head": 2, "n_embed": 16}
        settings = {key: value for key, value in settings.items() if key != "hidden_size"} | {"hidden_size": 16}
        (base / "config.json").write_text(json.dumps(settings))
        save_file(bloom(settings["vocab_size"]), base / "model.safetensors")
        for model in (MODEL, base):
            out = place / f"{model.name}-out"
            tools("extend", model, place / "list.json", out, "--quiet")
            peer, found = AutoTokenizer.from_pretrained(model), AutoTokenizer.from_pretrained(out)
            for token in listed:
                text = token if isinstance(token, str) else token["content"]
                if peer.convert_tokens_to_ids(text) in (None, peer.unk_token_id):
                    peer.add_tokens([text], special_tokens=not isinstance(token, str))
            assert len(peer) == len(found), (len(peer), len(found))
            for text in texts:
                assert peer.encode(text) == found.encode(text), (text, peer.encode(text), found.encode(text))


def bloom(rows, width=16):
    """A BLOOM of one layer."""
    chance = numpy.random.default_rng(1)
    shapes = {"word_embeddings": (rows, width)}
    layer = "h.0."
    shapes |= {
        layer + "self_attention.query_key_value": (3 * width, width), layer + "self_attention.dense": (width, width),
        layer + "mlp.dense_h_to_4h": (4 * width, width), layer + "mlp.dense_4h_to_h": (width, 4 * width),
    }
    norms = ["word_embeddings_layernorm", layer + "input_layernorm", layer + "post_attention_layernorm", "ln_f"]
    shapes |= {name: (width,) for name in norms}
    tensors = {}
    for name, shape in shapes.items():
        tensors[f"transformer.{name}.weight"] = chance.standard_normal(shape).astype(numpy.float32)
        if name != "word_embeddings":
            tensors[f"transformer.{name}.bias"] = numpy.zeros(shape[0], numpy.float32)
    return tensors
