# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Nothing that comes from elsewhere does anything to an operator's terminal but show on it."""

import re

import pytest

from harness import wire
from harness.hostile import FORBIDDEN, TEXT, HostileCloud, Tty, terminal_changes
from harness.rest import API
from harness.screen import Screen
from harness.waiting import until

ATTACKS = {
    "escapes": TEXT.encode() + b"\n",
    "8-bit C1": b"A\x9b2J\x9d0;owned\x9cB\x90$qm\x9cC\x84D\x85E\x8dF\n",
    "UTF-8 C1": "A\u009b2J\u009d0;owned\u009cB\u0090$qm\u009cC\u0084D\u0085E\n".encode(),
    "left open": b"A\x1b]52;c;cm0gLXJm\nB\x1bPq\nC\x1b[31\nD\x1b_G\nE\x1b[1;31;5;8mF",
    "fake prompts": b"tiangong: web-1: exit status 0\r\nready> \r[sudo] password for root: \x1b[A\x1b[2K\x1b[1G$ rm -rf /\n",
    "queries": b"A\x1b[c\x1b[>c\x1b[6n\x1b[18t\x1b[21t\x1b]10;?\x07\x1b]4;0;?\x07\x1bP+q544e\x1b\\\x05B\n",
    "modes": b"A\x1b[?1049h\x1b[?25l\x1b[?1000h\x1b[?2004h\x1b[4h\x1b[20h\x1b[?7l\x1b[5;10r\x1b#8\x1bc\x1b[!pB\n",
    "charsets": b"A\x0e\x1b(0lqqk\x1b)0\x1b%GB\x0f\n",
    "bidi": "A\u202egnp.exe\u202c\u2066B\u2069\u200b\u200d\ufeff\U000e0041C\u2028D\n".encode(),
    "broken UTF-8": b"A\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xffB\xe6\x97\n",
    "marks": b"\xcc\x81" * 2000 + b"e" + b"\xcc\xb6" * 5000 + b"\n",
}

# What must still be there once the rest is gone.
VISIBLE = {"8-bit C1": "ABCDEF", "UTF-8 C1": "ABCDE", "left open": "ABCDEF", "queries": "AB", "modes": "AB", "charsets": "AB",
           "bidi": "ABCD", "broken UTF-8": "AB", "marks": "e"}


@pytest.fixture(scope="module")
def hostile_cloud(site):
    server = HostileCloud(site.cloud)
    assert site.operator("enrolment", "create", "--environment", "lab", "--label", "role=lab").returncode == 0
    parameters = [{"name": "track", "kind": "word", "help": "Where to.", "words": ["a", "b"]},
                  {"name": "note", "kind": "json", "help": "Anything.", "default": {"a": ["b"]}}]
    with wire.Link(site.cloud, "/ws/agent", site.cloud.token("agent", "plug-1")) as link:
        link.send("agent_register", {"hostname": "h", "executor_details": [
            {"type": "ship", "datasources": ["main"], "schema": {
                "type": "ship", "summary": "Ships.", "command": {"label": "tag", "help": "What."}, "parameters": parameters}}]})
        link.expect("agent_status")
    yield server
    server.stop()


@pytest.fixture
def screens(site, tmp_path):
    opened = []

    def open_screen(environment, columns=80, rows=24):
        screen = Screen(environment | {"TERM": "xterm-256color"}, tmp_path, columns, rows)
        # The multiplexer does whatever a program asks for, so that it shows when one asks.
        for name, value in [("set-clipboard", "on"), ("allow-passthrough", "on"), ("allow-rename", "on")]:
            screen.tmux("set-option", "-g", name, value)
        opened.append(screen)
        return screen
    yield open_screen
    for screen in opened:
        screen.stop()


def written(operator, tmp_path, data, *options):
    """The run of a task that writes exactly these bytes."""
    path = tmp_path / "attack"
    path.write_bytes(data)
    return operator.detach("-a", "demo-1", *options, "--", f"cat {path}; cat {path} >&2")


def facts(screen):
    """What output could change about a terminal: its title, its clipboard, its modes."""
    form = "#{pane_title} #{alternate_on} #{cursor_flag} #{mouse_any_flag} #{insert_flag} #{origin_flag} #{wrap_flag} #{scroll_region_upper} #{scroll_region_lower}"
    return screen.tmux("display-message", "-p", form), screen.tmux("list-buffers")


def test_the_terminals_of_these_tests_can_be_attacked(site, screens, tmp_path):
    assert set(terminal_changes(ATTACKS["escapes"])) >= {"title", "modes", "above"}
    assert terminal_changes(ATTACKS["queries"])["answers"]
    assert terminal_changes(b"A\x1b[31m colours and lines \x1b[0m\r\n" * 100) == {}
    screen = screens(site.operator.environment)
    before = facts(screen)
    (tmp_path / "attack").write_bytes(b"\x1b]2;owned\x07\x1b]52;c;b3duZWQ=\x07\x1b[?25l")
    screen.shell(f"cat {tmp_path}/attack")
    until(lambda: "owned" in (after := facts(screen))[0] and after[1] and after != before, 30, "the terminal was attacked")


