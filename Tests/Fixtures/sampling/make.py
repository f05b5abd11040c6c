"""What transformers' logits processors make of some logits, and what a small model of shared/tiny then writes without
drawing. Run with a Python that has torch and transformers, and shared/tiny/llama as argument; writes cases.json."""

import json
import pathlib
import random
import sys

import sentencepiece
import torch
from transformers import AutoModelForCausalLM, LlamaConfig
from transformers.generation import logits_process as steps

HERE = pathlib.Path(__file__).parent
chance = random.Random(20)
# Two decimals, so that JSON says them exactly as float32; some alike, some far below.
logits = [round(chance.gauss(0, 3), 2) for _ in range(60)]
logits[7] = logits[3]
text = [3, 3, 11, 50, 12, 0, 59, 30, 31, 32]


def filtered(options):
    """The probabilities in the order of generate's own steps."""
    scores = torch.tensor([logits])
    ids = torch.tensor([text[-options["window"]:] if "window" in options else text])
    if "repeat_penalty" in options:
        scores = steps.RepetitionPenaltyLogitsProcessor(options["repeat_penalty"])(ids, scores)
    if "temperature" in options:
        scores = steps.TemperatureLogitsWarper(options["temperature"])(ids, scores)
    if "top_k" in options:
        scores = steps.TopKLogitsWarper(options["top_k"])(ids, scores)
    if "top_p" in options:
        scores = steps.TopPLogitsWarper(options["top_p"])(ids, scores)
    if "min_p" in options:
        scores = steps.MinPLogitsWarper(options["min_p"])(ids, scores)
    found = torch.softmax(scores.double(), -1)[0]
    return {str(token): float(value) for token, value in enumerate(found) if value > 0}


choices = [
    {"min_p": 0.1}, {"min_p": 0.5}, {"min_p": 1.0}, {"min_p": 0.02, "temperature": 2.5}, {"min_p": 0.05, "temperature": 0.3},
    {"repeat_penalty": 1.3}, {"repeat_penalty": 5.0}, {"repeat_penalty": 0.5}, {"repeat_penalty": 1.7, "window": 4},
    {"repeat_penalty": 1.1, "temperature": 0.8, "top_k": 20, "top_p": 0.9, "min_p": 0.03},
    {"temperature": 1.5, "top_k": 30, "min_p": 0.2}, {"top_p": 0.7, "min_p": 0.3},
]
cases = [{"options": one, "probabilities": filtered(one)} for one in choices]

model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
prompt = [1, *sentencepiece.SentencePieceProcessor(model_file=sys.argv[1] + "/tokenizer.model").encode("The city lies on the river")]
greedy = []
for penalty in (1.0, 1.1, 1.5, 3.0):
    out = model.generate(torch.tensor([prompt]), max_new_tokens=40, do_sample=False, repetition_penalty=penalty,
                         eos_token_id=2, pad_token_id=0)[0].tolist()
    written = out[len(prompt):]
    greedy.append({"repeat_penalty": penalty, "tokens": written[: written.index(2)] if 2 in written else written})
(HERE / "cases.json").write_text(
    json.dumps({"logits": logits, "text": text, "cases": cases, "prompt": prompt, "greedy": greedy}) + "\n")
