"""`generate --chat` as a person has it before him: in a terminal (tmux) with libedit. Editing of Chinese text, lines of earlier
talks, commands, Ctrl-C and Ctrl-D; and the same without an editor. The model is the small one of the example release: what it
answers does not matter."""

import contextlib
import ctypes.util
import json
import os
import pathlib
import signal
import stat
import time

from support import PROJECT, Skip, check, folder
from terminal import Terminal

NEEDS = []
MODEL = PROJECT / "Examples/tiny-belle/llama"


@contextlib.contextmanager
def talk(home, *options, **settings):
    if settings.get("term") != "dumb" and not ctypes.util.find_library("edit"):
        raise Skip("libedit is not here: apt-get install libedit2")
    terminal = Terminal(home, "generate", MODEL, "--chat", *options, **settings)
    try:
        terminal.prompt()
        yield terminal
    finally:
        terminal.close()


def saved(terminal, name):
    """The messages of the talk so far."""
    terminal.say(f"/save {name}")
    terminal.wait(f"are in {name}")
    terminal.prompt()
    return json.loads((terminal.home / name).read_text())["messages"]


def asked(messages):
    return [message["content"] for message in messages if message["role"] == "user"]


SHORT = ("--max-tokens", "3")


@check("Chinese text is edited: left, inserted, deleted, from end to beginning, by words, over two rows")
def editing():
    with folder() as home, talk(home, *SHORT, width=40) as terminal:
        terminal.type("今天天气好")
        terminal.keys("Left", "Left")
        terminal.type("很")
        terminal.keys("Home")
        terminal.type("问：")
        terminal.keys("End", "BSpace")
        terminal.type("坏")
        terminal.keys("Left", "Left", "DC", "Enter")
        terminal.prompt()
        assert "> 问：今天天很坏" in terminal.screen, terminal.screen
        # Longer than the row, with a change at its beginning.
        terminal.type("水" * 30)
        terminal.keys("C-a")
        terminal.type("火")
        terminal.keys("C-e")
        terminal.type("b c  d")
        terminal.keys("C-w", "Enter")
        terminal.prompt()
        assert asked(saved(terminal, "a.json")) == ["问：今天天很坏", "火" + "水" * 30 + "b c"]


@check("lines of earlier talks come back by the arrows and by Ctrl-R; the file is nobody else's")
def history():
    with folder() as home:
        with talk(home, *SHORT) as terminal:
            for line in ("第一个问题", "second", "/help"):
                terminal.say(line)
                terminal.prompt()
            terminal.keys("C-d")
            terminal.wait("status 0")
        file = home / "state/belle-tools/history"
        assert file.read_text() == "第一个问题\nsecond\n/help\n", file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, oct(file.stat().st_mode)
        file.chmod(0o644)
        with talk(home, *SHORT) as terminal:
            terminal.keys("Up", "Up", "Up")
            terminal.type("！")
            terminal.keys("Enter")
            terminal.prompt()
            terminal.keys("C-r")
            terminal.type("sec")
            terminal.keys("Enter")
            terminal.prompt()
            assert asked(saved(terminal, "a.json")) == ["第一个问题！", "second"], terminal.screen
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        before = file.read_text()
        with talk(home, *SHORT, "--no-history") as terminal:
            terminal.say("secret")
            terminal.prompt()
        assert file.read_text() == before


@check("Ctrl-C stops an answer and not the talk; at the prompt it gives the line up; Ctrl-D ends, and the terminal is as before")
def interrupt():
    with folder() as home, talk(home, "--max-tokens", "100000", "--temperature", "1", "--repeat-penalty", "1.2") as terminal:
        # An answer that the model ends by itself before the key says nothing: until one is caught.
        for number in range(20):
            terminal.say(f"question {number}")
            time.sleep(0.1 + 0.1 * (number % 4))
            terminal.keys("C-c")
            screen = terminal.prompt()
            if "^C" in screen:
                break
        assert "^C" in screen and "status" not in screen, screen
        terminal.type("given up")
        terminal.keys("Left", "C-c")
        terminal.wait(lambda screen: screen.endswith("> given up\n>"))
        terminal.type("kept")
        terminal.keys("C-d")
        assert "status" not in terminal.screen
        terminal.keys("C-u", "C-d")
        screen = terminal.wait("status")
        assert "status 0" in screen, screen
        terminal.wait("icanon echo")


@check("a kill ends the program, and the terminal is as before")
def ends():
    with folder() as home, talk(home, *SHORT) as terminal:
        terminal.type("half a line")
        shell = terminal.tmux("display-message", "-p", "#{pane_pid}").strip()
        (child,) = pathlib.Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)
        terminal.wait("status 143")
        terminal.wait("icanon echo")


@check("commands: /help, /system, /clear, /save, /exit; others are named, and paths are questions")
def commands():
    with folder() as home, talk(home, *SHORT, "--system", "Be brief.", width=100) as terminal:
        terminal.say("/help")
        terminal.wait("/save FILE")
        terminal.prompt()
        terminal.say("one")
        terminal.prompt()
        terminal.say("/system 你是诗人。")
        terminal.prompt()
        terminal.say("/usr/bin 是什么？")
        terminal.prompt()
        messages = saved(terminal, "a.json")
        assert messages[0] == {"role": "system", "content": "你是诗人。"} and asked(messages) == ["one", "/usr/bin 是什么？"]
        assert [message["role"] for message in messages] == ["system", "user", "assistant", "user", "assistant"]
        terminal.say("/save a.json")
        terminal.wait("give another name")
        terminal.say("/clear")
        terminal.wait("forgotten")
        terminal.say("/nosuch")
        terminal.wait("no command /nosuch")
        assert saved(terminal, "b.json") == messages[:1]
        terminal.say("/system -")
        terminal.say("/system")
        terminal.wait("There is no system message: ")
        terminal.say("/exit")
        terminal.wait("status 0")


@check("a window that changes its size, and a talk that is stopped and goes on")
def resize():
    with folder() as home, talk(home, *SHORT) as terminal:
        terminal.type("水" * 20)
        terminal.tmux("resize-window", "-x", "30", "-y", "24")
        time.sleep(0.5)
        terminal.type("火")
        terminal.keys("Enter")
        terminal.prompt()
        assert asked(saved(terminal, "a.json")) == ["水" * 20 + "火"]


@check("without an editor lines are plain; Ctrl-C and Ctrl-D are the same")
def plain():
    with folder() as home, talk(home, "--max-tokens", "100000", "--temperature", "1", term="dumb") as terminal:
        assert "libedit" in terminal.screen
        terminal.type("你好")
        terminal.keys("C-c")
        terminal.wait(lambda screen: screen.endswith("> 你好^C\n>"))
        terminal.say("what?")
        time.sleep(0.3)
        terminal.keys("C-c")
        terminal.prompt()
        terminal.say("/exit")
        terminal.wait("status 0")
        assert not (home / "state/belle-tools/history").exists()