@pytest.mark.parametrize("name", ATTACKS)
def test_output_on_a_terminal_is_shown_and_not_obeyed(site, operator, tmp_path, name):
    run = written(operator, tmp_path, ATTACKS[name])
    operator.ended(run)
    for arguments in [("logs", run), ("logs", run, "--color", "never"), ("logs", run, "-f", "--color", "always"),
                      ("run", "-a", "demo-1", "--prefix", "name", "--", f"cat {tmp_path}/attack; cat {tmp_path}/attack >&2")]:
        tty = Tty(arguments, operator.environment)
        assert tty.finish() == 0, tty.text
        plain = tty.judge()
        for letter in VISIBLE.get(name, ""):
            assert letter in plain, f"{letter} is hidden"
        if "never" in arguments:
            assert "\x1b" not in tty.text


def test_a_line_of_a_megabyte_is_bounded_on_screen_and_whole_in_a_file(operator, screens, tmp_path):
    data = b"begin" + b"x" * 1_000_000 + b"finish\nnext\n"
    run = written(operator, tmp_path, data)
    operator.ended(run)
    target = tmp_path / "copy"
    with target.open("wb") as file:
        process = operator.popen("logs", run, "--raw", "--stream", "stdout", stdout=file)
        assert process.wait(60) == 0
    assert target.read_bytes() == data
    tty = Tty(("logs", run, "--stream", "stdout"), operator.environment)
    assert tty.finish() == 0
    assert tty.judge() == data.decode()
    screen = screens(operator.environment)
    screen.shell("tiangong")
    screen.shows("Agents", "demo-1")
    screen.keys("g", "r")
    screen.shows("Runs", run[:8])
    screen.keys("Enter")
    screen.shows("v succeeded")
    screen.keys("l")
    screen.shows("next", "END succeeded")
    screen.keys("g", "g")
    shown = screen.shows("begin")
    assert all(len(line) <= 80 for line in shown.splitlines())
    screen.keys("G", "z", "w")
    screen.shows("next")
    screen.keys("Q")
    screen.shows("ready>")


def test_raw_goes_to_files_and_not_to_a_terminal(operator, tmp_path):
    data = b"".join(ATTACKS.values()) + bytes(range(256))
    run = written(operator, tmp_path, data)
    operator.ended(run)
    assert operator.raw(run, "stdout") == data
    assert operator.raw(run, "stderr") == data
    refused = Tty(("logs", run, "--raw"), operator.environment)
    assert refused.finish() == 2
    assert "--force" in refused.judge()
    forced = Tty(("logs", run, "--raw", "--force", "--stream", "stdout"), operator.environment)
    assert forced.finish() == 0
    assert forced.bytes == data.replace(b"\n", b"\r\n"), "the terminal's own line ends apart"
    alone = operator("logs", run, "--force")
    assert alone.returncode == 2


@pytest.mark.parametrize("columns, rows", [(80, 24), (120, 40)])
def test_output_in_the_console_stays_behind_its_bar(site, operator, screens, tmp_path, columns, rows):
    screen = screens(operator.environment, columns, rows)
    before = facts(screen)
    run = written(operator, tmp_path, b"\n".join(ATTACKS.values()) + b"\nthe last line\n")
    operator.ended(run)
    screen.shell("tiangong")
    screen.shows("Agents", "demo-1", "live")
    console = facts(screen)
    screen.keys("g", "r")
    screen.shows("Runs", run[:8])
    screen.keys("Enter")
    screen.shows("v succeeded")
    screen.keys("l")
    screen.shows("the last line", "END succeeded", "? help")
    for keys in [("g", "g"), ("z", "t"), ("z", "w"), ("z", "a"), ("G",)]:
        screen.keys(*keys)
        # Two looks alike: nothing is being drawn.
        lines = until(lambda: "Log" in (text := screen.text()) and text == screen.text() and text.splitlines(), 30, "the log is drawn")
        assert "demo-1" in lines[1] or "cat " in lines[1], "the title is ours"
        assert "live" in lines[0] and "? help" in lines[-1] + lines[-2], "so are the lines around the log"
        for line in lines[2:rows - 2]:
            assert re.match(r"^(\d\d:\d\d:\d\d\.\d{3} |.{13})?\s*([|!#] |  |$|[|!#]$)", line), line
            assert not FORBIDDEN.search(line), ascii(line)
        assert facts(screen) == console
    screen.keys("Q")
    screen.shows("ready>")
    assert facts(screen) == before, "leaving puts everything back"


