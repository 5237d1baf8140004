"""What a platform needs from a bundle, one test a rule (the rules stand in docs/stix.md)."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
import sys
import uuid
from pathlib import Path

import export_world as world
import graph_world as make
import pytest
import stix2

from ctimine.errors import ExportError
from ctimine.export import to_stix, to_stix_bytes
from ctimine.export.stix_parts import EPOCH, MITRE, MITRE_STATEMENT, stix_time
from ctimine.graph import build_graph
from ctimine.graph.questions import around
from ctimine.model import Fact

ATTACK = world.ATTACK
GRAPH = world.graph()


@pytest.fixture(scope="module")
def bundle():
    return to_stix(GRAPH)


@pytest.fixture(scope="module")
def misp():
    return to_stix(GRAPH, flavour="misp")


@pytest.fixture(scope="module")
def cited():
    return to_stix(around(GRAPH, "T1102"), with_cited=True)


def of(*results, **options):
    return to_stix(build_graph(results, ATTACK, cited=False), **options)


def text(at):
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


# 1 one report a document


def test_each_document_is_one_report_that_lists_all_that_it_says(bundle):
    reports = world.objects(bundle, "report")
    assert len(reports) == 3
    listed = {ref for report in reports for ref in report.object_refs}
    linked = {
        part.id
        for part in bundle.objects
        if part.type not in {"report", "identity", "marking-definition"}
    }
    assert linked == listed


def test_a_report_that_lists_a_relationship_lists_its_ends(bundle):
    parts = {part.id: part for part in bundle.objects}
    for report in world.objects(bundle, "report"):
        for ref in report.object_refs:
            if ref.startswith("relationship--"):
                assert {parts[ref].source_ref, parts[ref].target_ref} <= set(report.object_refs)


def test_a_technique_that_a_report_writes_down_is_listed_though_nobody_uses_it(bundle):
    report = world.named(bundle, "report", "An undated page")
    technique = world.named(bundle, "attack-pattern", "Spearphishing Attachment")
    assert technique.id in report.object_refs


def test_a_report_that_says_nothing_is_no_object():
    silent = make.report("silent", "Nothing at all.")
    described = make.report("d", "They lured people.")
    mention = make.mention(described, "They lured people.", "technique", "T1566", "behaviour")
    recommended = make.report("r", "Look for T1102.")
    hint = make.mention(recommended, "T1102", "technique", "T1102", stance="recommended")
    bundle = of((silent, (), ()), (described, (mention,), ()), (recommended, (hint,), ()))
    assert world.objects(bundle, "report") == []


@pytest.mark.parametrize("kind", ["layer", "template", "readme", "index"])
def test_what_is_no_report_makes_no_object(kind):
    assert len(of(make.uses("a", "G0010", "T1102", kind=kind)).objects) == 2  # marking, ourselves


# 2 official ids


def test_techniques_groups_and_software_have_their_official_ids(bundle):
    for name, concept in (
        ("Web Service", "T1102"),
        ("MuddyWater", "G0069"),
        ("InvisiMole", "S0260"),
        ("PsExec", "S0029"),
    ):
        stix_id = ATTACK[concept].stix_id
        (part,) = [part for part in bundle.objects if part.id == stix_id]
        assert part.name == name
        assert part.external_references[0].source_name == "mitre-attack"
        assert part.external_references[0].external_id == concept


# 3 never weaken


def test_objects_of_attack_carry_no_description_and_a_low_confidence(bundle):
    parts = [part for part in bundle.objects if part.get("created_by_ref") == MITRE]
    assert len(parts) > 5
    for part in parts:
        if part.type == "marking-definition":
            continue
        assert "description" not in part
        assert part.confidence < 30
        assert list(part.object_marking_refs) == [MITRE_STATEMENT]


def test_mitre_and_its_statement_come_with_its_objects(bundle):
    ids = {part.id for part in bundle.objects}
    assert {MITRE, MITRE_STATEMENT} <= ids
    assert not {MITRE, MITRE_STATEMENT} & {part.id for part in of().objects}


def test_objects_of_attack_have_the_times_that_attack_gave_them(bundle):
    part = world.named(bundle, "attack-pattern", "Web Service")
    assert text(part.created) == ATTACK["T1102"].created
    assert text(part.modified) == ATTACK["T1102"].modified


def test_tactics_are_kill_chain_phases(bundle):
    (phase,) = world.named(bundle, "attack-pattern", "Web Service").kill_chain_phases
    assert (phase.kill_chain_name, phase.phase_name) == ("mitre-attack", "command-and-control")


# 4 actors


def test_an_actor_that_attack_does_not_know_is_an_intrusion_set_of_ours(bundle):
    raven = world.named(bundle, "intrusion-set", "Silver Raven")
    assert uuid.UUID(raven.id.split("--")[1]).version == 5
    assert raven.created_by_ref != MITRE
    assert text(raven.created) == EPOCH
    assert text(raven.modified) == "2023-05-01T10:30:00.000Z"


def test_an_alias_that_the_report_states_is_an_alias(bundle):
    assert list(world.named(bundle, "intrusion-set", "Silver Raven").aliases) == ["Storm-9931"]


def test_a_known_group_keeps_the_aliases_of_attack_only():
    report = make.report("a", "MuddyWater used T1102. MuddyWater is also called Silver Raven.")
    claims = (
        make.claim(report, "MuddyWater used T1102.", "G0069", "uses", "T1102"),
        make.claim(
            report,
            "MuddyWater is also called Silver Raven.",
            "G0069",
            "alias-of",
            "name:silverraven",
        ),
    )
    part = world.named(of((report, (), claims)), "intrusion-set", "MuddyWater")
    assert set(part.aliases) == set(ATTACK["G0069"].aliases)


def test_two_actors_of_the_bundle_never_share_a_name_or_alias():
    report = make.report(
        "a",
        "Silver Raven used T1102. Glass Harbour used T1102. Storm-9931 used T1102. "
        "Silver Raven is Storm-9931. Silver Raven is Owl Nine. Glass Harbour is Owl Nine.",
    )

    def said(quote, subject, relation, target):
        names = {"subject_name": quote.split(" used ")[0].split(" is ")[0]}
        return make.claim(report, quote, subject, relation, target, object_name="Owl Nine", **names)

    raven, glass, storm, owl = (
        "name:silverraven",
        "name:glassharbour",
        "name:storm9931",
        "name:owlnine",
    )
    claims = (
        said("Silver Raven used T1102.", raven, "uses", "T1102"),
        said("Glass Harbour used T1102.", glass, "uses", "T1102"),
        said("Storm-9931 used T1102.", storm, "uses", "T1102"),
        said("Silver Raven is Storm-9931.", raven, "alias-of", storm),
        said("Silver Raven is Owl Nine.", raven, "alias-of", owl),
        said("Glass Harbour is Owl Nine.", glass, "alias-of", owl),
    )
    actors = world.objects(of((report, (), claims)), "intrusion-set")
    names = [name for actor in actors for name in {actor.name, *actor.get("aliases", [])}]
    assert len(names) == len(set(names)) == 3


def test_an_actor_of_the_galaxy_has_an_id_of_ours_and_names_its_cluster():
    actor = next(concept for concept in ATTACK.concepts("actor") if concept.id.startswith("misp:"))
    (part,) = world.objects(of(make.uses("a", actor.id, "T1102")), "intrusion-set")
    assert part.name == actor.name
    assert part.id != f"intrusion-set--{actor.id.removeprefix('misp:')}"
    (reference,) = part.external_references
    assert reference.external_id == actor.id.removeprefix("misp:")


# 5 ids


def test_every_id_of_ours_is_a_uuid_of_version_5_with_its_type_hashed(bundle):
    ours = [part for part in bundle.objects if part.id[-36:][14] == "5"]
    assert {part.type for part in ours} >= {"report", "note", "relationship", "identity"}
    uuids = [part.id.split("--")[1] for part in bundle.objects]
    assert len(uuids) == len(set(uuids))
    reserved = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
    assert all(uuid.uuid5(reserved, part.name) for part in ours if "name" in part)


def test_an_id_says_what_a_thing_is_and_not_what_it_says():
    one, other = (
        of(make.uses("a", "G0010", "T1102", title=title, score=score))
        for title, score in (("One", 0.5), ("Other", 0.9))
    )
    assert [part.id for part in one.objects] == [part.id for part in other.objects]


# 6 names and times


def test_reports_of_one_name_and_date_are_told_apart_by_publisher_then_path():
    results = [
        make.uses("a", "G0010", "T1102", title="Weekly", publisher="One"),
        make.uses("b", "G0010", "T1102", title="WEEKLY", publisher="Two"),
        make.uses("c", "G0010", "T1102", title="Weekly", publisher="Two"),
    ]
    names = sorted(report.name for report in world.objects(of(*results), "report"))
    assert names == ["WEEKLY (Two) (b.md)", "Weekly (One)", "Weekly (Two) (c.md)"]


def test_reports_of_one_name_and_several_dates_keep_their_name(bundle):
    names = [report.name for report in world.objects(bundle, "report")]
    assert names.count("Notes on MuddyWater") == 2


def test_times_of_a_report_come_from_the_document(bundle):
    for report in world.objects(bundle, "report"):
        assert report.created == report.modified == report.published
    assert {text(report.published) for report in world.objects(bundle, "report")} == {
        EPOCH,
        "2022-02-24T00:00:00.000Z",
        "2023-05-01T10:30:00.000Z",
    }


def test_an_undated_report_says_so(bundle):
    report = world.named(bundle, "report", "An undated page")
    assert text(report.published) == EPOCH
    assert "date-unknown" in report.labels
    assert "no date" in report.description


def test_a_relationship_spans_the_dates_of_its_evidence(bundle):
    part = world.edge(bundle, "MuddyWater", "Bidirectional Communication")
    assert text(part.created) == "2022-02-24T00:00:00.000Z"
    assert text(part.modified) == "2023-05-01T10:30:00.000Z"


def test_an_edit_is_a_newer_version_of_the_same_objects():
    def parts(*dates):
        facts = tuple(Fact("modified", date, "feed") for date in dates)
        bundle = of(make.uses("a", "G0010", "T1102", published="2024-03-12", facts=facts))
        return [world.objects(bundle, kind)[0] for kind in ("report", "relationship", "note")]

    for first, edited in zip(parts(), parts("2024-05-01"), strict=True):
        assert edited.id == first.id
        assert edited.created == first.created == first.modified
        assert text(edited.modified) == "2024-05-01T00:00:00.000Z"


def test_a_first_export_is_remembered_where_somebody_gives_it(bundle):
    part = world.edge(bundle, "MuddyWater", "Bidirectional Communication")
    later = to_stix(GRAPH, first_exported={part.id: "2023-01-01T00:00:00Z"})
    again = world.edge(later, "MuddyWater", "Bidirectional Communication")
    assert text(again.created) == "2023-01-01T00:00:00.000Z"
    assert again.modified >= again.created


@pytest.mark.parametrize(
    ("date", "time"),
    [
        ("2021", "2021-01-01T00:00:00.000Z"),
        ("2021-05", "2021-05-01T00:00:00.000Z"),
        ("2021-05-06T07:08", "2021-05-06T07:08:00.000Z"),
        ("2021-05-06T07:08:09.1234Z", "2021-05-06T07:08:09.123Z"),
        ("2021-05-06T00:30:00+02:00", "2021-05-05T22:30:00.000Z"),
        ("0001-01-01T00:00:00+02:00", EPOCH),
        ("2021-13-45", EPOCH),
        ("yesterday", EPOCH),
    ],
)
def test_dates_become_times_of_stix(date, time):
    assert stix_time(date) == time


# 7 evidence


def test_each_relationship_has_one_note_for_each_report_that_supports_it(bundle):
    part = world.edge(bundle, "MuddyWater", "Bidirectional Communication")
    notes = [note for note in world.objects(bundle, "note") if part.id in note.object_refs]
    reports = {ref for note in notes for ref in note.object_refs if ref.startswith("report--")}
    assert len(notes) == len(reports) == 2
    for note in notes:
        assert {part.source_ref, part.target_ref} < set(note.object_refs)


def test_a_note_names_edge_and_report_and_then_the_sentence(bundle):
    (note,) = [n for n in world.objects(bundle, "note") if "Telegram" in n.content]
    lines = note.content.split("\n\n")
    assert lines[0] == (
        "MuddyWater (G0069) uses T1102.002 Bidirectional Communication via Telegram, "
        "says Notes on MuddyWater"
    )
    assert lines[1] == '"MuddyWater used Telegram for its command channel." [0:49]'


def test_no_two_notes_share_content_and_time():
    report = make.report("a", "Turla used T1102 and T1059.001.")
    claims = tuple(
        make.claim(report, report.text, "G0010", "uses", target)
        for target in ("T1102", "T1059.001")
    )
    notes = world.objects(of((report, (), claims)), "note")
    assert len({(note.content, note.created) for note in notes}) == 2


def test_reports_stand_before_notes_and_what_they_list_before_them(bundle):
    order = [part.type for part in bundle.objects]
    last = {kind: len(order) - 1 - order[::-1].index(kind) for kind in set(order)}
    first = {kind: order.index(kind) for kind in set(order)}
    assert last["marking-definition"] < first["attack-pattern"]
    assert last["identity"] < first["attack-pattern"]
    assert last["relationship"] < first["report"]
    assert last["report"] < first["note"]


def test_a_description_repeats_the_best_sentence(bundle):
    part = world.edge(bundle, "MuddyWater", "Bidirectional Communication")
    assert '"MuddyWater read orders from GitHub, T1102.002."' in part.description


def test_an_assessment_is_worded_so_and_trusted_less(bundle):
    assessed = world.edge(bundle, "Turla", "Web Service")
    reported = world.edge(bundle, "Silver Raven", "Web Service")
    assert "(assessed, not observed)" in assessed.description
    assert "assessed" in assessed.labels
    assert assessed.confidence < reported.confidence


def test_a_denied_use_is_no_relationship(bundle):
    assert "T1102.003" not in {
        ref.external_id
        for part in world.objects(bundle, "attack-pattern")
        for ref in part.external_references
    }


# 8 references


def test_references_are_an_address_and_a_name_without_date(bundle):
    for part in bundle.objects:
        for reference in part.get("external_references", []):
            assert "description" not in reference
    assert not any("start_time" in part for part in world.objects(bundle, "relationship"))


def test_one_address_has_one_name_everywhere():
    results = [
        make.uses("a", "G0010", "T1102", publisher="One", url="https://one.example/x"),
        make.uses("b", "G0069", "T1102", publisher="Two", url="https://one.example/x"),
    ]
    names = {
        reference.source_name
        for part in of(*results).objects
        for reference in part.get("external_references", [])
        if reference.get("url") == "https://one.example/x"
    }
    assert len(names) == 1


@pytest.mark.parametrize("publisher", ["Desk, May 2020", "Issue 2020", "12.05 news", "Seen at 5"])
def test_a_publisher_that_reads_like_a_date_gives_way_to_the_host(publisher):
    bundle = of(make.uses("a", "G0010", "T1102", publisher=publisher, url="https://one.example/x"))
    (report,) = world.objects(bundle, "report")
    assert report.external_references[0].source_name == "one.example"


@pytest.mark.parametrize("url", ["", "reports/a.md", "/home/a.md", "https://bad host/<x>"])
def test_a_report_without_address_is_referenced_by_its_own_uuid(url):
    (report,) = world.objects(of(make.uses("a", "G0010", "T1102", url=url)), "report")
    assert report.external_references[0].url == f"urn:uuid:{report.id.split('--')[1]}"


# 9 confidence


def test_reports_relationships_and_notes_have_a_whole_confidence(bundle):
    for kind in ("report", "relationship", "note"):
        for part in world.objects(bundle, kind):
            assert type(part.confidence) is int
            assert 1 <= part.confidence <= 95


def test_trusted_sources_weigh_more():
    def confidence(**facts):
        return world.objects(of(make.uses("a", "G0010", "T1102", **facts)), "relationship")[
            0
        ].confidence

    best = confidence(reliability="A", credibility=1)
    plain = confidence()
    worst = confidence(reliability="E", credibility=5)
    assert best > plain > worst


def test_a_second_publisher_raises_the_confidence_and_a_second_page_of_one_does_not():
    def confidence(*publishers):
        results = [
            make.uses(f"r{n}", "G0010", "T1102", publisher=name, score=0.6)
            for n, name in enumerate(publishers)
        ]
        return world.objects(of(*results), "relationship")[0].confidence

    assert confidence("One", "Two") > confidence("One") == confidence("One", "one")


def test_a_copy_speaks_with_the_voice_of_its_original_in_the_part_about_a_technique_too():
    original = make.uses("a", "G0010", "T1059", publisher="One")
    fact = Fact("copy-of", original[0].id, "near-duplicate, 0.90")
    copy = make.uses("b", "G0010", "T1102", publisher="A mirror", facts=(fact,))
    other = make.uses("c", "G0010", "T1102", publisher="One")
    graph = build_graph([original, copy, other], world.ATTACK)
    alone = build_graph([other], world.ATTACK)
    found = [world.edge(to_stix(g), "Turla", "Web Service") for g in (alone, graph)]
    found.append(world.edge(to_stix(around(graph, "T1102")), "Turla", "Web Service"))
    assert len({part.confidence for part in found}) == 1


# 10 nothing custom


def test_nothing_custom_is_in_the_bundle(bundle, misp, cited):
    for made in (bundle, misp, cited):
        stix2.parse(to_stix_bytes(made).decode(), allow_custom=False, version="2.1")
        assert b'"x_' not in to_stix_bytes(made)


# 11 markings


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("CLEAR", "TLP:WHITE"),
        ("WHITE", "TLP:WHITE"),
        ("TLP:GREEN", "TLP:GREEN"),
        ("amber", "TLP:AMBER"),
        ("AMBER+STRICT", "TLP:AMBER+STRICT"),
        ("RED", "TLP:RED"),
    ],
)
def test_the_marking_of_a_report_is_in_the_bundle(word, name):
    bundle = of(make.uses("a", "G0010", "T1102", tlp=word))
    (report,) = world.objects(bundle, "report")
    marks = {
        part.id: part.name for part in world.objects(bundle, "marking-definition") if "name" in part
    }
    assert [marks[ref] for ref in report.object_marking_refs] == [name]


def test_an_unknown_marking_is_an_error_that_names_the_report():
    with pytest.raises(ExportError, match=r"a\.md: unknown TLP word 'MAUVE'"):
        of(make.uses("a", "G0010", "T1102", tlp="MAUVE"))


def test_what_a_stricter_report_says_stays_in_its_own_notes():
    bundle = of(
        make.uses("open", "name:x", "T1102", subject_name="Xeno Owl", published="2024-01-01"),
        make.uses("closed", "name:x", "T1102", tlp="RED", score=1.0, subject_name="Xeno Owl"),
    )
    white, red = stix2.TLP_WHITE.id, stix2.TLP_RED.id
    (relationship,) = world.objects(bundle, "relationship")
    assert list(relationship.object_marking_refs) == [white]
    assert "case open" in relationship.description
    assert len(relationship.external_references) == 1
    (actor,) = world.objects(bundle, "intrusion-set")
    assert list(actor.object_marking_refs) == [white]
    for part in world.objects(bundle, "note") + world.objects(bundle, "report"):
        secret = "closed" in part.get("content", part.get("name", ""))
        assert list(part.object_marking_refs) == [red if secret else white]


# 12 the flavour of MISP


def test_misp_finds_the_labels_that_it_keeps_relations_by(misp):
    for report in world.objects(misp, "report"):
        assert 'misp:tool="MISP-STIX-Converter"' in report.labels
    for note in world.objects(misp, "note"):
        assert 'misp:data-layer="Event Report"' in note.labels
    technique = world.named(misp, "attack-pattern", "Web Service")
    assert technique.labels[:2] == [
        'misp:galaxy-name="Attack Pattern"',
        'misp:galaxy-type="mitre-attack-pattern"',
    ]
    actor = world.named(misp, "intrusion-set", "Silver Raven")
    assert actor.labels[:2] == [
        'misp:galaxy-name="Intrusion Set"',
        'misp:galaxy-type="mitre-intrusion-set"',
    ]
    (vulnerability,) = world.objects(misp, "vulnerability")
    assert 'misp:type="vulnerability"' in vulnerability.labels
    tags = {label for report in world.objects(misp, "report") for label in report.labels}
    assert 'misp-galaxy:mitre-attack-pattern="Web Service - T1102"' in tags


def test_the_plain_flavour_has_no_label_of_misp(bundle):
    assert b"misp" not in to_stix_bytes(bundle)


def test_an_unknown_flavour_is_an_error():
    with pytest.raises(ExportError, match="sweet"):
        to_stix(GRAPH, flavour="sweet")


# 13 report types


def test_report_types_name_what_the_report_lists(bundle):
    types = {report.name: list(report.report_types) for report in world.objects(bundle, "report")}
    assert types["An undated page"] == ["threat-report", "attack-pattern", "intrusion-set"]
    everything = max(types.values(), key=len) if types else []
    assert everything[0] == "threat-report"


# 14 abused services


def test_an_abused_service_is_in_words_and_labels_of_edge_and_note(bundle):
    part = world.edge(bundle, "MuddyWater", "Bidirectional Communication")
    assert "via GitHub, Telegram" in part.description
    assert {"abused-service:github", "abused-service:telegram"} <= set(part.labels)
    (note,) = [n for n in world.objects(bundle, "note") if "Telegram" in n.content]
    assert "abused-service:telegram" in note.labels
    assert "abused-service:github" not in note.labels


def test_software_that_a_use_goes_through_is_no_service_and_has_its_name():
    graph = build_graph([make.uses("a", "G0010", "T1102", via="S0154")], world.ATTACK)
    for part in (graph, around(graph, "T1102")):
        written = to_stix_bytes(to_stix(part))
        assert b"abused-service" not in written
        assert b"uses T1102 Web Service via Cobalt Strike." in written


# 15 what the knowledge base cites


def test_cited_uses_are_left_out_unless_asked_for(bundle, cited):
    assert len(world.objects(cited, "report")) > len(world.objects(bundle, "report")) + 5
    assert b"ATT&CK 19 maps" not in to_stix_bytes(bundle)


def test_each_cited_source_is_a_report_with_notes_that_say_who_maps_what(cited):
    notes = [
        note for note in world.objects(cited, "note") if "attack-cited" in note.get("labels", [])
    ]
    parts = {part.id: part for part in cited.objects}
    assert notes
    for note in notes:
        (report,) = [parts[ref] for ref in note.object_refs if ref.startswith("report--")]
        assert note.content.startswith("ATT&CK 19 maps ")
        assert "citing" in note.content
        assert "attack-cited" in report.labels
        assert note.id in report.object_refs


def test_a_use_that_is_mined_and_cited_is_one_relationship(cited, bundle):
    mined = world.edge(bundle, "Turla", "Web Service")
    assert world.edge(cited, "Turla", "Web Service") == mined


def test_cited_groups_share_no_name_with_actors_of_ours():
    alias = ATTACK["G0050"].aliases[0]  # of a group that is cited for T1102 and not mined here
    results = make.uses("a", "name:x", "T1102", subject_name=alias)
    bundle = to_stix(around(build_graph([results], ATTACK), "T1102"), with_cited=True)
    actors = world.objects(bundle, "intrusion-set")
    names = [name for actor in actors for name in {actor.name, *actor.get("aliases", [])}]
    assert len(names) == len(set(names))


# the whole


def test_all_references_are_in_the_bundle(cited):
    ids = {part.id for part in cited.objects}
    for part in cited.objects:
        refs = [part.get(name) for name in ("created_by_ref", "source_ref", "target_ref")]
        refs += [*part.get("object_refs", []), *part.get("object_marking_refs", [])]
        assert {ref for ref in refs if ref} <= ids


def test_it_is_a_real_bundle_that_loads_into_a_store(bundle):
    assert isinstance(bundle, stix2.Bundle)
    store = stix2.MemoryStore(bundle)
    assert len(store.query([stix2.Filter("type", "=", "note")])) == 8


def test_relations_that_stix_does_not_have_are_left_out():
    report = make.report("a", "Silver Raven is part of Glass Harbour. Turla used T1102.")
    claims = (
        make.claim(report, "Silver Raven is part of Glass Harbour.", "name:silverraven", "part-of",
                   "name:glassharbour"),
        make.claim(report, "Turla used T1102.", "G0010", "uses", "T1102"),
    )  # fmt: skip
    kinds = [
        part.relationship_type for part in world.objects(of((report, (), claims)), "relationship")
    ]
    assert kinds == ["uses"]


def test_exploiting_and_attribution_have_the_words_of_stix(bundle):
    part = world.edge(bundle, "MuddyWater", "CVE-2020-0688")
    assert part.relationship_type == "targets"
    assert "exploits CVE-2020-0688" in part.description
    report = make.report("a", "Frankenstein is the work of Turla.")
    claim = make.claim(report, report.text, "C0001", "attributed-to", "G0010")
    (relationship,) = world.objects(of((report, (), (claim,))), "relationship")
    assert relationship.relationship_type == "attributed-to"


def test_samples_are_labelled_so_that_nobody_takes_them_for_findings(bundle):
    label = "ctimine-sample"
    assert label in world.named(bundle, "report", "An undated page").labels
    assert label in world.named(bundle, "intrusion-set", "Silver Raven").labels
    assert label in world.edge(bundle, "Silver Raven", "Web Service").labels
    # Evidence that is not from the samples, too: no sample any more.
    assert label not in world.edge(bundle, "MuddyWater", "Bidirectional Communication").labels
    notes = [n for n in world.objects(bundle, "note") if "Silver Raven" in n.content]
    assert all(label in note.labels for note in notes)


def test_text_of_a_hostile_report_stays_text():
    quote = "Turla\u202e used\x00 T1102 \ud800 {{x}} \u2028<script>"
    report = make.report("a", quote, title="A\x07 title\n<b>")
    claim = make.claim(report, quote, "G0010", "uses", "T1102")
    body = to_stix_bytes(of((report, (), (claim,)))).decode("utf-8")
    assert "\u202e" not in body
    assert "\\u0000" not in body
    assert json.loads(body)["type"] == "bundle"


def test_a_long_passage_is_cut_in_the_note():
    quote = "Turla used T1102 " + "and so on " * 1000
    report = make.report("a", quote)
    bundle = of((report, (), (make.claim(report, quote, "G0010", "uses", "T1102"),)))
    (note,) = world.objects(bundle, "note")
    assert len(note.content) < 1800
    assert "…" in note.content


# same graph, same bytes


def test_order_of_input_does_not_change_a_byte():
    expected = to_stix_bytes(to_stix(around(GRAPH, "T1102"), with_cited=True))
    for seed in range(3):
        shuffled = world.results()
        random.Random(seed).shuffle(shuffled)
        shuffled = [(r, m, tuple(reversed(c))) for r, m, c in shuffled]
        graph = around(build_graph(shuffled, ATTACK), "T1102")
        assert to_stix_bytes(to_stix(graph, with_cited=True)) == expected


HASH_SEED_CODE = """
import sys
sys.path[:0] = sys.argv[1:]
import export_world as world
from ctimine.graph.questions import around
from ctimine.model import Fact
from ctimine.export import layer_bytes, to_csv, to_markdown, to_navigator_layer, to_stix, to_stix_bytes
graph = world.graph()
for flavour in ("plain", "misp"):
    part = around(graph, "T1102")
    sys.stdout.buffer.write(to_stix_bytes(to_stix(part, flavour=flavour, with_cited=True)))
