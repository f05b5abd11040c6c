"""Makes the files of this folder: a small LLaMA, a second tokenizer for it, and what peers make of the two.

The second tokenizer's pieces are appended as BELLE's merge_tokenizers.py does it (`keep`: whole pieces) and as
Chinese-LLaMA-Alpaca's does (`zero`: texts with score 0), with python-protobuf; ids are sentencepiece's, rows numpy's in
double precision, perplexities those of transformers in float32 on sentencepiece's ids. Run with torch, transformers,
safetensors, protobuf and sentencepiece: python3 make.py
"""

import hashlib
import io
import json
import os
import shutil
import tempfile

import numpy
import sentencepiece
import torch
from safetensors.torch import save_file
from sentencepiece import sentencepiece_model_pb2
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
BASE = os.path.join(HERE, "model")
LENGTH = 48

ENGLISH = """The weights of a language model are large files of numbers.
Whoever wants to train such a model further begins with the weights that others have published.
A tokenizer cuts a text into pieces, and every piece has a number.
Each number has a row in the embedding, and a row in the head that predicts the next piece.
What the tokenizer has no piece for is spelled by bytes, three of them for a Chinese character.
More pieces make shorter texts, and shorter texts are read and written in less time.
The rows of new pieces begin as the mean of the old ones, and training moves them to their places.
Numbers such as 1, 23 and 456 are cut into digits, and spaces   are kept as they are.
The model that is trained further is published as a difference, for the licence forbids the rest.
""".splitlines()
CHINESE = """语言模型的权重是很大的数字文件。
想要继续训练这样的模型的人，从别人发布的权重开始。
分词器把文本切分成词元，每个词元都有一个编号。
每个编号在词嵌入中有一行，在预测下一个词元的输出层中也有一行。
分词器没有的汉字用字节表示，一个汉字需要三个字节。
词元越多，文本越短，读写文本所用的时间也越少。
新词元的行从旧词元的平均值开始，训练会把它们移动到合适的位置。
模型 and tokenizer 一起 published，the model 的权重是模型的权重。
继续训练的模型以差异的形式发布，因为许可证不允许发布其余部分。
""".splitlines()
# Two characters of one canonical form: two pieces.
UNIFIED, COMPATIBLE = "\u8c48", "\uf900"
TEXTS = [
    "The weights of a model", "语言模型的权重", "分词器把文本切分成词元，每个词元都有一个编号。", "模型 and tokenizer 一起 published",
    "two  spaces   ，逗号", "没有见过的字：龘", UNIFIED + COMPATIBLE, "", "1, 23 和 456\n新的一行", "<s>语言</s>",
]
LIST = ["<|im_start|>", {"content": "<|im_end|>", "special": True}, "权重是", "the"]
LISTED = ["<|im_start|>user 语言<|im_end|>", "权重是 the weights", "a<|im_end|>b"]


def trained(lines, size, **options):
    out = io.BytesIO()
    # LLaMA's own does not normalize, and keeps all spaces.
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines * 4), model_writer=out, model_type="bpe", vocab_size=size, unk_id=0, bos_id=1, eos_id=2,
        normalization_rule_name="identity", remove_extra_whitespaces=False, pad_id=-1, num_threads=1, minloglevel=1,
        hard_vocab_limit=False, **options)
    return out.getvalue()


def merged(first, second, scores):
    """The two scripts, as far as the model goes."""
    one, other = sentencepiece_model_pb2.ModelProto(), sentencepiece_model_pb2.ModelProto()
    one.ParseFromString(first)
    other.ParseFromString(second)
    texts = {piece.piece for piece in one.pieces}
    for piece in other.pieces:
        if piece.piece in texts:
            continue
        if scores == "keep":
            one.pieces.append(piece)
        else:
            new = sentencepiece_model_pb2.ModelProto().SentencePiece()
            new.piece = piece.piece
            new.score = 0
            one.pieces.append(new)
    return one.SerializeToString()


