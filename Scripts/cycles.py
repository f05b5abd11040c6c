#!/usr/bin/env python3
"""Cycles between rooms (targets), between the folders of a room, and with --files between the files of a room.

A graph by names: a file depends on the file that declares a type, a function of its own, or a member added to another
file's type, where it uses that name. A name that several files declare counts where one of them is in the same folder
or room and no other is; so edges are a lower bound, and what is printed names an example of each. In the graph of files
Type+Part.swift is one node with Type.swift. Rooms depend on what they import, too.

Prints cycles, and the uses that make them; exit status 1 where rooms or folders are in one, or files other than those of
KNOWN, which are made for each other: architecture.md has the reason of each.
"""

import argparse
import collections
import pathlib
import re
import sys

PROJECT = pathlib.Path(__file__).resolve().parent.parent
KNOWN = [
    ["FinalName", "NameExchange"],
    ["LegacyContainer", "PickleMachine"],
    ["Machine", "Scope", "Value"],
]
TYPES = {"struct", "class", "enum", "protocol", "actor", "extension"}
MEMBERS = {"func", "var", "let", "typealias", "associatedtype"}
TOKEN = re.compile(r"`?[A-Za-z_][A-Za-z_0-9]*`?|[^\sA-Za-z_0-9]")
# Names of the standard library and Foundation: `.count` says nothing of a file that adds a count to a type.
COMMON = set("""
    Element Error Failure Index Iterator Result Value all append base bytes capacity code contains copy count data
    debugDescription decode description distance encode end filter first flatMap forEach format hash hashValue id
    index indices init insert isEmpty joined key keys last lazy line lines map max min name names next none offset
    path prefix range read reduce remove removeAll reversed rounded seconds size some sorted span split start
    store string suffix sum take text type uint8 value values write zip
""".split())


def code_of(text):
    """The program without comments and literals; what is interpolated in them stays, and so do the ends of lines."""
    out, at = [], 0

    def literal(at):
        """From a literal's opening on: what it interpolates, and where it ends."""
        hashes = re.match("#*", text[at:]).group()
        quote = '"""' if text.startswith('"""', at + len(hashes)) else '"'
        at += len(hashes) + len(quote)
        while at < len(text) and not text.startswith(quote + hashes, at):
            if text.startswith("\\" + hashes + "(", at):
                at, depth = at + 2 + len(hashes), 1
                out.append(" ")
                while depth and at < len(text):
                    if re.match('#*"', text[at:]):
                        at = literal(at)
                        continue
                    depth += {"(": 1, ")": -1}.get(text[at], 0)
                    out.append(text[at] if depth else " ")
                    at += 1
            else:
                count = 2 if text[at] == "\\" and not hashes else 1
                out.append("\n" * text.count("\n", at, at + count))
                at += count
        return at + len(quote + hashes)

    while at < len(text):
        if text.startswith("//", at):
            at = text.find("\n", at) if "\n" in text[at:] else len(text)
        elif text.startswith("/*", at):
            end = text.find("*/", at)
            end = end + 2 if end >= 0 else len(text)
            out.append("\n" * text.count("\n", at, end))
            at = end
        elif text[at] == '"' or text[at] == "#" and re.match('#+"', text[at:]):
            out.append('"')
            at = literal(at)
        else:
            out.append(text[at])
            at += 1
    return "".join(out)


class SwiftFile:
    """What a file declares for others, what it declares at all, and what it uses."""

    def __init__(self, path):
        self.path = path.relative_to(PROJECT / "Sources")
        self.room = self.path.parts[0]
        self.folder = str(self.path.parent)
        self.types, self.members, self.own = set(), {}, set()
        code = code_of(path.read_text(encoding="utf-8"))
        self.imports = set(re.findall(r"^\s*(?:\w+ )?import (?:struct |class |enum |func )?(\w+)", code, re.M))
        code = re.sub(r"^\s*(?:\w+ )?import .*$", "", code, flags=re.M)
        self.own.update(re.findall(r"[<,]\s*(?:let |each )?([A-Z]\w*)\s*(?=[:,>])(?=[^(){}]*>\s*[({:])", code))
        self.scan([token.strip("`") for token in TOKEN.findall(code)])

    def scan(self, tokens):
        """Reads the tokens; names declared within functions are nobody else's."""
        # What each open brace belongs to: an extension, with its type; a type; code.
        scopes, pending, hidden = [], None, False
        self.names, self.accessed = set(), set()
        for at, token in enumerate(tokens):
            before = tokens[at - 1] if at else ""
            after = tokens[at + 1] if at + 1 < len(tokens) else ""
            is_open, is_name = "code" not in scopes, re.match(r"[A-Za-z_]", after)
            if token == "{":
                scopes.append(pending or "code")
                pending = None
            elif token == "}":
                if scopes:
                    scopes.pop()
                hidden = False
            elif token in ("private", "fileprivate") and after != "(":
                hidden = True
            elif before == ".":
                self.accessed.add(token)
                # A type within another one: its owner is what is used.
                if token[0].isupper() and not (at > 1 and tokens[at - 2][0].isupper()):
                    self.names.add(token)
            elif token in TYPES and is_name and after not in ("func", "var", "let", "init", "subscript"):
                pending = "type"
                if token == "extension":
                    pending = "extension " + after
                elif is_open:
                    self.own.add(after)
                    if not hidden:
                        self.types.add(after)
                hidden = False
            elif token in MEMBERS and is_open and is_name:
                self.own.add(after)
                if not hidden and token != "associatedtype":
                    if not scopes or token == "typealias":
                        self.types.add(after)
                    elif scopes[-1].startswith("extension "):
                        self.members.setdefault(after, set()).add(scopes[-1].split()[1])
                hidden = False
            elif re.match(r"[A-Za-z_]", token):
                # An argument's label is no use of a name.
                if after != ":" or token[0].isupper():
                    self.names.add(token)

    @property
    def node(self):
        return self.path.name.removesuffix(".swift").split("+")[0]


