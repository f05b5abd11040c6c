"""Chat templates against transformers' own environment for them: the text of conversations of several kinds, with and
without the beginning of an answer, for every template that is found here. Where transformers refuses, so must we.

Templates come from BELLE_CHAT_TEMPLATES (folders of .jinja files, separated by colons; llama.cpp has a collection in
models/templates), from Tests/Fixtures/chat, and from llama_cpp, which has some as constants. Of a template that tells the
time both must see the same day: midnight is no time for this.
"""

import json
import os
import pathlib

from llama_cpp import llama_chat_format
from support import PROJECT, Skip, check, folder, tools
from transformers.utils.chat_template_utils import render_jinja_template

NEEDS = ["llama_cpp", "transformers"]

MODEL = PROJECT / "Examples/tiny-belle/llama"
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
SYSTEM = {"role": "system", "content": "You answer in one line.\nAlways."}
FIRST = {"role": "user", "content": "What is water?"}
ANSWER = {"role": "assistant", "content": "It is wet."}
CHATS = {
    "a question": [FIRST],
    "system and question": [SYSTEM, FIRST],
    "turns": [FIRST, ANSWER, {"role": "user", "content": "And ice?"}],
    "system and turns": [SYSTEM, FIRST, ANSWER, {"role": "user", "content": "And ice?"}],
    "answered": [SYSTEM, FIRST, ANSWER],
    "nothing asked": [{"role": "user", "content": ""}],
    "Chinese": [{"role": "system", "content": "请用中文回答。"}, {"role": "user", "content": "你好，世界！😀 e\u0301"}, ANSWER, FIRST],
    "white space and marks": [{"role": "user", "content": "  a\n\n<|im_end|> {{ x }} \"'\\ </s>\t\n"}],
    "a thought": [FIRST, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nYes."}, {"role": "user", "content": "Sure?"}],
    "two questions": [FIRST, FIRST],
    "an odd role": [FIRST, {"role": "critic", "content": "No."}],
}  # fmt: skip


def theirs(template, chat, prompts):
    try:
        return render_jinja_template(
            conversations=[chat], chat_template=template, add_generation_prompt=prompts, **TOKENS)[0][0]
    except Exception:
        return None


def ours(path, place, chat, prompts):
    """The text; None where it is refused, and why."""
    messages = place / "messages.json"
    messages.write_text(json.dumps({"messages": chat, "add_generation_prompt": prompts}))
    done = tools(
        "generate", MODEL, "--chat", "--chat-template", path, "--messages", messages, "--show-prompt", "--json", status=None)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode in (0, 1), f"{path}: exit status {done.returncode}: {done.stderr}"
    text = next((line["text"] for line in lines if line["type"] == "prompt"), None)
    return text, done.stderr.strip()


def compare(templates):
    """Holds templates against transformers, and tells how many there were."""
    count, refused, wrong = 0, 0, []
    with folder() as place:
        for name, template in templates.items():
            path = place / "template.jinja"
            path.write_text(template)
            for kind, chat in CHATS.items():
                for prompts in (False, True):
                    expected = theirs(template, chat, prompts)
                    found, why = ours(path, place, chat, prompts)
                    count += 1
                    refused += expected is None
                    if found != expected:
                        wrong.append(f"{name}, {kind}, {prompts}: {found!r} for {expected!r}; {why}"[:600])
    assert not wrong, f"{len(wrong)} of {count} differ: " + " || ".join(wrong[:5])
    return f"{len(templates)} templates, {count} texts, of which both refuse {refused}"


@check("the templates of this project's own tests")
def own():
    return compare(json.loads((PROJECT / "Tests/Fixtures/chat/golden.json").read_text())["templates"])


@check("the templates that llama_cpp has as constants")
def of_llama_cpp():
    templates = {
        name: value for name, value in vars(llama_chat_format).items()
        if name.endswith("_CHAT_TEMPLATE") and isinstance(value, str)
    }  # fmt: skip
    if not templates:
        raise Skip("it has none")
    return compare(templates)


@check("the templates of the folders in BELLE_CHAT_TEMPLATES")
def of_folders():
    folders = [pathlib.Path(path) for path in os.environ.get("BELLE_CHAT_TEMPLATES", "").split(":") if path]
    templates = {str(path): path.read_text() for place in folders for path in sorted(place.rglob("*.jinja"))}
    if not templates:
        raise Skip("BELLE_CHAT_TEMPLATES names no folder with templates")
    return compare(templates)