def write(name, data):
    path = os.path.join(HERE, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def digest(data):
    return hashlib.sha256(data).hexdigest()


first = trained(ENGLISH + [UNIFIED], 420, byte_fallback=True)
second = trained(CHINESE + [COMPATIBLE], 250, character_coverage=0.9995)
processor = sentencepiece.SentencePieceProcessor(model_proto=first)
size = processor.vocab_size()
torch.manual_seed(18)
config = LlamaConfig(
    vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2,
    num_key_value_heads=2, rms_norm_eps=1e-6, max_position_embeddings=128, tie_word_embeddings=False, bos_token_id=1,
    eos_token_id=2, initializer_range=0.3)
model = LlamaForCausalLM(config).half()
write("model/tokenizer.model", first)
write("second.model", second)
write("list.json", (json.dumps(LIST) + "\n").encode())
write("text.txt", "\n".join(line for pair in zip(CHINESE, ENGLISH) for line in pair).encode())
state = {name: value.contiguous() for name, value in model.state_dict().items()}
save_file(state, os.path.join(BASE, "model.safetensors"), {"format": "pt"})
write("model/config.json", (json.dumps({
    "architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 32,
    "intermediate_size": 48, "max_position_embeddings": 128, "model_type": "llama", "num_attention_heads": 2,
    "num_hidden_layers": 1, "num_key_value_heads": 2, "rms_norm_eps": 1e-6, "tie_word_embeddings": False,
    "torch_dtype": "float16", "vocab_size": size}, indent=1) + "\n").encode())
write("model/tokenizer_config.json", json.dumps({
    "add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
    "legacy": False, "tokenizer_class": "LlamaTokenizer"}).encode())


def extended(weight, texts, rows, count):
    """Rows for new tokens: sums in the order of the rows, in double precision."""
    old = weight.numpy().astype(numpy.float64)
    result = numpy.zeros((count, old.shape[1]))
    result[:size] = old

    def mean(ids):
        total = numpy.zeros(old.shape[1])
        for row in ids:
            total += old[row]
        return total / len(ids)

    whole = mean(range(size))
    # As it stands in a text: sentencepiece puts a space before what it is given, and that is the first piece.
    inside = sentencepiece.SentencePieceProcessor(model_proto=first + bytes([3 << 3 | 2, 2, 3 << 3, 0]))
    for row in range(size, count):
        if rows == "mean" or rows == "pieces" and row - size >= len(texts):
            result[row] = whole
        elif rows == "pieces":
            result[row] = mean(inside.encode(texts[row - size]))
    return torch.from_numpy(result.astype(numpy.float16))


def loss_of(state, ids):
    count = state["model.embed_tokens.weight"].shape[0]
    whole = LlamaForCausalLM(LlamaConfig(**{**config.to_dict(), "vocab_size": count}))
    whole.load_state_dict({name: value.float() for name, value in state.items()})
    windows = torch.tensor(ids[: len(ids) // LENGTH * LENGTH]).reshape(-1, LENGTH)
    with torch.no_grad():
        logits = whole(windows).logits.double().log_softmax(-1)
    return -logits[:, :-1].gather(2, windows[:, 1:, None]).mean()


with open(os.path.join(HERE, "text.txt"), encoding="utf-8") as file:
    text = file.read()
reference = {"size": size, "length": LENGTH, "texts": TEXTS, "merges": {}}
for scores in ("keep", "zero"):
    both = merged(first, second, scores)
    other = sentencepiece.SentencePieceProcessor(model_proto=both)
    texts = [other.id_to_piece(n) for n in range(size, other.vocab_size())]
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(BASE, place, dirs_exist_ok=True)
        with open(os.path.join(place, "tokenizer.model"), "wb") as file:
            file.write(both)
        peer = AutoTokenizer.from_pretrained(place)
        ids = [other.encode(one) for one in TEXTS]
        peers = [peer.encode(one, add_special_tokens=False) for one in TEXTS]
    # transformers makes a list of merges of the scores, and has to put equal ones in an order; sentencepiece takes the
    # leftmost. And it takes the names of special tokens in a text for these.
    others = [text for text, one, known in zip(TEXTS, peers, ids) if one != known]
    entry = {"model": digest(both), "size": other.vocab_size(), "ids": ids, "otherwise_in_transformers": others, "rows": {}}
    for rows in ("mean", "zero", "pieces"):
        count = -(-other.vocab_size() // 64) * 64
        larger = dict(state)
        for name in ("model.embed_tokens.weight", "lm_head.weight"):
            larger[name] = extended(state[name], texts, rows, count)
        loss = loss_of(larger, [1] + other.encode(text))
        entry["rows"][rows] = {
            "count": count, "perplexity": loss.exp().item(),
            "digests": {name: digest(larger[name].numpy().tobytes())
                        for name in ("model.embed_tokens.weight", "lm_head.weight")}}
    entry["tokens"] = len([1] + other.encode(text))
    reference["merges"][scores] = entry

with tempfile.TemporaryDirectory() as place:
    shutil.copytree(BASE, place, dirs_exist_ok=True)
    peer = AutoTokenizer.from_pretrained(place, legacy=False)
    for token in LIST:
        if isinstance(token, dict):
            peer.add_special_tokens({"additional_special_tokens": [token["content"]]}, False)
        elif peer.convert_tokens_to_ids(token) in (None, peer.unk_token_id):
            peer.add_tokens([token])
    reference["list"] = {
        "texts": LISTED, "ids": [peer.encode(one, add_special_tokens=False) for one in LISTED], "size": len(peer)}
write("reference.json", (json.dumps(reference, ensure_ascii=False) + "\n").encode())
print(size, {k: (v["size"], v["tokens"], v["rows"]["mean"]["perplexity"]) for k, v in reference["merges"].items()},
      reference["list"]["size"])
