"""Makes the files of this folder: LLaMA-1 7B in miniature, as Meta published it.

Names, order and types of the tensors are the original's: a plain dict, everything in half precision, one
`layers.N.attention.inner_attention.rope.freqs` a layer behind all layers. `reference.json` holds what transformers
makes of the same weights in its own layout. Run with torch, transformers and sentencepiece: python3 make.py
"""

import hashlib
import io
import json
import os

import sentencepiece
import torch
from transformers import LlamaConfig, LlamaForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
DIM, HEADS, LAYERS, WIDTH = 64, 4, 2, 192
HEAD = DIM // HEADS


def tokenizer():
    """A SentencePiece model with LLaMA's control tokens and byte pieces."""
    words = ["the", "a", "cat", "dog", "sat", "on", "mat", "and", "ran", "to", "house", "of", "red", "blue"]
    lines = [" ".join(words[(i * j + j) % len(words)] for j in range(1, 9)) for i in range(1, 200)]
    out = io.BytesIO()
    # LLaMA's own does not normalize either, and keeps all spaces.
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=out, model_type="bpe", vocab_size=304, byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, unk_id=0, bos_id=1, eos_id=2, pad_id=-1,
        num_threads=1, minloglevel=1)
    return out.getvalue()


def write(name, data):
    os.makedirs(os.path.dirname(os.path.join(HERE, name)), exist_ok=True)
    with open(os.path.join(HERE, name), "wb") as file:
        file.write(data)
    return f"{hashlib.md5(data).hexdigest()}  {os.path.basename(name)}\n"


model = tokenizer()
size = sentencepiece.SentencePieceProcessor(model_proto=model).vocab_size()
generator = torch.Generator().manual_seed(1)


def matrix(*shape):
    return (torch.randn(*shape, generator=generator) * 0.15).half()


def norm():
    return (1 + torch.randn(DIM, generator=generator) * 0.1).half()


state = {
    "tok_embeddings.weight": (matrix(size, DIM) * 4).half(),
    "norm.weight": norm(),
    "output.weight": matrix(size, DIM),
}
for n in range(LAYERS):
    for part in ("wq", "wk", "wv", "wo"):
        state[f"layers.{n}.attention.{part}.weight"] = matrix(DIM, DIM)
    state[f"layers.{n}.feed_forward.w1.weight"] = matrix(WIDTH, DIM)
    state[f"layers.{n}.feed_forward.w2.weight"] = matrix(DIM, WIDTH)
    state[f"layers.{n}.feed_forward.w3.weight"] = matrix(WIDTH, DIM)
    state[f"layers.{n}.attention_norm.weight"] = norm()
    state[f"layers.{n}.ffn_norm.weight"] = norm()
for n in range(LAYERS):
    frequencies = 1.0 / 10000 ** (torch.arange(0, HEAD, 2).float() / HEAD)
    state[f"layers.{n}.attention.inner_attention.rope.freqs"] = frequencies.half()

path = os.path.join(HERE, "7B", "consolidated.00.pth")
os.makedirs(os.path.dirname(path), exist_ok=True)
torch.save(state, path)
parameters = json.dumps(
    {"dim": DIM, "multiple_of": 32, "n_heads": HEADS, "n_layers": LAYERS, "norm_eps": 1e-06, "vocab_size": -1})
with open(path, "rb") as file:
    weights = file.read()
sums = write("7B/consolidated.00.pth", weights) + write("7B/params.json", parameters.encode())
write("7B/checklist.chk", sums.encode())
write("tokenizer_checklist.chk", write("tokenizer.model", model).encode())


def halves(weight):
    """Rows of q and k as transformers has them."""
    return weight.view(HEADS, HEAD // 2, 2, DIM).transpose(1, 2).reshape(DIM, DIM)


llama = LlamaForCausalLM(LlamaConfig(
    vocab_size=size, hidden_size=DIM, intermediate_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
    num_key_value_heads=HEADS, rms_norm_eps=1e-6, tie_word_embeddings=False))
names = {
    "attention.wq": "self_attn.q_proj", "attention.wk": "self_attn.k_proj", "attention.wv": "self_attn.v_proj",
    "attention.wo": "self_attn.o_proj", "feed_forward.w1": "mlp.gate_proj", "feed_forward.w2": "mlp.down_proj",
    "feed_forward.w3": "mlp.up_proj", "attention_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
}
renamed = {
    "model.embed_tokens.weight": state["tok_embeddings.weight"], "model.norm.weight": state["norm.weight"],
    "lm_head.weight": state["output.weight"],
}
for n in range(LAYERS):
    for one, other in names.items():
        value = state[f"layers.{n}.{one}.weight"]
        renamed[f"model.layers.{n}.{other}.weight"] = halves(value) if other[-6:] in ("q_proj", "k_proj") else value
llama.load_state_dict({name: value.float() for name, value in renamed.items()})
tokens = torch.randint(3, size, (2, 48), generator=generator)
with torch.no_grad():
    logits = llama(tokens).logits.double().log_softmax(-1)
losses = -logits[:, :-1].gather(2, tokens[:, 1:, None])
reference = {"tokens": tokens.tolist(), "perplexity": losses.mean().exp().item()}
write("reference.json", (json.dumps(reference) + "\n").encode())
print(size, len(weights), reference["perplexity"])
