"""The benchmarks measure what they say, and a reader waits seconds for a confirmation while an issue is being sent."""

import json
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from service.lab import plot
from service.lab.bench import percentile
from service.lab.bench_growth import exponents
from tests.cli.commands import command_line, environment


def bench(*arguments: object, seconds: int = 110) -> dict[str, Any]:
    done = subprocess.run(
        command_line("bench", *arguments, "--json"),
        env=environment(),
        capture_output=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.long
@pytest.mark.slow
def test_confirmations_leave_within_five_seconds_while_an_issue_is_being_sent() -> None:
    found = bench("confirmations", "--readers", 3000)
    assert found["during_the_issue"] >= 5, "else nothing was measured"
    assert found["issue"] == "sent"
    assert found["p95_s"] <= found["max_s"] <= 5


@pytest.mark.slow
def test_every_sign_up_that_the_benchmark_counts_was_kept() -> None:
    found = bench("signup", "--seconds", 0.5)
    assert found["kept"] > sum(run["signups"] for run in found["runs"]) > 0, "the warm-up is kept too"
    assert found["signups_per_second"] > 5
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert found["ratio"] < 1


@pytest.mark.slow
def test_rendering_is_measured_against_premailer_on_the_same_page() -> None:
    found = bench("render", "--times", 3)
    assert 60 <= found["html_kb"] < 90
    assert found["premailer_runs"] == 1
    assert 0 < found["bare_premailer_s"] < found["warm_s"]
    assert found["ratio"] == pytest.approx(found["warm_s"] / found["bare_premailer_s"])


def test_a_percentile_is_a_measured_value() -> None:
    assert [percentile([4.0, 1.0, 3.0, 2.0], share) for share in (0, 0.5, 0.95, 1)] == [1, 2, 4, 4]
    assert percentile([7.0], 0.99) == 7


@pytest.mark.slow
def test_every_page_is_measured_and_none_is_heavy() -> None:
    found = bench("pages", "--readers", 1000, "--times", 3)
    pages = {one["page"]: one for one in found["pages"]}
    assert {"admin_home.show", "admin_editor.show", "admin_report.copy", "subscribing.newsletter"} <= set(pages)
    assert len(pages) > 40
    assert found["too_heavy"] == []
    assert 200 < pages["admin_editor.show"]["kb"] < 350, "the editor's script was weighed"
    assert {one["page"] for one in found["parts"]} == {
        "admin_audience.expected",
        "admin_sending.ready",
        "admin_editor.preflight",
    }
    # What asks for a reader's own link, and what is for who is not signed in.
    outside = ("admin_signing_in.", "admin_single_sign_on.")
    assert all(not one.startswith("admin_") or one.startswith(outside) for one in found["not_measured"])


@pytest.mark.slow
def test_an_issue_reaches_every_reader_of_the_benchmark_once() -> None:
    found = bench("send", "--readers", 3000, "--latency", 20, "--workers", 2)
    assert found["readers"] == found["accepted"] > 2900
    assert (found["requests"], found["twice"], len(found["runs"])) == (3, 0, 3)
    assert 0 < found["freeze_s"] < found["total_s"]
    assert found["hand_off_per_second"] > 0 < found["bare_posts_per_second"]
    assert 100 < found["bytes_a_delivery"] < 1000
    assert {"sending", "beat", "postgres"} <= set(found["memory_mib"])


@pytest.mark.slow
@pytest.mark.long
def test_two_machines_share_an_issue_and_no_reader_gets_two_copies() -> None:
    found = bench("send", "--readers", 12_000, "--latency", 80, "--workers", 1, "--hosts", 2, "--times", 1)
    assert (found["readers"], found["twice"], found["hosts"]) == (found["accepted"], 0, 2)
    assert sum(found["batches_by_host"].values()) == found["requests"] == 12
    assert min(found["batches_by_host"].values()) > 0, "both machines sent"


@pytest.mark.slow
def test_a_flood_of_events_leaves_what_the_same_events_leave_once_and_in_order() -> None:
    found = bench("flood", "--readers", 2000, "--events", 3000, "--latency", 20, "--workers", 2)
    assert found["events"] == 3000 > found["distinct_events"] > 1000
    assert found["undisturbed_per_second"] > 0 < found["flooded_per_second"]
    assert 0 < found["hook_p50_ms"] <= found["hook_p99_ms"]
    assert len(found["digest"]) == 16, "the command fails when the two differ"


@pytest.mark.slow
def test_an_import_is_measured_with_its_bad_rows_and_every_consent() -> None:
    found = bench("import", "--readers", 3000, "--times", 1, "--after", 10)
    assert (found["rows"], found["invalid"], found["duplicates"]) == (3000, 5, 1)
    assert 4000 < found["consent_records"] < 6000, "the newsletter's, and those of whoever was asked about tracking"
    assert 0 < found["bare_copy_s"] < found["seconds"]
    assert found["again_s"] > 0
    assert found["importer_memory_mib"] > 20
    assert "postgres" in found["memory_mib"]


@pytest.mark.slow
def test_whoever_the_benchmark_lets_leave_has_left() -> None:
    found = bench("unsubscribe", "--seconds", 0.5)
    assert found["left"] > sum(run["leaves"] for run in found["runs"]) > 0, "the warm-up's are counted too"
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert 0 < found["ratio"] < 1


@pytest.mark.slow
def test_every_event_of_the_benchmark_is_taken_in_once() -> None:
    found = bench("webhooks", "--events", 1500)
    assert found["events"] == sum(run["events"] for run in found["runs"]) == 1500
    assert 300 < found["readers"] < 500
    assert 0 < found["hook_p50_ms"] <= found["hook_p99_ms"]
    assert min(found["intake_per_second"], found["ingest_per_second"], found["replay_per_second"]) > 0
    assert 0 < found["ingest_ratio"] < 1
    assert 60 < found["bytes_an_event"] < 3000, "few events leave whole pages empty"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_growth_is_measured_at_each_size_and_drawn(tmp_path: Path) -> None:
    found = bench("growth", "--sizes", "500,1000", "--times", 1, "--plot", tmp_path / "growth.svg", seconds=230)
    assert [one["readers"] for one in found["sizes"]] == [500, 1000]
    assert set(found["exponents"]) == {"freeze_s", "hand_off_s", "total_s", "sending_mib", "postgres_mib"}
    assert abs(found["exponents"]["sending_mib"]["all"]) < 0.5, "a worker holds one batch at a time"
    drawn = ElementTree.parse(tmp_path / "growth.svg").getroot()
    assert len(drawn.findall(".//{*}polyline")) == 5


def test_an_exponent_is_one_where_it_grows_in_proportion_and_two_where_by_the_square() -> None:
    assert exponents([(10, 3), (100, 30), (1000, 300)]) == {"between": [1, 1], "all": 1}
    assert exponents([(10, 1), (100, 100), (1000, 1000)]) == {"between": [2, 1], "all": 1.5}
    assert exponents([(10, 7), (100, 7)])["all"] == 0


def test_a_plot_names_its_axes_and_lines_and_changes_with_the_pages_colours() -> None:
    panel = plot.Panel("Time", "readers", "seconds", [plot.Line("A & B", [(10, 0.5), (2000, 40)])])
    drawn = plot.draw([panel, panel], title="Growth")
    words = [one.text for one in ElementTree.fromstring(drawn).iter() if one.tag.endswith("}text")]
    assert words.count("A & B") == words.count("readers") == words.count("seconds") == 2
    assert {"0.1", "1", "10", "100", "1k", "10k"} <= set(words), "whole decades round what was measured"
    assert "prefers-color-scheme: dark" in drawn
