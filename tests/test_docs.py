"""Docs are part of the tool: everything a user can name is there, and the examples run."""

import ast
import contextlib
import dataclasses
import io
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import journal.commands
import replay.commands
import serve
import serving.app
import sim.commands
from journal import schema
from journal.files import IMPORTERS
from policies.features import FEATURES
from policies.rewards import REWARDS
from policies.spec import POLICIES, make
from replay import audit, evaluate
from replay.estimators import ESTIMATORS
from replay.intervals import INTERVALS
from replay.learners import LEARNERS
from sim.logs import generate
from sim.scenarios import SCENARIOS

ROOT = Path(__file__).parent.parent
PAGES = {p.name: p.read_text() for p in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}
COMMANDS = {
    "journal": journal.commands.app,
    "replay": replay.commands.app,
    "sim": sim.commands.app,
}


def missing(names: list[str], page: str) -> list[str]:
    """The names that do not stand as code in a page."""
    return [name for name in names if not re.search(rf"`{re.escape(name)}[ `]", PAGES[page])]


def options() -> list[tuple[str, str]]:
    out = []
    for app in COMMANDS.values():
        for name, command in get_command(app).commands.items():
            out.append((name, name))
            for parameter in command.params:
                out += [(name, o) for o in parameter.opts if o.startswith("--") and o != "--help"]
    return out


@pytest.mark.parametrize(("command", "option"), options())
def test_every_command_and_option_is_documented(command: str, option: str) -> None:
    """In docs/commands.md, as code."""
    assert not missing([option], "commands.md"), f"{command} {option}"


def test_every_option_of_the_server_is_documented() -> None:
    """In docs/serving.md."""
    actions = serve.parser()._actions
    named = [o for action in actions for o in action.option_strings if o.startswith("--")]
    assert not missing([o for o in named if o != "--help"], "serving.md")


def _spoken() -> tuple[set[str], set[str]]:
    """The error codes and the events on stderr that the scorer's own source has."""
    codes, events = set(serving.app.REFUSALS), set()
    files = [*ROOT.glob("serving/*.py"), *ROOT.glob("journal/live*.py")]
    for file in [*files, ROOT / "journal" / "states.py", ROOT / "policies" / "errors.py"]:
        for node in ast.walk(ast.parse(file.read_text())):
            said: list[ast.AST] = []
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in ("Refused", "Broken", "Conflict"):
                    said = node.args[1:2]
                elif node.func.id == "note" and isinstance(node.args[0], ast.Constant):
                    events.add(node.args[0].value)
                said += [k.value for k in node.keywords if k.arg == "code"]
            elif isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                said = [v for k, v in pairs if isinstance(k, ast.Constant) and k.value == "code"]
            elif isinstance(node, ast.arguments):
                named = [*node.args, *node.kwonlyargs]
                given = [*node.defaults, *node.kw_defaults]
                pairs = zip(named[::-1], given[::-1], strict=False)
                said = [v for a, v in pairs if a.arg == "code" and v is not None]
            found = {c.value for s in said for c in ast.walk(s) if isinstance(c, ast.Constant)}
            codes |= {value for value in found if isinstance(value, str)}
    return codes, events


def test_every_error_and_event_of_the_server_is_documented() -> None:
    """In docs/serving.md, each code in a row that says what to do."""
    codes, events = _spoken()
    assert {"bad_input", "not_json", "unknown", "answered", "failed", "overloaded"} <= codes
    assert {"journal_unavailable", "checkpoint_not_used", "worker_ended"} <= events
    assert not missing(sorted(events), "serving.md")
    rows = re.findall(r"^\| [\d, ]+ \| `(\w+)` \|[^|]+\|[^|]+\|$", PAGES["serving.md"], re.M)
    assert sorted(rows) == sorted(codes)


def test_every_endpoint_is_documented() -> None:
    """With its method."""
    named = [f"{method} {path}" for path, (method, _) in serve.ROUTES.items()]
    assert not missing(named, "serving.md")


