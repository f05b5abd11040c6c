"""What every verb prints with --json, held against the schemas by PyPI's jsonschema; and the schemas against Draft 2020-12."""

import json
import pathlib
import tempfile

import jsonschema
import referencing
from support import PROJECT, check, tools

NEEDS = ["jsonschema", "referencing"]
FOLDER = PROJECT / "Documentation/json"
MODEL = PROJECT / "Tests/Fixtures/qwen/qwen2"
TINY = PROJECT / "Examples/tiny-belle"


def schemas():
    return {path.name[: -len(".schema.json")]: json.loads(path.read_text()) for path in FOLDER.glob("*.schema.json")}


def validator(verb):
    known = schemas()
    registry = referencing.Registry().with_resources(
        (schema["$id"], referencing.Resource.from_contents(schema)) for schema in known.values()
    )
    return jsonschema.Draft202012Validator(known[verb], registry=registry)


def runs(folder):
    """Command lines, with the exit status that they should have."""
    out = lambda name: folder / name  # noqa: E731
    return [
        ("decrypt", [TINY / "enc", TINY / "llama/consolidated.00.pth", out("model")], 0),
        ("decrypt", [TINY / "enc", TINY / "llama/params.json", out("other")], 1),
        ("encrypt", [out("model"), TINY / "llama/consolidated.00.pth", out("enc"), "--lists"], 0),
        ("verify", [out("model")], 0),
        ("verify", [out("model"), "--manifest", out("enc/SHA256SUMS")], 2),
        ("hash", [out("model"), "--lists"], 0),
        ("releases", [], 0),
        ("inspect", [out("model"), "--stats"], 0),
        ("inspect", [out("model"), "--safety"], 0),
        ("convert", [out("model"), out("model.gguf")], 0),
        ("compare", [out("model"), out("model.gguf")], 0),
        ("doctor", [out("model")], None),
        ("evaluate", [out("model"), "--text", TINY / "adapter/make.py", "--sequence-length", 32], 0),
        ("generate", [out("model"), "--prompt", "a", "--max-tokens", 3], 0),
        ("quantize", [out("model"), out("packed"), "--samples", 4, "--sequence-length", 64, "--group-size", 32], 0),
        ("merge", [out("model"), TINY / "adapter", out("merged")], 0),
        ("extend", [out("model"), out("tokens.json"), out("extended")], 0),
    ]


@check("the schemas are JSON Schemas of Draft 2020-12")
def schemas_are_schemas():
    known = schemas()
    for schema in known.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    return f"{len(known)} schemas"


@check("each verb's lines fit its schema, where it succeeds, says no, fails and is misused")
def lines_fit():
    count, verbs = 0, set(schemas()) - {"error"}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "tokens.json").write_text('["<|new|>", {"content": "<|im_start|>", "special": true}]')
        lines = []
        for verb, arguments, status in runs(folder):
            done = tools(verb, *arguments, "--json", status=None)
            said = [json.loads(line) for line in done.stdout.splitlines()]
            assert status in (None, done.returncode), f"{verb} {arguments}: {done.returncode}: {done.stderr}"
            assert said and said[-1]["type"] in ("summary", "error"), f"{verb} {arguments}: {done.stdout[-300:]}"
            lines += [(verb, line) for line in said]
        for verb in sorted(verbs):
            done = tools(verb, "--no-such-option", "--json", status=None)
            said = [json.loads(line) for line in done.stdout.splitlines()]
            assert done.returncode == 64 and [line["type"] for line in said] == ["error"], f"{verb}: {done.stdout}"
            lines += [(verb, line) for line in said]
        assert verbs == {verb for verb, _ in lines}, "a verb was not run"
        validators = {verb: validator(verb) for verb in verbs}
        for verb, line in lines:
            fault = jsonschema.exceptions.best_match(validators[verb].iter_errors(line))
            assert fault is None, f"{verb}: {fault.json_path}: {fault.message[:300]}: {str(line)[:300]}"
            # What is not documented is found.
            assert not validators[verb].is_valid({**line, "never documented": 1}), verb
            count += 1
    return f"{count} lines"
