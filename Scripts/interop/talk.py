"""`generate --chat` as a person has it before him: in a terminal (tmux) with libedit. Editing of Chinese text, lines of earlier
talks, commands, Ctrl-C and Ctrl-D; and the same without an editor. The model is the small one of the example release: what it
answers does not matter."""

import contextlib
import ctypes.util
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import time

from support import PROJECT, Skip, TOOLS, check, folder

NEEDS = []
MODEL = PROJECT / "Examples/tiny-belle/llama"


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, home, *options, term="tmux-256color", width=60):
        self.socket = str(home / "tmux")
        self.home = home
        variables = {"XDG_STATE_HOME": home / "state", "TERM": term, "LC_ALL": os.environ.get("BELLE_TALK_LOCALE", "C.UTF-8")}
        words = [TOOLS, "generate", str(MODEL), "--chat", *options]
        command = " ".join([*(f"{name}='{value}'" for name, value in variables.items()), *(f"'{word}'" for word in words)])
        # Jobs are in groups of their own, as in a shell that somebody types into.
        command = "set -m; " + command + "; echo status $?; stty -a | grep -o ' [-]*icanon\\| [-]*echo ' | tr -d '\\n'; echo; sleep 600"
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", "24", "-c", str(home), "bash", "-c", command)

    def tmux(self, *words):
        done = subprocess.run(["tmux", "-u", "-S", self.socket, *words], capture_output=True, text=True)
        assert done.returncode == 0, f"tmux {words}: {done.stderr}"
        return done.stdout

    @property
    def screen(self):
        return "\n".join(line.rstrip() for line in self.tmux("capture-pane", "-p", "-S", "-200").splitlines()).rstrip()

    def wait(self, what, seconds=60):
        """Waits until the screen ends with a text, or holds it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            screen = self.screen
            if callable(what) and what(screen) or isinstance(what, str) and what in screen:
                return screen
            time.sleep(0.1)
        raise AssertionError(f"waited for {what if isinstance(what, str) else 'the prompt'}, and there is:\n{self.screen}")

    def prompt(self):
        """Waits for an empty prompt on the last line."""
        return self.wait(lambda screen: screen.endswith("\n>"))

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def say(self, text):
        """A line, and its end."""
        self.type(text)
        self.keys("Enter")

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True)


@contextlib.contextmanager
def talk(home, *options, **settings):
    for program in ("tmux", "stty"):
        if not shutil.which(program):
            raise Skip(f"{program} is not here: apt-get install tmux")
    if settings.get("term") != "dumb" and not ctypes.util.find_library("edit"):
        raise Skip("libedit is not here: apt-get install libedit2")
    terminal = Terminal(home, *options, **settings)
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
