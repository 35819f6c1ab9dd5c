"""What another service sends is counted where it arrives; and where it cannot be installed, ours is measured alone."""

import sys
from pathlib import Path

import pytest

from service.errors import BroadsheetError
from service.lab import bench_peers
from tests.bench.test_benchmarks import bench

NOWHERE = "http://127.0.0.1:9/simple"
CONTENT = {"subject": "A letter", "html": "<p>.\r\n.</p>"}
FAKE = """
import csv, json, smtplib, sys
job = json.load(sys.stdin)
people = [row[0] for row in csv.reader(open(job["audience"]))]
with smtplib.SMTP("127.0.0.1", job["port"]) as connection:
    for address in people[: {wanted}]:
        connection.sendmail("letter@firm.example", [address], f"Subject: {{job['subject']}}\\r\\n\\r\\n{{job['html']}}")
print(json.dumps({{"seconds": 0.5, "versions": "none", "memory_mib": 1.0}}))
"""


@pytest.fixture
def audience(tmp_path: Path) -> Path:
    """A folder with twenty readers."""
    (tmp_path / "audience.csv").write_text("".join(f"reader{n}@readers.example,Ada\n" for n in range(20)))
    return tmp_path


def fake(wanted: str) -> list[str]:
    return [sys.executable, "-c", FAKE.format(wanted=wanted)]


def test_what_another_sent_is_counted_mail_by_mail(audience: Path) -> None:
    found = bench_peers.theirs(fake("None"), audience, CONTENT, 20, 2)
    assert (found["readers"], found["runs"], found["readers_per_second"]) == (20, [0.5, 0.5], 40)


@pytest.mark.parametrize("wanted", ["-1", "0"])
def test_another_that_missed_a_reader_is_not_measured(audience: Path, wanted: str) -> None:
    with pytest.raises(BroadsheetError, match="of 20 readers"):
        bench_peers.theirs(fake(wanted), audience, CONTENT, 20, 1)


def test_another_that_fails_is_told_of_in_one_line(audience: Path) -> None:
    with pytest.raises(BroadsheetError, match="The other failed: ZeroDivisionError"):
        bench_peers.theirs([sys.executable, "-c", "1 / 0"], audience, CONTENT, 20, 1)


@pytest.mark.long
@pytest.mark.slow
def test_ours_is_measured_where_the_other_cannot_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.setenv(name, NOWHERE)
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    found = bench("peers", "--readers", 300, "--times", 1)
    assert (found["ours"]["readers"], found["peer"]) == (300, None)
    assert "django-newsletter==1.2.1 is not measured: it cannot be installed here" in found["skipped"]
