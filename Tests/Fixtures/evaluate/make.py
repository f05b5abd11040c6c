"""What transformers makes of texts and questions with the small models of ../qwen, of overlapping windows, standard errors and
multiple choice: golden.json beside this. Everything is computed plainly: one text at a time, in single precision.

The definitions are written anew from lm-evaluation-harness (how a context and its continuation become tokens; acc and
acc_norm) and from transformers' page on the perplexity of fixed-length models (strides).

usage: make.py      with torch 2.15, transformers 5.24, numpy
"""

import json
import math
import pathlib

import numpy
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = pathlib.Path(__file__).parent
MODELS = {name: HERE.parent / "qwen" / name for name in ("qwen2", "qwen3")}
LENGTH, STRIDE = 32, 12

# Written for this: small questions in the forms that published sets have.
LISTS = [
    {"question": "The cat sat on the", "choices": ["mat", "moon of the house"], "answer": 0},
    {"question": "Dogs ran to the ", "choices": ["house", "cat and the mat", "2", "river bank"], "answer": "D"},
    {"question": "1 2 3", "choices": ["4", "dogs"], "answer": "4", "source": "own"},
    {"question": {"stem": "中国 is", "choices": [{"text": "a country", "label": "1"}, {"text": "a cat", "label": "2"}]},
     "answerKey": "1"},
    {"ctx": "He opened the door and", "endings": ["went in.", "the the the.", "sat on the mat in the house."], "label": "2"},
    {"goal": "To sit", "sol1": "take a mat", "sol2": "take a dog", "label": 0},
]  # fmt: skip
ROWS = [
    ("水在多少度结冰？", "0", "50", "100", "200", "A"),
    ("下列哪个是动物,不是植物？", "草", '"猫"', "花\n草", "树", "B"),
    ("1+1=", "1", "2", "3", "4", "B"),
]
DEV = [("猫有几条腿？", "2", "3", "4", "5", "C"), ("天空是什么颜色？", "蓝", "红", "黑", "绿", "A")]


def csv(rows, head, numbered):
    def field(text):
        return '"' + text.replace('"', '""') + '"' if any(letter in text for letter in ',"\n') else text

    lines = [head] + [
        ",".join(([str(number)] if numbered else []) + [field(text) for text in row]) for number, row in enumerate(rows)]
    return "\r\n".join(lines) + "\r\n"


def question_of(record):
    """Question, choices, answer."""
    inner = record.get("question") if isinstance(record.get("question"), dict) else None
    if inner:
        labels = [choice["label"] for choice in inner["choices"]]
        return inner["stem"], [choice["text"] for choice in inner["choices"]], labels.index(record["answerKey"])
    question = record.get("question") or record.get("ctx") or record.get("goal")
    choices = record.get("choices") or record.get("endings") or [record["sol1"], record["sol2"]]
    answer = record.get("answer", record.get("label"))
    if answer in choices:
        answer = choices.index(answer)
    elif answer in list("ABCD"):
        answer = "ABCD".index(answer)
    return question, choices, int(answer)


def letters(row):
    return row[0] + "".join(f"\n{letter}. {text}" for letter, text in zip("ABCD", row[1:5])) + "\n答案："


def logits(model, ids):
    with torch.no_grad():
        return torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), -1)


def log_likelihood(model, tokenizer, context, continuation):
    spaces = len(context) - len(context.rstrip())
    if spaces:
        continuation, context = context[-spaces:] + continuation, context[:-spaces]
    whole = tokenizer.encode(context + continuation)
    before = len(tokenizer.encode(context))
    found = logits(model, whole)
    return sum(found[place - 1, whole[place]].item() for place in range(before, len(whole)))


def answers(model, tokenizer, items):
    """items: context, continuations, choices (for their lengths), answer."""
    rows = []
    for context, continuations, choices, answer in items:
        found = [log_likelihood(model, tokenizer, context, text) for text in continuations]
        rows.append({
            "log_likelihoods": found, "answer": answer, "choice": int(numpy.argmax(found)),
            "choice_norm": int(numpy.argmax([value / len(choice) for value, choice in zip(found, choices)])),
        })  # fmt: skip
    right = numpy.array([row["choice"] == row["answer"] for row in rows], dtype=float)
    norm = numpy.array([row["choice_norm"] == row["answer"] for row in rows], dtype=float)
    error = lambda values: float(values.std(ddof=1) / math.sqrt(len(values)))  # noqa: E731
    return {
        "questions": rows, "accuracy": right.mean(), "accuracy_se": error(right), "accuracy_norm": norm.mean(),
        "accuracy_norm_se": error(norm),
    }  # fmt: skip


