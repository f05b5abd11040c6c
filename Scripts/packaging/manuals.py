#!/usr/bin/env python3
"""Man pages of belle-tools: one for the program, one a verb, made from what the program itself says that it takes
(`--experimental-dump-help`, swift-argument-parser's ToolInfo version 0), so that they and `--help` cannot differ.

usage: manuals.py BELLE-TOOLS FOLDER
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import time

PROGRAM = "belle-tools"
STATUSES = [
    ("0", "done"), ("1", "failed"), ("2", "ran, and the answer is no: a digest differs, a file is missing, models differ …"),
    ("64", "wrong usage"), ("130", "interrupted; nothing half-written is left"),
]  # fmt: skip
VARIABLES = [
    ("BELLE_OPENBLAS", "The file of OpenBLAS, where it is not to be looked for (libopenblas.so.0)."),
    ("BELLE_SENTENCEPIECE", "The file of SentencePiece (libsentencepiece.so.0)."),
    ("BELLE_ONEDNN", "The file of oneDNN (libdnnl.so.3 or libdnnl.so.2)."),
    ("BELLE_MPI", "The file of the MPI library (libmpi.so.40, or MPICH's libmpich.so.12), where a launcher has started several processes."),
    ("OPENBLAS_CORETYPE", "The kernels that OpenBLAS takes; without it the widest that the processor has."),
]


def escaped(text):
    """A text as troff prints it."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def paragraphs(text):
    """Running text, and lines that are indented as they are."""
    blocks = []
    for line in text.splitlines():
        is_example = line.startswith("  ")
        if line.strip() and blocks and blocks[-1][0] is is_example:
            blocks[-1][1].append(escaped(line.strip()))
        elif line.strip():
            blocks.append((is_example, [escaped(line.strip())]))
        elif blocks and not blocks[-1][0]:
            blocks.append((None, []))
    texts = []
    for is_example, lines in blocks:
        if lines:
            body = "\n".join(lines)
            texts.append(f".RS 4\n.nf\n{body}\n.fi\n.RE" if is_example else body)
    return "\n.PP\n".join(texts)


def placeholder(argument):
    """What stands for a value; of several words in one place, each."""
    names = re.split(r">([^<]*)<", argument["valueName"])
    return "".join(escaped(word) if odd % 2 else f"\\fI{escaped(word)}\\fR" for odd, word in enumerate(names))


def spelled(name):
    return escaped(("--" if name["kind"] == "long" else "-") + name["name"])


def synopsis(path, command):
    words = [f"\\fB{escaped(' '.join(path))}\\fR"]
    shown = [argument for argument in command.get("arguments", []) if argument["shouldDisplay"]]
    if any(argument["kind"] != "positional" for argument in shown):
        words.append("[\\fIoption\\fR]...")
    for argument in shown:
        if argument["kind"] == "positional":
            word = placeholder(argument) + "..." * (argument["isRepeating"] and "…" not in argument["valueName"])
            words.append(f"[{word}]" if argument["isOptional"] else word)
    if command.get("subcommands"):
        words.append("\\fIverb\\fR [\\fIargument\\fR]...")
    return " ".join(words)


def described(argument):
    text = argument.get("abstract", "")
    notes = []
    if argument.get("allValues"):
        notes.append("values: " + ", ".join(argument["allValues"]))
    if argument.get("defaultValue"):
        notes.append("default: " + argument["defaultValue"])
    return escaped(f"{text} ({'; '.join(notes)})" if notes else text)


def options(command):
    """The positional arguments and the options, each as a tagged paragraph."""
    positional, others = [], []
    for argument in command.get("arguments", []):
        if not argument["shouldDisplay"]:
            continue
        if argument["kind"] == "positional":
            positional.append(f".TP\n{placeholder(argument)}\n{described(argument)}")
        else:
            names = ", ".join(f"\\fB{spelled(name)}\\fR" for name in argument["names"])
            value = " " + placeholder(argument) if argument["kind"] == "option" else ""
            others.append(f".TP\n{names}{value}\n{described(argument)}")
    parts = [".SH ARGUMENTS\n" + "\n".join(positional)] * bool(positional)
    return "\n".join(parts + [".SH OPTIONS\n" + "\n".join(others)])


def table(title, rows, bold):
    mark = "B" if bold else "R"
    return f".SH {title}\n" + "\n".join(f".TP\n\\f{mark}{escaped(key)}\\fR\n{escaped(text)}" for key, text in rows)


def page(name, version, abstract, path, command, verbs):
    # The same pages from the same source.
    day = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())))
    seen = [PROGRAM] if len(path) > 1 else [f"{PROGRAM}-{verb}" for verb in verbs]
    others = [f"\\fB{escaped(other)}\\fR(1)" for other in seen]
    parts = [
        f'.TH "{escaped(name.upper())}" "1" "{day}" "{escaped(version)}" "User Commands"',
        f".SH NAME\n{escaped(name)} \\- {escaped(abstract[:1].lower() + abstract[1:].rstrip('.'))}",
        f".SH SYNOPSIS\n{synopsis(path, command)}",
        ".SH DESCRIPTION\n" + paragraphs(command.get("discussion", "") or abstract),
    ]
    if len(path) == 1:
        parts.append(table("VERBS", verbs.items(), True))
    parts += [options(command), table("EXIT STATUS", STATUSES, False)]
    if len(path) == 1:
        parts.append(table("ENVIRONMENT", VARIABLES, True))
    parts.append(".SH SEE ALSO\n" + ",\n".join(others))
    return "\n".join(parts) + "\n"


def main():
    binary, folder = sys.argv[1], pathlib.Path(sys.argv[2])

    def said(*words):
        return subprocess.run([binary, *words], check=True, capture_output=True, text=True).stdout

    dump = json.loads(said("--experimental-dump-help"))
    if dump["serializationVersion"] != 0:
        sys.exit(f"{binary} describes itself in version {dump['serializationVersion']}, and this reads version 0")
    version = said("--version").splitlines()[0]
    root = dump["command"]
    commands = [command for command in root["subcommands"] if command["shouldDisplay"] and command["commandName"] != "help"]
    verbs = {command["commandName"]: command["abstract"] for command in commands}
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{PROGRAM}*.1"):
        old.unlink()
    (folder / f"{PROGRAM}.1").write_text(page(PROGRAM, version, root["abstract"], [PROGRAM], root, verbs))
    for command in commands:
        name = f"{PROGRAM}-{command['commandName']}"
        (folder / f"{name}.1").write_text(
            page(name, version, command["abstract"], [PROGRAM, command["commandName"]], command, verbs))


if __name__ == "__main__":
    main()
