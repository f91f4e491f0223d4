"""`bigin modules`, `fields`, `connections` and `doctor` through the console script."""

from __future__ import annotations

import json
import re
import shlex

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from bigin_client.cli import app
from bigin_client.testing import BiginSimulator

READ_ONLY = [
    ("modules",),
    ("fields", "Contacts"),
    ("connections", "list"),
    ("doctor",),
]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_without_a_command_it_helps(bigin):
    done = bigin()
    assert done.returncode == 0
    assert "doctor" in done.stdout
    assert "Exit codes" in done.stdout


@pytest.mark.parametrize("command", READ_ONLY, ids=" ".join)
def test_every_command_speaks_json(in_process, command):
    """``--json`` is taken before or after the command's name, and stdout is one document."""
    after = in_process(*command, "--json")
    before = in_process("--json", *command)
    assert after.returncode == before.returncode == 0, after.stderr
    assert type(json.loads(after.stdout)) is type(json.loads(before.stdout))
    assert after.stderr == ""


@pytest.mark.parametrize("command", READ_ONLY, ids=" ".join)
def test_tables_fit_a_terminal_of_80_columns(in_terminal, command):
    code, shown = in_terminal(*command)
    assert code == 0, shown
    assert max(len(ESCAPES.sub("", line)) for line in shown.splitlines()) <= 80


def test_a_piped_table_is_not_folded(in_process):
    """One line a record, so that grep and awk work on it."""
    listed = in_process("fields", "Contacts").stdout.splitlines()
    fields = json.loads(in_process("fields", "Contacts", "--json").stdout)
    assert len(listed) == len(fields) + 1


def test_modules_are_those_of_the_account(in_process, sim):
    rows = json.loads(in_process("modules", "--json").stdout)
    assert {r["module"] for r in rows} == set(sim.store.modules)
    assert next(r for r in rows if r["module"] == "Social")["api"] is False


def test_fields_takes_a_usual_name(in_process):
    by_alias = in_process("fields", "companies", "--json").stdout
    assert by_alias == in_process("fields", "Accounts", "--json").stdout
    mandatory = {r["field"] for r in json.loads(by_alias) if r["mandatory"]}
    assert mandatory == {"Account_Name"}


def test_connections_never_show_their_link(in_process, sim):
    """Whoever has the url can authorise in the owner's name: only `create` prints it."""
    url = sim.connections[0].describe()["url"]
    for command in (["list"], ["list", "--json"], ["show", sim.connection_id, "--json"]):
        done = in_process("connections", *command)
        assert done.returncode == 0
        assert sim.connection_id in done.stdout
        assert url not in done.stdout + done.stderr
        assert "session_token" not in done.stdout + done.stderr


def test_a_connection_is_created_shown_and_deleted(in_process, in_terminal, sim):
    made = in_process("connections", "create", "--no-wait", "--json")
    assert made.returncode == 0, made.stderr
    new = json.loads(made.stdout)["connection_id"]
    assert "session_token" in made.stderr
    assert "session_token" not in made.stdout
    shown = json.loads(in_process("connections", "show", new, "--json").stdout)
    assert shown["status"] == "PENDING"

    refused = in_process("connections", "delete", new)
    assert refused.returncode == 2
    assert sim.gateway.find(new) is not None
    code, shown = in_terminal("connections", "delete", new, answer="n\n")
    assert code == 2
    assert "not confirmed" in shown
    assert sim.gateway.find(new) is not None

    code, shown = in_terminal("connections", "delete", new, answer="y\n")
    assert code == 0, shown
    assert sim.gateway.find(new) is None


def test_deleting_an_unknown_connection_is_code_3(in_process):
    done = in_process("connections", "delete", "no-such-connection", "--yes")
    assert done.returncode == 3
    assert "no such connection" in done.stderr


def test_create_waits_until_authorised(bigin, in_process, sim):
    """The command comes back when somebody has opened the link."""
    stop = sim.after_request(
        lambda _request, s: [
            s.set_connection_status(c.id, "ACTIVE") for c in s.connections if c.status == "PENDING"
        ]
    )
    done = bigin("connections", "create", "--timeout", "20")
    stop()
    assert done.returncode == 0, done.stderr
    new = done.stdout.rpartition("=")[2].strip()
    assert done.stdout.startswith("ACTIVE: export BIGIN_CONNECTION_ID=")
    in_process("connections", "delete", new, "--yes")
    assert len(sim.connections) == 1


def test_doctor_names_every_module_and_the_credits(in_process, sim):
    before = sim.credits_used
    report = json.loads(in_process("doctor", "--json").stdout)
    rows = {r["module"]: r for r in report["modules"]}
    assert rows["Contacts"]["records"] == sim.store.count("Contacts")
    assert rows["Contacts"]["fields"] == len(sim.store.fields("Contacts"))
    assert rows["Social"]["reason"] == "no API"
    assert report["account"]["connection"] == sim.connection_id
    assert report["account"]["credits"] == sim.credits_used - before


def test_doctor_goes_on_past_a_module_without_scope():
    """One missing scope is named, does not hide the others, and makes the exit code 6."""
    with BiginSimulator(seed=2, sizes={"Contacts": 2}, rate_limit=None) as other:
        other.revoke("Tasks")
        other.revoke("settings.fields")
        rows = _doctor(other, expected=6)
    assert rows["Tasks"]["readable"] is False
    assert "OAUTH_SCOPE_MISMATCH" in rows["Tasks"]["reason"]
    assert rows["Tasks"]["scope"]
    assert rows["Contacts"]["readable"] is True
    assert rows["Contacts"]["fields"] is None
    assert rows["Contacts"]["records"] == 2


def _doctor(sim: BiginSimulator, *, expected: int) -> dict[str, dict]:
    env = {
        "MATON_API_KEY": sim.api_key,
        "MATON_API_BASE_URL": sim.base_url,
        "BIGIN_REQUESTS_PER_SECOND": "0",
    }
    result = CliRunner().invoke(app, ["doctor", "--json"], env=env, standalone_mode=False)
    assert result.return_value == expected, result.output
    return {r["module"]: r for r in json.loads(result.stdout)["modules"]}


def test_the_shell_completes(bigin):
    """As docs/command-line.md says; asked the way that bash asks."""
    words = "bigin export --format "
    done = bigin(_BIGIN_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD="3")
    assert "plain,parquet" in done.stdout.splitlines()
    complete = BashComplete(app, {}, "bigin", "_BIGIN_COMPLETE").get_completions
    assert [item.value for item in complete([], "ex")] == ["export"]
    assert "--mirror-scope" in [item.value for item in complete(["load"], "--mi")]


def test_documented_commands_are_understood(root):
    """Each command in the documents and in the helps' examples has these options and choices."""
    group = click.Context(app, **app.context_settings)
    texts = [(root / name).read_text("utf-8") for name in ("README.md", "docs/command-line.md")]
    texts += [app.get_command(group, name).epilog or "" for name in app.list_commands(group)]
    lines = "\n".join(texts).replace("\\\n", " ").splitlines()
    found = {line.strip() for line in lines if re.match(r" *bigin [a-z]+ ", line)}
    assert len(found) > 8
    for line in found:
        name, *arguments = shlex.split(line.removeprefix("bigin "), comments=True)
        app.get_command(group, name).make_context(name, arguments, parent=group)
