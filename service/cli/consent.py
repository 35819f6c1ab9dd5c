"""Commands on the evidence of consent."""

import sys
from typing import Any

import click

from service import seals, settings
from service.cli.frame import as_json, command, counted, plain, say, show_json
from service.cli.groups import consent
from service.operations import attesting, verifying
from service.operations.verifying import Verification
from service.running import database


@command(consent, example="broadsheet consent verify")
@as_json
def verify(as_json: bool) -> None:
    """Check every record, digest and note; ends with 1 when something is not as it was written."""
    with database(settings.load()):
        found = verifying.verify()
        public_key = seals.public_key()
    if as_json:
        show_json(_to_json(found, public_key))
    else:
        _show(found, public_key)
    if found.findings:
        sys.exit(1)


def _to_json(found: Verification, public_key: str) -> dict[str, Any]:
    counts = {name: value for name, value in vars(found).items() if isinstance(value, int)}
    return {
        "ok": not found.findings,
        **counts,
        "findings": [{"record": one.record_id, "what": one.what} for one in found.findings],
        "notes": found.notes,
        "public_key": public_key,
    }


def _show(found: Verification, public_key: str) -> None:
    say(
        f"{counted(found.acts, 'act')} of {counted(found.readers, 'reader')}; {found.erased_details:,} details erased since."
    )
    if found.removals:
        say(f"{found.removed:,} records removed when their period ended, by {found.removals:,} signed notes.")
    upto = f", up to record {found.covered}" if found.digests else ""
    say(f"{counted(found.digests, 'digest')}{upto}; {counted(found.certificates, 'certificate')} of erasure.")
    say(f"Public key of the seals: {public_key}")
    for note in found.notes[:20]:
        say(f"[yellow]![/yellow] {plain(note)}")
    if len(found.notes) > 20:
        say(f"  … and {len(found.notes) - 20:,} more; --json has them all.")
    for one in found.findings[:50]:
        say(f"[red]✗[/red] {plain(_finding(one.record_id, one.what))}")
    if (more := len(found.findings) + found.more_findings - 50) > 0:
        say(f"  … and {more:,} more; --json names up to {verifying.MOST_FINDINGS:,}.")
    if found.findings:
        say(
            "[red]The evidence is not as it was written.[/red] Keep this database as it is, and compare it with a backup."
        )
    else:
        say("Everything is as it was written.")


def _finding(record: int | None, what: str) -> str:
    return what if record is None else f"record {record} {what}"


@command(consent, example="broadsheet consent proof ann@firm.example --json > proof.json")
@click.argument("address")
@as_json
def proof(address: str, as_json: bool) -> None:
    """Everything that was recorded about the consent of one address, and how to check it.

    Ends with 1 when nothing was, or when it is not as it was written. The address is neither stored nor logged.
    """
    with database(settings.load()):
        found = attesting.attest(address)
    if as_json:
        show_json(found)
    else:
        _show_proof(found)
    if not found["acts"] or not found["verification"]["ok"]:
        sys.exit(1)


def _show_proof(found: dict[str, Any]) -> None:
    say(f"[bold]{plain(found['address'])}[/bold], known by the keyed hash {found['keyed_hash']}")
    for erased in found["erased"]:
        say(f"Erased on {erased['at']} (certificate {erased['certificate']}).")
    if not found["acts"]:
        say("[yellow]Nothing was ever recorded about this address[/yellow], or it was removed when its period ended.")
    for newsletter in found["newsletters"]:
        say(f"\n[bold]{plain(newsletter['name'] or 'No newsletter')}[/bold]")
        for purpose in newsletter["purposes"]:
            say(f"  {purpose['purpose']}: {'in force' if purpose['in_force'] else 'not in force'}")
            for act in purpose["acts"]:
                _show_act(act)
    for row in found["present"]:
        say(
            f"Present state, {plain(row['slug'])}: {row['state']}, tracking {row['tracking']}, transfer {row['export_consent']}"
        )
    for row in found["suppressions"]:
        lifted = f", lifted {row['lifted_at']} ({plain(row['lifted_because'] or '')})" if row["lifted_at"] else ""
        say(f"Suppressed since {row['since']}: {row['kind']} ({plain(row['source'])}){lifted}")
    _show_verification(found["verification"], any_acts=bool(found["acts"]))


def _show_act(act: dict[str, Any]) -> None:
    say(f"    {act['at']}  {act['action']}, by {act['how']} (record {act['record']})")
    if act["wording"] is not None:
        say(f"      words: “{plain(act['wording'])}”")
    if file := act.get("file"):
        say(f"      file: {plain(file['name'])}, SHA-256 {file['sha256']}")
    for title, facts in (("details", act["details"]), ("from", act["origin"])):
        if isinstance(facts, str):
            say(f"      {title}: erased since")
        elif facts:
            say(f"      {title}: {plain(', '.join(f'{name} {value}' for name, value in facts.items()))}")
    if "under_a_former_address" in act:
        say(f"      under a former address, known by {act['under_a_former_address']}")


def _show_verification(found: dict[str, Any], *, any_acts: bool) -> None:
    say("")
    for one in found["findings"]:
        say(f"[red]✗[/red] {plain(_finding(one['record'], one['what']))}")
    if found["ok"] and any_acts:
        say("The chain of this reader's acts holds, and so do the digests that cover it.")
    for digest in found["digests"]:
        say(f"  digest {digest['number']} of {digest['made_at']}: signature {digest['signature']}")
    if found["not_in_a_digest_yet"]:
        say(f"  not in a digest yet: {len(found['not_in_a_digest_yet'])} records; the next one is made within the hour")
    say(f"  public key {found['public_key']}")