def uses(files):
    """(user, used, name) over all files."""
    declaring = collections.defaultdict(set)
    types_of = collections.defaultdict(set)
    for file in files:
        for name in file.types:
            if name not in COMMON:
                declaring[name].add(file)
            types_of[(file.room, file.node)].add(name)
    members = collections.defaultdict(set)
    for file in files:
        for name, extended in file.members.items():
            # Members that a type's own files give it are used by who uses the type.
            if name not in COMMON and not extended <= types_of[(file.room, file.node)] | {file.node}:
                members[name].add(file)
    everything = collections.Counter(name for file in files for name in file.own)
    found = []
    for file in files:
        for name in file.names - file.own:
            candidates = declaring.get(name, set()) - {file}
            for nearer in (lambda other: other.folder == file.folder, lambda other: other.room == file.room):
                if len(candidates) > 1:
                    candidates = {other for other in candidates if nearer(other)} or candidates
            if len(candidates) == 1:
                found.append((file, candidates.pop(), name))
        for name in file.accessed - file.own:
            candidates = members.get(name, set())
            if len(candidates) == 1 and everything[name] == 1 and file not in candidates:
                found.append((file, next(iter(candidates)), name))
    visible = reachable({file.room: set() for file in files}, [(f.room, i) for f in files for i in f.imports])
    return [use for use in found if use[1].room == use[0].room or use[1].room in visible[use[0].room]]


def reachable(graph, edges):
    """What each room can see: its imports. Packages from outside are no rooms."""
    for user, used in edges:
        if used in graph and used != user:
            graph[user].add(used)
    return graph


def components(edges):
    """Strongly connected sets of more than one node (Tarjan), the largest first."""
    graph = collections.defaultdict(set)
    for user, used in edges:
        graph[user].add(used)
    order, low, stack, result = {}, {}, [], []

    def visit(node):
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in order:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == order[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1:
                result.append(sorted(component))

    sys.setrecursionlimit(10000)
    for node in sorted(graph):
        if node not in order:
            visit(node)
    return sorted(result, key=lambda component: (-len(component), component))


def show(kind, found, key, shown=3):
    """Prints the cycles between what `key` makes of files, and the uses within each."""
    edges = {(key(user), key(used)) for user, used, _ in found if key(user) != key(used)}
    cycles = components(edges)
    for cycle in cycles:
        print(f"{len(cycle)} {kind} in a cycle: {', '.join(cycle)}")
        for edge in sorted(edges):
            if edge[0] in cycle and edge[1] in cycle:
                examples = sorted({f"{user.path.name}: {name}" + (f" ({used.path.name})" if used.node != name else "")
                                   for user, used, name in found if (key(user), key(used)) == edge})
                more = f", {len(examples) - shown} more" if len(examples) > shown else ""
                print(f"    {edge[0]} → {edge[1]}: {'; '.join(examples[:shown])}{more}")
    return cycles


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("room", nargs="*", help="rooms to look at; by default all")
    parser.add_argument("--files", action="store_true", help="show cycles of the files of a room, too")
    parser.add_argument("--all", action="store_true", help="show all uses that make a cycle, not three of each")
    options = parser.parse_args()
    files = [SwiftFile(path) for path in sorted((PROJECT / "Sources").rglob("*.swift"))]
    unknown = set(options.room) - {file.room for file in files}
    if unknown:
        sys.exit(f"cycles.py: there is no room {', '.join(sorted(unknown))}")
    found, shown = uses(files), 1 << 30 if options.all else 3
    imports = [(file.room, name) for file in files for name in file.imports if name != file.room]
    rooms = components(imports)
    for cycle in rooms:
        print(f"{len(cycle)} rooms in a cycle: {', '.join(cycle)}")
    folders, knots = 0, []
    for room in sorted(set(options.room) or {file.room for file in files}):
        inside = [use for use in found if use[0].room == use[1].room == room]
        folders += len(show("folders", inside, lambda file: file.folder, shown))
        if options.files:
            nodes = {file.node for file in files if file.room == room}
            edges = {(user.node, used.node) for user, used, _ in inside if user.node != used.node}
            print(f"{room}: {len(nodes)} files, {len(edges)} edges")
            knots += show("files", inside, lambda file: file.node, shown)
    counted = f", {len(knots)} between files" if options.files else ""
    print(f"{len(rooms)} cycles between rooms, {folders} between folders{counted}")
    new = [cycle for cycle in knots if cycle not in KNOWN]
    for cycle in new:
        print(f"{', '.join(cycle)}: this cycle is not among those that have a reason, see KNOWN")
    return 1 if rooms or folders or new else 0


if __name__ == "__main__":
    sys.exit(main())
