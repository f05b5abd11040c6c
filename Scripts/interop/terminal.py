"""A program in a terminal of its own: tmux, which knows what every cell shows."""

import itertools
import os
import shutil
import subprocess
import time

from support import Skip, TOOLS

_numbers = itertools.count()


class Terminal:
    """A window in which a shell runs belle-tools once, says how it ended, and waits.

    jobs: whether the shell watches its jobs, as one does into which somebody types: a program that is stopped is left alone then.
    above: how many lines somebody has seen in the window before.
    variables: of the environment; the locale is that of BELLE_TALK_LOCALE where none is given.
    """

    def __init__(self, home, *arguments, term="tmux-256color", width=60, height=24, jobs=True, above=0, variables=()):
        if not shutil.which("tmux"):
            raise Skip("tmux is not here: apt-get install tmux")
        # Of its own: a server that is about to end takes no new session.
        self.socket = str(home / f"tmux-{next(_numbers)}")
        self.home = home
        names = {"XDG_STATE_HOME": home / "state", "TERM": term, "LC_ALL": os.environ.get("BELLE_TALK_LOCALE", "C.UTF-8")}
        names.update(variables)
        words = " ".join(f"'{word}'" for word in (TOOLS, *arguments))
        command = " ".join([*(f"{name}='{value}'" for name, value in names.items()), words])
        command = f"seq -f 'before %g' {above}; " * (above > 0) + "set -m; " * jobs + command + "; echo status $?; stty -a | grep -o ' [-]*icanon\\| [-]*echo ' | tr -d '\\n'; echo; sleep 600"
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height), "-c", str(home), "bash", "-c", command)

    def tmux(self, *words):
        done = subprocess.run(["tmux", "-u", "-S", self.socket, *words], capture_output=True, text=True)
        assert done.returncode == 0, f"tmux {words}: {done.stderr}"
        return done.stdout

    @property
    def screen(self):
        """What stands in the window and above it."""
        return "\n".join(line.rstrip() for line in self.tmux("capture-pane", "-p", "-S", "-200").splitlines()).rstrip()

    @property
    def lines(self):
        """The same by lines: what the terminal has broken is one."""
        return [line.rstrip() for line in self.tmux("capture-pane", "-p", "-J", "-S", "-200").splitlines()]

    def resize(self, width, height=24):
        self.tmux("resize-window", "-x", str(width), "-y", str(height))

    def wait(self, what, seconds=60):
        """Waits until the screen holds a text, or is as a function wants it."""
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
