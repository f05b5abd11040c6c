"""Progress as a person has it before him: in a terminal (tmux), with Chinese names and messages, in windows of several widths
that change while the work goes on. tmux knows what every cell shows, also of what has scrolled away: no line of progress may
be broken by the window, none may stay behind, and no result may be erased with them."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import time
import unicodedata

from support import PROJECT, check, folder, tools
from terminal import Terminal

NEEDS = []
CHINESE = {"LC_ALL": "zh_CN.UTF-8"}
NAMES = [f"贝尔大模型的权重文件第{number}部分（共三部分）完整发布版本.bin" for number in "一二三"]
# A share at the beginning of a line: nothing but progress has one.
SHARE = re.compile(r" *[0-9]+%  ")
# Narrow and wide, odd and even: of an odd width a letter of two cells leaves one empty at the end.
WIDTHS = [60, 41, 100, 33, 80, 27, 120, 24, 61]


def release(home):
    """A release with long Chinese names, large enough to take a few seconds."""
    (home / "plain").mkdir()
    (home / "key.pth").write_bytes(os.urandom(1 << 20))
    for name in NAMES:
        with open(home / "plain" / name, "wb") as file:
            file.truncate(300 << 20)
    tools("encrypt", home / "plain", home / "key.pth", home / "enc")
    shutil.rmtree(home / "plain")


def cells(text):
    """How wide a text is on a terminal."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


class Work:
    """A verb at work in a window."""

    def __init__(self, home, *arguments, **settings):
        self.terminal = Terminal(home, *arguments, **settings)
        # What must have passed before it is of interest how the window looks.
        self.terminal.wait(lambda screen: any(map(SHARE.match, screen.splitlines())) or "status" in screen, 120)

    @property
    def pid(self):
        shell = self.terminal.tmux("display-message", "-p", "#{pane_pid}").strip()
        (child,) = pathlib.Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        return int(child)

    @property
    def is_over(self):
        return "status" in self.terminal.screen

    def shares(self):
        """The lines of progress, each whole, however many rows it takes."""
        return [line for line in self.terminal.lines if SHARE.match(line)]

    def look(self, most, width):
        """What is wrong with the lines of progress; None where nothing is."""
        shares = self.shares()
        if len(shares) > most:
            return f"{len(shares)} lines of progress, and at most {most} are drawn:\n" + "\n".join(shares)
        for line in shares:
            if cells(line) > width:
                return f"a line of {cells(line)} cells is broken on {width} columns: {line}"
        return None

    def settles(self, most, width):
        """Waits until the lines of progress are right, and sees that they stay so over some more of them.

        They are drawn anew at the next step of the work: what takes long at the beginning of quantize has no steps.
        """
        end = time.monotonic() + 30
        while (wrong := self.look(most, width)) and not self.is_over:
            assert time.monotonic() < end, wrong + "\n---\n" + self.terminal.screen
            time.sleep(0.05)
        for _ in range(4):
            time.sleep(0.08)
            if self.is_over:
                return
            wrong = self.look(most, width)
            # The window may be looked at between two lines that are drawn.
            assert not wrong or not self.look(most, width), wrong + "\n---\n" + self.terminal.screen

    def end(self, seconds=120):
        """Waits for the end: nothing of the progress is left, in the window and above it."""
        self.terminal.wait("status", seconds)
        left = self.shares()
        assert not left, "left behind:\n" + "\n".join(left) + "\n---\n" + self.terminal.screen
        return "\n".join(self.terminal.lines)


@contextlib.contextmanager
def work(home, *arguments, **settings):
    # In a window in which somebody works. At the top of a fresh one that becomes narrower tmux keeps the cursor's row, so
    # that lines which it breaks scroll out of the window, where nobody can erase them.
    one = Work(home, *arguments, **{"variables": CHINESE, "above": 40, **settings})
    try:
        yield one
    finally:
        one.terminal.close()


def whole(text):
    """Holds that all went well, and that every result and what stood there before is to be seen once."""
    lines = text.splitlines()
    assert "status 0" in lines, text
    for name in NAMES:
        assert sum(name in line for line in lines) == 1, text
    assert [line for line in lines if line.startswith("before ")] == [f"before {number}" for number in range(1, 41)], text


@check("decrypt: windows of several widths, each from the beginning to the end")
def widths():
    with folder() as home:
        release(home)
        for width in (120, 61, 40, 21, 12):
            with work(home, "decrypt", "enc", "key.pth", f"out{width}", width=width) as one:
                while not one.is_over:
                    one.settles(4, width)
                text = one.end()
                whole(text)
            shutil.rmtree(home / f"out{width}")


@check("decrypt: a window that changes its width and height during the work")
def resizing():
    with folder() as home:
        release(home)
        seen = turn = 0
        # A fast machine is soon done: as often as it takes to have had every width.
        while seen < len(WIDTHS) and turn < len(WIDTHS):
            with work(home, "decrypt", "enc", "key.pth", f"out{turn}", width=WIDTHS[-1]) as one:
                for number, width in enumerate(WIDTHS[turn:] + WIDTHS[:turn]):
                    if one.is_over:
                        break
                    one.terminal.resize(width, 24 if number % 2 else 9)
                    one.settles(4, width)
                    seen += 1
                text = one.end()
                whole(text)
            shutil.rmtree(home / f"out{turn}")
            turn += 1
        assert seen > 4, f"{turn} times the work was over, after {seen} widths"
        return f"{seen} changes of the window"


@check("quantize: layers and what is left are told in Chinese, through changes of the window")
def quantizing():
    with folder() as home:
        tools("decrypt", PROJECT / "Examples/tiny-belle/enc", PROJECT / "Examples/tiny-belle/llama/consolidated.00.pth", home / "一个名字很长很长很长的中文模型目录")
        options = ["--samples", "64", "--sequence-length", "512", "--threads", "1"]
        with work(home, "quantize", "一个名字很长很长很长的中文模型目录", "结果", *options, width=60) as one:
            (seen, said) = (0, set())
            for number, width in enumerate(WIDTHS * 3):
                if one.is_over:
                    break
                one.terminal.resize(width, 24 if number % 2 else 9)
                one.settles(2, width)
                said.update(word for word in ("第 ", "层", "剩余") for line in one.shares() if word in line)
                seen += 1
            text = one.end(300)
            assert "status 0" in text, text
            assert seen > 3, f"the work was over after {seen} widths"
            assert said >= {"层", "剩余"}, f"in Chinese are only {said}"
            return f"{seen} changes of the window"


@check("an interrupt takes the progress away and says in Chinese what is done")
def interrupted():
    with folder() as home:
        release(home)
        with work(home, "decrypt", "enc", "key.pth", "out", width=41) as one:
            one.terminal.keys("C-c")
            text = one.end()
            assert "status 130" in text and "已中断：" in text, text


@check("a work that is stopped while the window becomes narrower goes on over its own lines only")
def stopped():
    with folder() as home:
        release(home)
        seen = 0
        with work(home, "decrypt", "enc", "key.pth", "out", width=100, jobs=False) as one:
            for width in (37, 90, 25, 61):
                if one.is_over:
                    break
                os.kill(one.pid, signal.SIGSTOP)
                one.terminal.resize(width)
                time.sleep(0.5)
                os.kill(one.pid, signal.SIGCONT)
                seen += 1
                one.settles(4, width)
            text = one.end()
            whole(text)
        assert seen > 1, "the work was over before it was stopped twice"
