"""A run as a whole: an account of every file, order and worker count do not matter."""

from __future__ import annotations

import json

import pytest

import ctimine
from ctimine.errors import InputError
from ctimine.mine import source_of

REPORT = "# {name}\n\n{name} used Pastebin and GitHub for its C2 traffic (T1102) in case {n}.\n"


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "reports"
    place.mkdir()
    for n, name in enumerate(["Turla", "APT28", "Rocke"]):
        (place / f"{name}.md").write_text(REPORT.format(name=name, n=n), encoding="utf-8")
    (place / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    (place / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    return place


def keys(run):
    return sorted(claim.key for claim in run.claims)


def test_two_folders_of_one_name_have_their_ids_in_any_order(tmp_path):
    places = [tmp_path / one / "reports" for one in ("a", "b")]
    for place, name in zip(places, ("Turla", "APT28"), strict=True):
        place.mkdir(parents=True)
        (place / "r.md").write_text(REPORT.format(name=name, n=place), encoding="utf-8")
    runs = [ctimine.mine(*order, workers=0) for order in (places, places[::-1])]
    assert keys(runs[0]) == keys(runs[1])
    assert len({report.id for report in runs[0].reports}) == 2


def test_every_file_ends_as_an_outcome(folder):
    run = ctimine.mine(folder, workers=0)
    states = {outcome.item: outcome.state for outcome in run.outcomes}
    assert states["Turla.md"] == "read"
    assert states["broken.pdf"] == "failed"
    assert states["logo.png"] == "skipped"
    assert [outcome.item for outcome in run.failed] == ["broken.pdf"]
    assert sum(run.account.values()) == len(run.outcomes) == 5


def test_workers_do_not_change_what_is_found(folder):
    assert keys(ctimine.mine(folder, workers=0)) == keys(ctimine.mine(folder, workers=2))


def test_a_place_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        ctimine.mine(tmp_path / "nowhere")


def test_two_folders_of_one_name_keep_apart(tmp_path):
    for parent, name in (("a", "Turla"), ("b", "APT28")):
        place = tmp_path / parent / "reports"
        place.mkdir(parents=True)
        (place / "x.md").write_text(REPORT.format(name=name, n=1), encoding="utf-8")
    run = ctimine.mine(tmp_path / "a" / "reports", tmp_path / "b" / "reports", workers=0)
    assert len(run.reports) == 2
    assert len({report.id for report in run.reports}) == 2


def test_a_manifest_speaks_for_the_folder(tmp_path):
    declared = {"publisher": "Desk", "labels": ["x"], "tlp": "GREEN", "files": []}
    (tmp_path / "manifest.json").write_text(json.dumps(declared), encoding="utf-8")
    source = source_of(tmp_path)
    assert (source.publisher, source.labels, source.tlp) == ("Desk", ("x",), "GREEN")


def test_a_broken_manifest_is_named(tmp_path):
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"manifest\.json"):
        source_of(tmp_path)


def test_a_manifest_with_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "manifest.json").write_text('{"publisher": "Desk", "files": []}', "utf-8-sig")
    assert source_of(tmp_path).publisher == "Desk"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"files": [], "tlp": "PURPLE"}',
        '{"files": [], "reliability": "G"}',
        "{\xff",
    ],
    ids=["nested", "tlp", "reliability", "no text"],
)
def test_a_manifest_that_cannot_be_meant_is_named_before_the_run(tmp_path, text):
    (tmp_path / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"manifest\.json"):
        source_of(tmp_path)


def test_an_archive_that_is_not_there_is_named_and_not_made(tmp_path):
    with pytest.raises(InputError, match="no such archive"):
        ctimine.mine(archive=tmp_path / "typo.archive", workers=0)
    assert not list(tmp_path.iterdir())


def test_progress_is_told_for_each_document(folder):
    seen = []
    ctimine.mine(folder, workers=0, on_progress=lambda done, item: seen.append((done, item)))
    assert [done for done, _ in seen] == [1, 2, 3, 4]


def test_what_an_archive_holds_is_mined_without_the_network(tmp_path):
    from ctimine.archive import Archive
    from ctimine.model import Snapshot, Source

    path = tmp_path / "cti.archive"
    body = REPORT.format(name="Turla", n=1).encode()
    with Archive(path) as archive:
        archive.declare(Source("lab", kind="feed", publisher="The Lab"))
        archive.keep(Snapshot("lab", "https://lab.example/a.md", body), {"item": "1"})
    run = ctimine.mine(archive=path, workers=0)
    assert [report.publisher for report in run.reports] == ["The Lab"]
    assert {claim.subject for claim in run.claims} == {"G0010"}
