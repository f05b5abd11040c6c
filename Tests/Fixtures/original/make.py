# Made with torch 1.13.1 (whose zip layout is that of Meta's LLaMA-1 7B) and no other package: a small LLaMA in halves as
# Hugging Face stores it (hf/), and as Meta published 7B: consolidated.00.pth, saved as consolidated.pth, which names the
# folder inside. pickles.json: the SHA-256 of plain dictionaries of 1 to 1001 tensors, for the pickler's batches.
import hashlib, json, os, struct
import torch

LAYERS, HIDDEN, HEADS, MIDDLE, VOCAB = 3, 16, 2, 24, 32
torch.manual_seed(1)
new = lambda *shape: (torch.randn(*shape) * 0.1).half()
hf = {"model.embed_tokens.weight": new(VOCAB, HIDDEN)}
for i in range(LAYERS):
    p = f"model.layers.{i}."
    for name in "qkvo":
        hf[f"{p}self_attn.{name}_proj.weight"] = new(HIDDEN, HIDDEN)
    for name, shape in ("gate", (MIDDLE, HIDDEN)), ("up", (MIDDLE, HIDDEN)), ("down", (HIDDEN, MIDDLE)):
        hf[f"{p}mlp.{name}_proj.weight"] = new(*shape)
    hf[p + "input_layernorm.weight"] = new(HIDDEN) + 1
    hf[p + "post_attention_layernorm.weight"] = new(HIDDEN) + 1
hf["model.norm.weight"] = new(HIDDEN) + 1
hf["lm_head.weight"] = new(VOCAB, HIDDEN)

def pairs(w):  # the rows of q and k as Meta has them
    return w.reshape(HEADS, 2, HIDDEN // HEADS // 2, HIDDEN).transpose(1, 2).reshape(w.shape).contiguous()

meta = {
    "tok_embeddings.weight": hf["model.embed_tokens.weight"],
    "norm.weight": hf["model.norm.weight"],
    "output.weight": hf["lm_head.weight"],
}
for i in range(LAYERS):
    p, q = f"model.layers.{i}.", f"layers.{i}."
    for name in "qkvo":
        w = hf[f"{p}self_attn.{name}_proj.weight"]
        meta[f"{q}attention.w{name}.weight"] = pairs(w) if name in "qk" else w
    for name, other in ("w1", "gate"), ("w2", "down"), ("w3", "up"):
        meta[f"{q}feed_forward.{name}.weight"] = hf[f"{p}mlp.{other}_proj.weight"]
    meta[q + "attention_norm.weight"] = hf[p + "input_layernorm.weight"]
    meta[q + "ffn_norm.weight"] = hf[p + "post_attention_layernorm.weight"]
half = HIDDEN // HEADS
for i in range(LAYERS):
    frequencies = 1.0 / (10000.0 ** (torch.arange(0, half, 2).float() / half))
    meta[f"layers.{i}.attention.inner_attention.rope.freqs"] = frequencies.half()

here = os.path.dirname(os.path.abspath(__file__))
os.makedirs(here + "/hf", exist_ok=True)
torch.save(meta, here + "/consolidated.pth")
os.rename(here + "/consolidated.pth", here + "/consolidated.00.pth")

header, values = {}, b""
for name, w in hf.items():
    data = b"".join(
        struct.pack("<h", v) for v in w.flatten().view(torch.int16).tolist())
    header[name] = {"dtype": "F16", "shape": list(w.shape), "data_offsets": [len(values), len(values) + len(data)]}
    values += data
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(here + "/hf/model.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + values)
config = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": MIDDLE,
    "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "vocab_size": VOCAB, "rms_norm_eps": 1e-06,
    "max_position_embeddings": 2048, "hidden_act": "silu", "tie_word_embeddings": False, "bos_token_id": 1,
    "eos_token_id": 2, "torch_dtype": "float16",
}
with open(here + "/hf/config.json", "w") as file:
    json.dump(config, file, indent=1)

digests = {}
for count in 1, 999, 1000, 1001:
    path = f"{here}/n{count}.pth"
    torch.save({f"t{i}": torch.full((2,), i, dtype=torch.float16) for i in range(count)}, path)
    digests[count] = hashlib.sha256(open(path, "rb").read()).hexdigest()
    os.remove(path)
with open(here + "/pickles.json", "w") as file:
    json.dump(digests, file, indent=1)
