#!/usr/bin/env python3
"""Writes the tables of Documentation/json.md from the schemas in Documentation/json; --check only says whether they are so."""
import json
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(ROOT, "Documentation", "json.md")
FOLDER = os.path.join(ROOT, "Documentation", "json")
MARK = "<!-- Scripts/json-fields.py writes what follows. -->\n"


def kind(field):
    """What a field may be, in a word or two."""
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return ", ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    if "$ref" in field:
        return "object: see `" + field["$ref"].split("/")[-1] + "`"
    types = field.get("type", "any")
    types = [types] if isinstance(types, str) else types
    if "array" in types:
        inner = kind(field["items"]) if "items" in field else "any"
        return f"array of {inner}"
    words = " or ".join(types)
    digits = {"^[0-9a-f]{64}$": "64 digits", "^[0-9a-f]{32}$": "32 digits"}.get(field.get("pattern"))
    return f"{words} ({digits})" if digits else words


def table(name, schema):
    lines = [f"**`{name}`**: {schema['description']}", "", "| field | value | meaning |", "|---|---|---|"]
    for field, value in schema["properties"].items():
        if field == "type":
            continue
        meaning = value.get("description", "")
        optional = "" if field in schema.get("required", []) else " Not always there."
        lines.append(f"| `{field}` | {kind(value)} | {meaning}{optional} |")
    return "\n".join(lines) + "\n"


def page():
    parts = []
    names = sorted(name for name in os.listdir(FOLDER) if name.endswith(".schema.json"))
    for name in names:
        with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
            schema = json.load(file)
        verb = name[: -len(".schema.json")]
        if "properties" in schema:
            parts.append(f"## Failure\nSchema: [json/{name}](json/{name})\n\n" + table("error", schema))
            continue
        parts.append(f"## {verb}\nSchema: [json/{name}](json/{name})\n")
        parts += [table(key, value) for key, value in schema["$defs"].items()]
    return "\n".join(parts)


def main():
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    head, mark, _ = text.partition(MARK)
    wanted = head + MARK + "\n" + page()
    if "--check" in sys.argv:
        if text != wanted or not mark:
            sys.exit("Documentation/json.md differs from the schemas in Documentation/json: run Scripts/json-fields.py")
        return
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(wanted)


main()
