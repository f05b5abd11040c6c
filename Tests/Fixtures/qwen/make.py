"""Makes the folders of this folder: Qwen2 and Qwen3 in miniature, as transformers saves them.

Qwen2 has biases of q, k and v and a head that is the embedding; Qwen3 norms each head of q and k, has heads wider than
the hidden size by their number, and a head of its own. Both have grouped heads and more rows than tokens, as the
published ones. `reference.json` holds what transformers makes of the tokens in it. Run with torch, transformers and
tokenizers: python3 make.py
"""

import json
import os

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS, TOKENS = 320, 300
# As in the tokenizer.json of Qwen2.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def tokenizer():
    """A byte-level BPE that cuts as Qwen2's, with its two special tokens behind the merged ones."""
    words = ["the", "a", "cat", "dog", "sat", "on", "mat", "and", "ran", "to", "house", "of", "red", "blue"]
    lines = [" ".join(words[(i * j + j) % len(words)] for j in range(1, 9)) for i in range(1, 200)]
    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TOKENS - 2, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    made.train_from_iterator(lines, trainer)
    made.add_special_tokens(["<|endoftext|>", "<|im_end|>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|endoftext|>", clean_up_tokenization_spaces=False)


def fill(model, generator):
    with torch.no_grad():
        for name, value in model.named_parameters():
            mean, scale = (1, 0.2) if "norm" in name else (0, 0.15)
            # The values are those that are saved. The whole model is not rounded: its rotary frequencies would be, too.
            value.copy_((mean + torch.randn(value.shape, generator=generator) * scale).to(torch.bfloat16))
    return model.eval()


def main():
    cut = tokenizer()
    common = {
        "vocab_size": ROWS, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512, "rope_theta": 1000000.0,
        "rms_norm_eps": 1e-6, "bos_token_id": None, "eos_token_id": cut.eos_token_id,
    }
    kinds = {
        "qwen2": (Qwen2Config, Qwen2ForCausalLM, {"tie_word_embeddings": True}),
        "qwen3": (Qwen3Config, Qwen3ForCausalLM, {"head_dim": 32, "tie_word_embeddings": False}),
    }
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, len(cut), (2, 48), generator=generator)
    prompt = "the cat sat on"
    reference = {"tokens": tokens.tolist(), "perplexity": {}, "prompt": prompt, "continuation": {}}
    for name, (configuration, kind, more) in kinds.items():
        model = fill(kind(configuration(**common, **more)), generator)
        start = cut(prompt, return_tensors="pt").input_ids
        with torch.no_grad():
            logits = model(tokens).logits.double().log_softmax(-1)
            whole = model.generate(start, do_sample=False, max_new_tokens=8, pad_token_id=cut.pad_token_id)
        losses = -logits[:, :-1].gather(2, tokens[:, 1:, None])
        reference["perplexity"][name] = losses.mean().exp().item()
        reference["continuation"][name] = whole[0, start.shape[1]:].tolist()
        folder = os.path.join(HERE, name)
        model.to(torch.bfloat16).save_pretrained(folder)
        os.remove(os.path.join(folder, "generation_config.json"))
        cut.save_pretrained(folder)
    with open(os.path.join(HERE, "reference.json"), "w") as file:
        json.dump(reference, file)
        file.write("\n")
    print(reference["perplexity"], reference["continuation"])


main()
