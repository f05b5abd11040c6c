"""InternLM2 and Baichuan as plain torch: what their own modeling_*.py compute, which today's transformers has not. Written
from the papers and those files' arithmetic; nothing is shared with belle-tools.

names(kind) says what tensors are called; forward(kind, config, tensors, tokens) gives the logits.
"""

import math

import torch


def names(kind):
    """What the parts of a model are called."""
    if kind == "internlm2":
        return dict(
            embedding="model.tok_embeddings", norm="model.norm", head="output", layer="model.layers.{}.",
            attention_norm="attention_norm", fused="attention.wqkv", out="attention.wo", feed_norm="ffn_norm",
            gate="feed_forward.w1", up="feed_forward.w3", down="feed_forward.w2")
    return dict(
        embedding="model.embed_tokens", norm="model.norm", head="lm_head", layer="model.layers.{}.",
        attention_norm="input_layernorm", fused="self_attn.W_pack", out="self_attn.o_proj",
        feed_norm="post_attention_layernorm", gate="mlp.gate_proj", up="mlp.up_proj", down="mlp.down_proj")


def shapes(kind, c):
    """The tensors of a model: name → shape."""
    n, h, ff = names(kind), c["hidden_size"], c["intermediate_size"]
    size = h // c["num_attention_heads"]
    keys = c.get("num_key_value_heads", c["num_attention_heads"])
    found = {n["embedding"]: (c["vocab_size"], h)}
    for index in range(c["num_hidden_layers"]):
        at = n["layer"].format(index)
        found |= {
            at + n["attention_norm"]: (h,), at + n["fused"]: (h + 2 * keys * size, h), at + n["out"]: (h, h),
            at + n["feed_norm"]: (h,), at + n["gate"]: (ff, h), at + n["up"]: (ff, h), at + n["down"]: (h, ff)}
    found |= {n["norm"]: (h,), n["head"]: (c["vocab_size"], h)}
    return {name + ".weight": shape for name, shape in found.items()}


def rms(x, weight, epsilon):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * weight


def slopes(heads):
    def powers(count):
        return [2 ** (-8 * (i + 1) / count) for i in range(count)]

    if math.log2(heads).is_integer():
        return powers(heads)
    near = 2 ** int(math.log2(heads))
    return powers(near) + powers(2 * near)[0::2][: heads - near]


def turned(x, base):
    """x: [heads, length, size]."""
    size, length = x.shape[-1], x.shape[-2]
    angles = torch.outer(torch.arange(length).float(), 1 / base ** (torch.arange(0, size, 2).float() / size))
    angles = torch.cat([angles, angles], -1)
    half = torch.cat([-x[..., size // 2:], x[..., : size // 2]], -1)
    return x * angles.cos() + half * angles.sin()


def base_of(c, length):
    """The base of the angles, which the dynamic scaling makes larger for texts that are too long."""
    base = float(c.get("rope_theta", 10000))
    scaling = c.get("rope_scaling")
    if scaling and length > c["max_position_embeddings"]:
        size = c["hidden_size"] // c["num_attention_heads"]
        factor = scaling["factor"]
        base *= ((factor * length / c["max_position_embeddings"]) - (factor - 1)) ** (size / (size - 2))
    return base


def forward(kind, c, tensors, tokens):
    """The logits of one text, [length, vocabulary]."""
    n, epsilon = names(kind), c["rms_norm_eps"]
    w = {name: value.float() for name, value in tensors.items()}
    heads = c["num_attention_heads"]
    keys = c.get("num_key_value_heads", heads)
    size, length = c["hidden_size"] // heads, len(tokens)
    has_distance = kind == "baichuan-13b"
    mask = torch.full((length, length), -torch.inf).triu(1)
    if has_distance:
        place = torch.arange(length).float()
        mask = mask + torch.tensor(slopes(heads))[:, None, None] * (place[None, :] - place[:, None])
    h = w[n["embedding"] + ".weight"][torch.tensor(tokens)]
    for index in range(c["num_hidden_layers"]):
        at = n["layer"].format(index)
        x = rms(h, w[at + n["attention_norm"] + ".weight"], epsilon) @ w[at + n["fused"] + ".weight"].T
        if kind == "internlm2":
            x = x.view(length, keys, heads // keys + 2, size)
            q = x[:, :, :-2].reshape(length, heads, size)
            k, v = x[:, :, -2], x[:, :, -1]
        else:
            q, k, v = (part.view(length, heads, size) for part in x.chunk(3, -1))
        q, k, v = (part.transpose(0, 1) for part in (q, k, v))
        if not has_distance:
            q, k = turned(q, base_of(c, length)), turned(k, base_of(c, length))
        k, v = (part.repeat_interleave(heads // keys, 0) for part in (k, v))
        weights = (q @ k.transpose(1, 2) / math.sqrt(size) + mask).softmax(-1)
        mixed = (weights @ v).transpose(0, 1).reshape(length, heads * size)
        h = h + mixed @ w[at + n["out"] + ".weight"].T
        y = rms(h, w[at + n["feed_norm"] + ".weight"], epsilon)
        gate = torch.nn.functional.silu(y @ w[at + n["gate"] + ".weight"].T)
        h = h + (gate * (y @ w[at + n["up"] + ".weight"].T)) @ w[at + n["down"] + ".weight"].T
    head = w[n["head"] + ".weight"]
    if "z_loss_weight" in c:
        head = torch.nn.functional.normalize(head)
    return rms(h, w[n["norm"] + ".weight"], epsilon) @ head.T