sys.stdout.buffer.write(to_csv(graph).encode() + to_markdown(graph).encode())
sys.stdout.buffer.write(layer_bytes(to_navigator_layer(graph)))
"""


def test_the_hash_seed_does_not_change_a_byte():
    here = Path(__file__).resolve().parent
    folders = [str(here), str(here.parent / "graph")]
    outputs = set()
    for seed in ("0", "1", "2", "3"):
        done = subprocess.run(
            [sys.executable, "-c", HASH_SEED_CODE, *folders],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert len(outputs.pop()) > 100_000


def test_bytes_are_indented_json_that_ends_with_a_line_feed(bundle):
    body = to_stix_bytes(bundle)
    assert body.endswith(b"}\n")
    assert json.loads(body) == json.loads(bundle.serialize())


def test_a_changed_title_moves_no_id_and_no_created():
    (report, mentions, claims), *rest = world.results()
    changed = [(dataclasses.replace(report, title="Other"), mentions, claims), *rest]
    one, two = (of(*results) for results in (world.results(), changed))
    assert [(p.id, p.get("created")) for p in one.objects] == [
        (p.id, p.get("created")) for p in two.objects
    ]


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("flavour", ["plain", "misp"])
def test_the_platforms_own_importers_take_it(flavour, tmp_path):
    data = os.environ.get("CTIMINE_DATA", "")
    harness = Path(data) / "tools" / "tip" / "accept.py"
    python = os.environ.get("CTIMINE_TIP_PYTHON", sys.executable)
    if not data or not harness.is_file():
        pytest.skip("CTIMINE_DATA names no folder with tools/tip/accept.py")
    needs = "import stix2validator, misp_stix_converter, medallion, pycti"
    if subprocess.run([python, "-c", needs], capture_output=True, check=False).returncode:
        pytest.skip("CTIMINE_TIP_PYTHON names no Python with the importers")
    for name in ("one.json", "two.json"):
        (tmp_path / name).write_bytes(to_stix_bytes(to_stix(GRAPH, flavour=flavour)))
    done = subprocess.run(
        [python, str(harness), str(tmp_path / "one.json"), "--again", str(tmp_path / "two.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
