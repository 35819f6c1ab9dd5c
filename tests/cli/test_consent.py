"""The commands on evidence, erasure and retention, as an operator types them."""

import json
from pathlib import Path
from typing import Any

from .commands import Commands

PEOPLE = "email,first_name\nmei@readers.example,Mei\nomar@readers.example,Omar\n"


def _imported(broadsheet: Commands, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(PEOPLE)
    broadsheet(
        "newsletter", "create", "proofs", "--name", "Proofs", "--from", "n@firm.example", "--postal-address", "Q"
    )
    arguments = ("--newsletter", "proofs", "--consent", "ticked the box at the fair")
    broadsheet("subscribers", "import", tmp_path / "people.csv", *arguments).succeeded()


def test_a_proof_an_erasure_and_a_verification(broadsheet: Commands, tmp_path: Path) -> None:
    _imported(broadsheet, tmp_path)
    proof: Any = broadsheet("consent", "proof", "mei@readers.example", "--json").succeeded().json
    act = proof["newsletters"][0]["purposes"][0]["acts"][0]
    assert (act["action"], act["how"], act["wording"]) == ("given", "import", "ticked the box at the fair")
    assert "ticked the box at the fair" in broadsheet("consent", "proof", "mei@readers.example").succeeded().err
    assert broadsheet("consent", "verify", "--json").succeeded().json["ok"]
    erased = (
        broadsheet("subscribers", "erase", "mei@readers.example", "--reason", "a letter", "--json").succeeded().json
    )
    assert "mei@" not in json.dumps(erased)
    assert broadsheet("consent", "proof", "mei@readers.example", "--json").succeeded().json["present"] == []
    assert broadsheet("consent", "verify").succeeded().err
    again = broadsheet("subscribers", "import", tmp_path / "people.csv", "--newsletter", "proofs", "--consent", "x")
    again.succeeded()
    assert broadsheet("consent", "proof", "mei@readers.example", "--json").succeeded().json["present"] == []


def test_an_address_without_acts_is_said_to_have_none(broadsheet: Commands) -> None:
    assert broadsheet("consent", "proof", "nobody@readers.example").code == 1


def test_retention_counts_before_it_deletes(broadsheet: Commands) -> None:
    found: Any = broadsheet("retention", "run", "--dry-run", "--json").succeeded().json
    assert found["dry_run"] is True
    assert found["consent_records"] == 0
    assert "Deleted." in broadsheet("retention", "run").succeeded().err
