"""`bigin demo`: the story holds, and it would say so if it did not."""

from __future__ import annotations

import json

import pytest

from bigin_client.cli.demonstration import Demonstration
from bigin_client.testing import BiginSimulator


def test_every_figure_agrees(in_process, tmp_path):
    """The user's own account and settings play no part."""
    folder = tmp_path / "demo"
    elsewhere = {"MATON_API_BASE_URL": "http://127.0.0.1:9", "BIGIN_CONNECTION_ID": "mine"}
    done = in_process("demo", "--to", str(folder), "--json", **elsewhere)
    assert done.returncode == 0, done.stdout
    story = json.loads(done.stdout)
    assert story["agrees"]
    assert [step["exit_code"] for step in story["steps"]] == [0, 5, 5, 0, 0, 0]
    assert len([c for step in story["steps"] for c in step["checks"]]) > 15
    assert (folder / "rejects.jsonl").exists()
    again = in_process("demo", "--to", str(folder))
    assert again.returncode == 2
    assert "is there already" in again.stderr


def test_a_figure_that_disagrees_is_told(tmp_path, in_process, monkeypatch):
    """An account that loses what it said it had written is found out, and the exit code is 1."""
    with BiginSimulator(seed=2, rate_limit=None) as sim:

        def lose(_request, _sim):
            entry = sim.requests[-1]
            if entry.operation in {"insert", "upsert"} and entry.module == "Contacts":
                for record in entry.created.values():
                    sim.store.delete("Contacts", record)

        sim.after_request(lose)
        shown = Demonstration(sim, tmp_path / "demo", quiet=True)
        shown.run()
        wrong = [check.what for step in shown.steps for check in step.checks if not check.agrees]
        assert "contacts created" in wrong
        assert not shown.agrees
    monkeypatch.setattr(Demonstration, "run", lambda self: self.steps.extend(shown.steps))
    done = in_process("demo", "--to", str(tmp_path / "other"))
    assert done.returncode == 1


@pytest.mark.slow  # the two above tell the same story without a terminal
def test_in_a_terminal(in_terminal, tmp_path):
    code, shown = in_terminal("demo", "--to", str(tmp_path / "demo"))
    assert code == 0, shown
    assert "\x1b[1;32m" in shown
    assert "figures agree with the account" in shown
