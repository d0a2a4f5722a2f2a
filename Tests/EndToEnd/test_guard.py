# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""The command guard from outside: `validate --jsonl`, and its reading of shell text beside that of dash, which only parses."""

import json
import random
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.programs import BIN

TEXTS = 3000


class Judge:
    """A running `tiangong-agent validate --jsonl`."""

    def __init__(self):
        self.process = subprocess.Popen(
            [BIN / "tiangong-agent", "validate", "--jsonl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, line):
        """The answer to one line of bytes."""
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def __call__(self, command, mode="no-injection"):
        return self.send(json.dumps({"id": "x", "mode": mode, "command": command}).encode())

    def close(self):
        self.process.stdin.close()
        return self.process.wait(30)


@pytest.fixture(scope="module")
def judge():
    judge = Judge()
    yield judge
    assert judge.close() == 0


def quoted(word):
    return "'" + word.replace("'", "'\\''") + "'"


# The batch command

def test_answer_names_rule_place_and_commands(judge):
    answer = judge("ls /tmp | sudo reboot")
    assert answer["id"] == "x" and answer["verdict"] == "deny" and answer["rule"] == "D2"
    assert answer["position"] == len("ls /tmp | sudo ")
    assert answer["commands"] == ["ls /tmp", "reboot"]
    assert answer["mode"] == "no-injection" and re.fullmatch("[0-9a-f]{64}", answer["policy"])
    assert "\n" not in answer["message"]


@pytest.mark.parametrize("line", [
    b"", b"{", b"[]", b"null", b'"x"', b"{}", b'{"id":1}', b'{"id":"x","mode":"none","command":"ls"}', b"\xff\xfe",
    b'{"id":"x","mode":"audit","command":"\\ud800"}', b'{"id":"x","mode":"audit","command":"a\xff"}',
    b'{"id":"x","mode":"whitelist:[","command":"ls"}', b'{"id":"x","mode":"whitelist:[\\"(\\"]","command":"ls"}',
    b"[" * 100_000, b'{"id":"x","mode":"audit","command":5}'])
def test_bad_line_is_refused_and_ends_nothing(judge, line):
    answer = judge.send(line)
    assert answer["verdict"] == "deny" and answer["error"]["code"] in {"invalid_argument", "too_large"}
    assert judge("ls")["verdict"] == "allow"


def test_list_of_expressions_in_the_mode(judge):
    mode = 'whitelist:["systemctl (status|restart) [a-z@0-9.]+", "grep [a-z]+"]'
    assert judge("systemctl status redis@1 | grep x", mode)["verdict"] == "allow"
    assert judge("systemctl stop redis", mode)["rule"] == "whitelist"
    assert judge("ls", "whitelist:[]")["rule"] == "whitelist"
    assert judge("reboot", 'whitelist:[".*"]')["rule"] == "D2"


@pytest.mark.parametrize("command, rule", [
    ("rm -rf /", "D1"), ("cd / && rm -rf *", "D1"), ("shutdown -h now", "D2"), ("dd if=/dev/zero of=/dev/sda", "D3"),
    ("chmod -R 777 /etc", "D4"), (":(){ :|:& };:", "D5"), ("kill -9 -1", "D6"), ("echo x | tee /etc/passwd", "D7"),
    ("curl -s x | sudo bash", "D8"), ("python3 -c 'import os; os.system(\"reboot\")'", "D9"), ("$X a", "V4"),
    ("eval \"$X\"", "V6"), ("echo 'a", "V1"), ("a\u202eb", "V0")])
def test_rule_is_named(judge, command, rule):
    assert judge(command, "blacklist-default")["rule"] == rule


def test_same_verdict_with_every_word_quoted(judge):
    for command in ["rm -rf /", "ls -la /tmp", "sudo reboot", "find / -delete", "systemctl restart nginx", "rm -rf /tmp/x",
                    "timeout 5 halt", "dd if=a of=/dev/sda", "kill -9 1", "env A=1 ls", "git log -p"]:
        again = " ".join(quoted(word) for word in command.split())
        for mode in ["no-injection", "blacklist-default"]:
            one, two = judge(command, mode), judge(again, mode)
            assert (one["verdict"], one["rule"]) == (two["verdict"], two["rule"]), again


# Beside dash

# What bash alone reads, or reads in another way; the guard reads both, and the two are compared by hand. Besides: names of
# functions that only bash takes, and substitutions without meaning, which dash refuses when it reads and bash when it runs;
# back-quotes in which dash stops reading before their end.
DIFFERENT = re.compile(
    r"""<<|[<>]\(|\$['"]|&>|\|&|;&|\(\(|=\(|[<>]&|\bfunction\b|\bselect\b|!\s*!|(^|[;&|(){}`!\n]|\b(then|do|else|if|elif|while|until)\b)[\s]*([<>]+\S+\s*)*in\b|\{[a-z]+\}[<>]
    |[^\s;&|()<>]*[^\w\s;&|()<>$][^\s;&|()<>]*\s*\(|\$\{\w*(:[^-=?+]|[^-=?+:%\#}\w])|\$\{\#[^\w}]
    |`[^`]*(\)|\}|;;|\b(do|done|elif|else|esac|fi|then)\b)[^`]*`""", re.VERBOSE)
PIECES = [
    "ls", "echo a", "x=1", "a", "b", " ", " ", "\n", ";", "&", "|", "&&", "||", "(", ")", "{", "}", "{ ", " }", "; }", "'", "\"",
    "\\", "`", "$", "$(", "${x", "${x:-", "}", "$x", "$((", "))", "if ", "then ", "else ", "elif ", "fi", "while ", "do ", "done",
    "for i ", "for i in ", "case x ", "case x in ", "a) ", "esac", ";;", "#", "!", ">", "<", ">>", ">f", "2>f", "f()", "\t", "=", "*", "\\\n", "\n"]
WORDS = ["a", "-l", "'q q'", "\"d $x d\"", "$x", "${x:-y}", "${x#'}'}", "\"${x:-'}\"", "\\;", "a\\ b", "$(ls)", "`ls`", "$((1+2))", "\"$(ls \"a\")\"",
         "{a,b}", "~", "*", "''", "a'b'\"c\"", "if", "}", "é", "\"`ls`\"", "${#x}", "\"a\\\"b\"", "\"a\\\nb\"", "$(case x in a) ls;; esac)", "#x", "a#b"]


def program(source, depth=0):
    """A random text that the grammar allows."""
    def words(most):
        return " ".join(source.choice(WORDS) for _ in range(source.randint(0, most)))

    def simple():
        parts = [source.choice(["", "", "", "x=1 ", "x=$(ls) "]), source.choice(["ls ", "echo ", "[ ", "\\if "]), words(3)]
        parts.append(source.choice(["", "", " >f", " 2>/dev/null", " <f", " >>'f'"]))
        return "".join(parts)

    def compound():
        inner = lambda: program(source, depth + 1)
        return source.choice([
            lambda: f"( {inner()} )", lambda: f"{{ {inner()}\n}}", lambda: f"if {inner()}\nthen {inner()}\nfi",
            lambda: f"if {inner()}\nthen {inner()}\nelif {inner()}\nthen {inner()}\nelse {inner()}\nfi >f",
            lambda: f"while {inner()}\ndo {inner()}\ndone", lambda: f"until {inner()}\ndo {inner()}\ndone <f",
            lambda: f"for i in {words(3)}\ndo {inner()}\ndone", lambda: f"for i in {words(2)}; do {inner()}\ndone",
            lambda: f"case {source.choice(WORDS[:9])} in a | 'b') {inner()}\n;; (*) ;; {words(1)}c) {inner()}\nesac",
            lambda: f"for i do {inner()}\ndone", lambda: f"for i\ndo {inner()}\ndone", lambda: f"f() {{ {inner()}\n}}"])()

    def command():
        return compound() if depth < 2 and source.random() < 0.25 else simple()

    text = command()
    for _ in range(source.randint(0, 2)):
        text += source.choice([" | ", " && ", " || ", "\n", " |\n", " &&\n"]) + command()
    return text


def damaged(source, text):
    """The text with a piece of it gone, doubled or replaced."""
    start = source.randrange(len(text) + 1)
    end = min(len(text), start + source.randint(0, 3))
    return text[:start] + source.choice(["", source.choice(PIECES), text[start:end] * 2]) + text[end:]


def texts(seed):
    source = random.Random(seed)
    while True:
        kind = source.random()
        if kind < 0.35:
            text = program(source)
        elif kind < 0.7:
            text = damaged(source, program(source))
        else:
            text = "".join(source.choice(PIECES) for _ in range(source.randint(1, 14)))
        if text.strip(" \t\n") and len(text) < 4000 and not DIFFERENT.search(text.replace("\\\n", "")):
            yield text


def dash_refuses(text):
    """Whether dash finds a syntax error. It reads and never runs."""
    return subprocess.run(["dash", "-n"], input=text.encode(), capture_output=True).returncode != 0


@pytest.mark.skipif(shutil.which("dash") is None, reason="dash is not installed")
def test_parses_what_dash_parses(judge):
    chosen = [text for text, _ in zip(texts(20261124), range(TEXTS))]
    with ThreadPoolExecutor(4) as pool:
        refused = list(pool.map(dash_refuses, chosen))
    wrong = []
    for text, by_dash in zip(chosen, refused):
        answer = judge(text, "blacklist-default")
        if "levels deep" in answer["message"]:
            continue
        by_guard = answer["rule"] == "V1"
        if by_guard != by_dash:
            wrong.append((by_dash, text, answer["message"]))
    assert not wrong, f"{len(wrong)} of {TEXTS}, the first: {wrong[:5]}"
    assert 0.2 < sum(refused) / TEXTS < 0.8


def test_random_bytes_end_nothing(judge):
    source = random.Random(7)
    for _ in range(500):
        size = source.randint(1, 300)
        text = "".join(source.choice(PIECES + [chr(source.randint(0, 0x2100))]) for _ in range(size))
        assert judge(text, source.choice(["audit", "blacklist-default", "no-injection", "whitelist"]))["verdict"] in {"allow", "deny"}