def overlapping(model, ids):
    """Negative log likelihoods of all tokens but the first, by windows that overlap."""
    losses, done, windows = [], 1, 0
    for begin in range(0, len(ids), STRIDE):
        end = min(begin + LENGTH, len(ids))
        found = logits(model, ids[begin:end])
        losses += [-found[place - begin - 1, ids[place]].item() for place in range(max(done, begin + 1), end)]
        windows += 1
        done = end
        if end == len(ids):
            break
    return losses, windows


def mean_and_error(values):
    values = numpy.array(values)
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def main():
    text = "The house's 1234 dogs ran to the mat of the cat, and the cat sat. " * 3 + "中国 and the house, 5 dogs\n" * 4
    golden = {"text": text, "length": LENGTH, "stride": STRIDE, "models": {}}
    golden["files"] = {
        "lists.jsonl": "\n".join(json.dumps(record, ensure_ascii=False) for record in LISTS) + "\n",
        "ceval/val/small_val.csv": csv(ROWS, "id,question,A,B,C,D,answer", True),
        "ceval/dev/small_dev.csv": csv([(*row, "为什么不？") for row in DEV], "id,question,A,B,C,D,answer,explanation", True),
        "cmmlu/test/small.csv": csv(ROWS, ",Question,A,B,C,D,Answer", True),
        "cmmlu/dev/small.csv": csv(DEV, ",Question,A,B,C,D,Answer", True),
        "ceval.json": json.dumps(
            [dict(zip(["question", "A", "B", "C", "D", "answer"], row)) for row in ROWS], ensure_ascii=False),
    }  # fmt: skip
    loaded = {
        name: (AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(path))
        for name, path in MODELS.items()
    }
    for name, (model, tokenizer) in loaded.items():
        ids = tokenizer.encode(text)
        losses, windows = overlapping(model, ids)
        mean, error = mean_and_error(losses)
        found = {"tokens": len(ids), "overlapping": {
            "predicted": len(losses), "windows": windows, "perplexity": math.exp(mean), "perplexity_se": math.exp(mean) * error}}  # fmt: skip
        lists = [question_of(record) for record in LISTS]
        found["plain"] = answers(
            model, tokenizer, [(asked, [" " + one for one in choices], choices, key) for asked, choices, key in lists])
        # One of them is in Chinese, and so the words between are.
        found["question"] = answers(model, tokenizer, [
            (f"问题：{asked.strip()}\n答案：", [" " + one for one in choices], choices, key) for asked, choices, key in lists])  # fmt: skip
        shots = "".join(f"{letters(row)} {row[5]}\n\n" for row in DEV)
        for key, opening in (("letters", ""), ("shots", shots), ("described", "以下是单项选择题。\n\n" + shots)):
            found[key] = answers(model, tokenizer, [
                (opening + letters(row), [" A", " B", " C", " D"], "ABCD", "ABCD".index(row[5])) for row in ROWS])  # fmt: skip
        golden["models"][name] = found

    # Qwen3 held against Qwen2: of the same vocabulary, and far away.
    ids = loaded["qwen2"][1].encode(text)
    windows = [ids[at : at + LENGTH] for at in range(0, len(ids) - LENGTH + 1, LENGTH)]
    divergences, agreements, by_window = [], [], []
    for window in windows:
        own, other = (logits(loaded[name][0], window)[:-1] for name in ("qwen3", "qwen2"))
        found = (other.exp() * (other - own)).sum(-1).tolist()
        by_window.append(sum(found) / len(found))
        divergences += found
        agreements += (own.argmax(-1) == other.argmax(-1)).double().tolist()
    mean, error = mean_and_error(divergences)
    share, share_error = mean_and_error(agreements)
    order = sorted(range(len(windows)), key=lambda window: -by_window[window])
    golden["reference"] = {
        "kl_mean": mean, "kl_se": error, "top1_agreement": share, "top1_se": share_error,
        "worst": [{"window": one + 1, "kl_mean": by_window[one],
                   "text": loaded["qwen2"][1].decode(windows[one][1:])} for one in order[:2]],
    }  # fmt: skip
    (HERE / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