@pytest.mark.parametrize(
    ("names", "page"),
    [
        (list(POLICIES), "extending.md"),
        (list(ESTIMATORS), "estimators.md"),
        (list(LEARNERS), "estimators.md"),
        (list(INTERVALS), "intervals.md"),
        (list(SCENARIOS), "simulation.md"),
        (list(schema.NAMES), "log-schema.md"),
        (list(REWARDS), "features.md"),
        ([f.name for f in FEATURES], "features.md"),
    ],
)
def test_every_name_is_documented(names: list[str], page: str) -> None:
    """Policies, estimators, learners, intervals, scenarios, columns, feedback, features."""
    assert names
    assert not missing(names, page)


def test_every_importer_is_documented() -> None:
    """By its prefix."""
    for prefix in IMPORTERS:
        assert f"`{prefix}:" in PAGES["commands.md"]


def test_every_policy_parameter_is_documented() -> None:
    """Beside its policy."""
    for name in POLICIES:
        policy: Any = make(name)
        fields = [f.name.rstrip("_") for f in dataclasses.fields(policy)]
        assert not missing(fields, "extending.md")


def test_every_make_target_is_documented() -> None:
    """In docs/commands.md."""
    targets = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.M)
    assert len(targets) > 5
    assert not missing([t for t in targets if t != "help"], "commands.md")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Every relative link is a file."""
    base = ROOT if page == "README.md" else ROOT / "docs"
    for target in re.findall(r"\]\(([^)#]+)\)", PAGES[page]):
        assert (base / target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_left_to_fill_in(page: str) -> None:
    """No placeholder of ours is forgotten."""
    assert not re.search(r"@@|<!--|TODO|TBD", PAGES[page])


def test_documented_command_lines_have_no_unknown_option() -> None:
    """Every `python -m journal|replay|sim COMMAND --option` in the docs parses."""
    pattern = r"python -m (journal|replay|sim) ([\w-]+)([^\n`]*)"
    lines = re.findall(pattern, "\n".join(PAGES.values()))
    assert len(lines) > 8
    for package, name, rest in lines:
        command = get_command(COMMANDS[package]).commands[name]
        known = {o for p in command.params for o in p.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, (package, name, rest)


def test_the_example_of_the_readme_prints_what_it_says() -> None:
    """Acceptance 8: from a DataFrame to a table with verdicts."""
    blocks = re.findall(r"```python\n(.*?)```", PAGES["README.md"], re.S)
    assert len(blocks) == 2
    assert len([line for line in blocks[1].splitlines() if line.strip()]) < 15
    printed = io.StringIO()
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(printed):
        for block in blocks:
            exec(block, names)
    assert printed.getvalue().rstrip() in PAGES["README.md"]


def test_the_policy_of_the_docs_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/extending.md's own policy: by name, from Python, and its own log rebuilt."""
    block = re.findall(r"```python\n(.*?)```", PAGES["extending.md"], re.S)[0]
    (tmp_path / "documented_policy.py").write_text(block)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert len([line for line in block.splitlines() if line.strip()]) <= 20
    assert make("documented_policy:OldestFirst:epsilon=0.2").explores
    log = generate("steady", 6, 4, make("random"), seed=1)
    by_name = evaluate(log, "documented_policy:OldestFirst:epsilon=0.2").to_dict()
    cls = import_module("documented_policy").OldestFirst
    assert evaluate(log, cls(epsilon=0.2)).to_dict() == by_name
    assert evaluate(log, [cls(epsilon=0.2)]).to_dict() == by_name
    served = generate("steady", 2, 4, cls(), seed=1)
    assert audit(served).rebuilt == len(served)


def test_every_public_function_says_what_it_does() -> None:
    """`--help` and docstrings: click shows a help text for every option."""
    for app in COMMANDS.values():
        for name, command in get_command(app).commands.items():
            assert command.help, name
            assert "Example:" in str(command.epilog), name
            for parameter in command.params:
                if parameter.param_type_name == "option" and "--help" not in parameter.opts:
                    assert getattr(parameter, "help", None), (name, parameter.name)