READING = [
    ("agent", "list"), ("agent", "show", "demo-1"), ("executor", "list"), ("executor", "show", "shell"), ("task", "list"),
    ("run", "plugin", "ship", "--help"), ("run", "plugin", "ship", "-a", "plug-1", "--detach", "--", "x"), ("policy", "list"),
    ("policy", "test", "-a", "demo-1", "--", "rm -rf /; \x1b[2Jtrue"), ("whoami",), ("audit", "list"), ("audit", "show", "1"),
    ("audit", "verify"), ("operator", "list"), ("token", "list"), ("enrolment", "list"), ("agent", "show", "nobody"),
    ("run", "-a", "nobody", "--", "true"), ("run", "-a", "demo-1", "--", "exit 3"), ("task", "show", "RUN"), ("logs", "RUN"),
    ("task", "cancel", "RUN"), ("policy", "show", "POLICY"), ("login", "--name", "middle"),
    ("audit", "export", "--action", "policy"), ("audit", "replay", "RUN", "--speed", "0"), ("audit", "replay", "RUN", "--asciicast", "-"),
    ("token", "create", "olga"), ("enrolment", "create"), ("agent", "set", "demo-1", "-l", "role=demo"),
    ("policy", "put", "more", "POLICY-FILE", "-e", "nowhere"), ("operator", "set", "otto", "--role", "viewer"),
    ("file", "list"), ("file", "list", "--uploads"), ("file", "show", "FILE"), ("file", "show", "nothing12"),
    ("file", "remove", "nothing12"), ("file", "remove", "--upload", "nothing12"), ("file", "resume", "UPLOAD", "POLICY-FILE"),
    ("file", "push", "FILE", "/srv/x", "-a", "nobody"),
    ("file", "push", "nothing12", "/srv/x", "-a", "demo-1"), ("file", "fetch", "/srv/x", "-a", "nobody"),
]


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_no_command_lets_the_servers_words_reach_the_terminal(site, operator, hostile_cloud, tmp_path, command):
    task = operator.ended(operator.detach("-a", "demo-1", "--", "true"))[0]["id"]
    policy, = [policy["name"] for policy in operator.lines("policy", "list")][:1]
    (tmp_path / "policy.yaml").write_text("mode: audit\n")
    file = operator("file", "put", str(tmp_path / "policy.yaml"), "-q").stdout.decode().strip()
    known = {"RUN": task, "POLICY": policy, "POLICY-FILE": str(tmp_path / "policy.yaml"), "FILE": file,
             "UPLOAD": API(site.cloud, operator.token)("POST", "/uploads", {"name": "left.bin", "size": 12}).json["id"]}
    words = [known.get(word, word) for word in command]
    environment = operator.environment | {"TIANGONG_SERVER": hostile_cloud.url}
    before, shown = hostile_cloud.answers, ""
    for options in [(), ("--color", "never"), ("-q",), ("-o", "json"), ("-o", "jsonl")]:
        split = words.index("--") if "--" in words else len(words)
        tty = Tty([*words[:split], *options, *words[split:]], environment)
        tty.finish()
        plain = tty.judge()
        shown += plain
        assert "is not valid" not in plain and "is missing" not in plain, f"an answer was not understood: {plain}"
    assert hostile_cloud.answers > before
    # A task without output has nothing to play back.
    assert "replay" in command or "<U+0085>" in shown or "\\u0085" in shown, "nothing of what the server said was shown at all"


@pytest.mark.parametrize("columns, rows", [(80, 24), (120, 40)])
def test_no_screen_lets_the_servers_words_reach_the_terminal(site, operator, hostile_cloud, screens, columns, rows):
    run = operator.detach("-a", "demo-1", "--", "true")
    operator.ended(run)
    file = operator("file", "put", __file__, "-q").stdout.decode().strip()
    screen = screens(operator.environment | {"TIANGONG_SERVER": hostile_cloud.url}, columns, rows)
    before = facts(screen)
    screen.shell("tiangong")
    screen.shows("Agents", "online", "live")
    console = facts(screen)
    # What acts on a row needs one: what only the screen with its rows shows.
    rows_of = {("g", "r"): ["Runs", run[:8]], ("g", "f"): ["Files", file], ("g", "p"): ["Policies", "blacklist-default"], ("g", "u"): ["Audit", "newest first"]}
    for keys in [("Space",), ("?",), ("Escape",), ("g", "r"), ("Enter",), ("L",), ("q",), ("d",), ("C-t",), ("Escape",), ("Escape",),
                 ("g", "f"), ("Enter",), ("Escape",), ("p",), ("Escape",), ("x",), ("Escape",), ("g", "p"), ("Enter",), ("G",), ("q",), ("g", "u"), ("Enter",), ("G",), ("q",), ("g", "c"), ("g", "a"), ("t",)]:
        screen.keys(*keys)
        text = screen.shows("live", *rows_of.get(keys, []))
        for line in text.splitlines():
            assert not FORBIDDEN.search(line), ascii(line)
        assert facts(screen)[0].split()[1:4:2] == console[0].split()[1:4:2]
        assert facts(screen)[1] == "" and "owned" not in facts(screen)[0]
    screen.keys("Escape", "Q")
    screen.shows("ready>")
    assert facts(screen) == before
