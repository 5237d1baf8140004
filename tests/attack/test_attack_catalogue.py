"""The built-in catalogue: what it holds, and how names and old ids lead to today's concepts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctimine.attack import (
    Catalogue,
    Changes,
    available_versions,
    compare,
    fold,
    load_attack,
)
from ctimine.errors import CatalogueError
from ctimine.model import Concept


@pytest.fixture(scope="module")
def attack():
    return load_attack()


def ids(concepts):
    return [concept.id for concept in concepts]


def test_fifteen_groups_stand_directly_on_web_service(attack):
    groups = {use.subject: use for use in attack.users("T1102") if use.subject.startswith("G")}
    assert len(groups) == 15
    cited = {group for group, use in groups.items() if use.citations}
    assert len(cited) == 14  # the newest release is silent on citations of its own new edge
    assert all(use.citations_from == "18.1" for use in groups.values() if use.citations)
    assert all("Retrieved" not in c.title for use in groups.values() for c in use.citations)


def test_industrial_edges_stand_where_the_newest_clusters_are_silent(attack):
    ics = [u for u in attack.uses("G0034") if attack[u.object].domains == ("ics",)]
    assert ics
    assert all(use.versions == ("18.1",) for use in ics)
    assert attack.users("G0034")  # campaigns attributed to it


def test_every_edge_of_a_view_joins_two_live_concepts(attack):
    for catalogue in (attack, load_attack("18.1")):
        for key in catalogue:
            for use in catalogue.uses(key):
                assert catalogue[use.subject].status == catalogue[use.object].status == "live"
                assert use.versions
                assert bool(use.citations) == bool(use.citations_from)


def test_both_ends_of_an_edge_give_the_same_edges(attack):
    forward = {use for key in attack for use in attack.uses(key)}
    backward = {use for key in attack for use in attack.users(key)}
    assert forward == backward


def test_the_older_view_knows_no_edge_of_the_newer(attack):
    old = load_attack("18.1")
    assert all("18.1" in use.versions for key in old for use in old.uses(key))
    assert any(use.versions == ("19",) for use in attack.users("T1685"))


@pytest.mark.parametrize(
    ("version", "kind", "count"),
    [
        ("18.1", "technique", 898),
        ("18.1", "software", 910),
        ("18.1", "campaign", 55),
        ("18.1", "tactic", 38),
        ("19", "technique", 904),
        ("19", "software", 949),
        ("19", "tactic", 39),
    ],
)
def test_the_facts_hold_as_many_live_concepts_as_the_sources(version, kind, count):
    assert len(load_attack(version).concepts(kind)) == count


@pytest.mark.parametrize(("version", "count"), [("18.1", 176), ("19", 178)])
def test_groups_are_those_of_the_release(version, count):
    actors = load_attack(version).concepts("actor")
    assert sum(not actor.id.startswith("misp:") for actor in actors) == count


def test_retired_ids_are_known_and_not_live(attack):
    assert attack["T1350"].status == "deprecated"
    assert attack["T1350"].domains == ("pre",)
    assert attack.resolve("T1454") is None  # revoked without successor


def test_both_releases_stay_apart(attack):
    old = load_attack("18.1")
    assert old.version == "18.1"
    assert old["T1562.001"].status == "live"
    assert attack["T1562.001"].status == "revoked"
    assert {"18.1", "19"} <= set(available_versions())
    assert all(concept.version == "18.1" for concept in old.concepts("technique"))


def test_a_tactic_that_was_split_has_its_new_names(attack):
    assert attack["TA0005"].name == "Stealth"
    assert attack["TA0112"].name == "Defense Impairment"
    assert load_attack("18.1")["TA0005"].name == "Defense Evasion"


@pytest.mark.parametrize(
    ("old", "today"),
    [("T1086", "T1059.001"), ("T1562.001", "T1685"), ("T1102", "T1102"), ("T1043", None)],
)
def test_an_old_id_leads_to_what_it_means_today(attack, old, today):
    concept = attack.resolve(old)
    assert (concept.id if concept else None) == today


def test_every_chain_of_successors_ends_alive_or_nowhere(attack):
    for concept in attack.concepts(live_only=False):
        successor = attack.resolve(concept.id)
        assert successor is None or successor.status == "live"


def test_an_id_nobody_gave_resolves_to_none(attack):
    assert attack.resolve("T9999") is None
    assert attack.get("T9999") is None


def test_attacks_own_names_win_over_the_galaxys(attack):
    assert ids(attack.named("APT38")) == ["G0082"]
    assert ids(attack.named("fancybear", "actor")) == ["G0007"]
    assert ids(attack.bearers("APT38")) == ["G0082", "G0032"]


def test_an_ambiguous_name_keeps_all_that_bear_it(attack):
    assert len(attack.named("Golden Chickens")) > 1
    assert ids(attack.named("Snake")) == ["G0010", "S0022"]
    assert ids(attack.named("Snake", "actor")) == ["G0010"]


def test_each_alias_says_who_uses_it(attack):
    sources = attack.alias_sources("G0069")
    assert sources["Seedworm"] == ("attack", "misp")
    assert sources["Boggy Serpens"] == ("misp",)
    assert "G0069" not in sources


@pytest.mark.parametrize(
    ("name", "bearers"),
    [
        ("Andariel", ["G0138", "G0032"]),
        ("OilRig", ["G0049", "misp:a0082cfa-32e2-42b8-92d8-5c7a7409dcf1"]),
        ("Grizzly Steppe", ["G0007", "G0016"]),
        ("no such actor", []),
    ],
)
def test_bearers_leave_out_nobody(attack, name, bearers):
    assert ids(attack.bearers(name, "actor")) == bearers


def test_every_written_name_leads_to_whom_bears_it(attack):
    for name, concept in attack.names():
        assert concept in attack.bearers(name), name


def test_two_actors_that_the_galaxy_keeps_apart_are_not_merged_by_a_link(attack):
    assert [actor.name for actor in attack.galaxy_actors("G0010")] == ["White Bear", "Turla"]
    assert ids(attack.named("APT26"))[0].startswith("misp:")


def test_a_name_counts_for_more_than_a_link(attack):
    assert [(actor.name, actor.by) for actor in attack.galaxy_actors("G0096")] == [
        ("APT41", "name")
    ]


def test_the_id_of_a_joined_actor_leads_to_the_group(attack):
    (actor,) = attack.galaxy_actors("G0069")
    assert actor.id not in attack
    assert attack.resolve(actor.id).id == "G0069"


def test_a_group_that_a_release_does_not_know_leaves_its_actor_alone(attack):
    newer = set(attack.concepts("actor")) - set(load_attack("18.1").concepts("actor"))
    joined = [
        a for c in newer for a in attack.galaxy_actors(c.id) if c.id not in load_attack("18.1")
    ]
    assert joined
    assert all(load_attack("18.1")[actor.id].name == actor.name for actor in joined)


def test_facts_of_another_release_are_said_to_be(attack):
    assert attack.origins("T1102") == {"created": "18.1", "modified": "18.1"}
    assert attack.origins("T1685") == {}
    assert attack["T1685"].created == ""
    assert load_attack("18.1").origins("T1102") == {}


def test_what_became_of_ids_between_two_releases(attack):
    changes = compare(load_attack("18.1"), attack)
    assert dict(changes.revoked)["T1562"] == "T1685"
    assert "T1685" in changes.added
    assert ("TA0005", "Defense Evasion", "Stealth") in changes.renamed
    moved = {key: new for key, _, new in changes.moved}
    assert moved["T1014"] == ("stealth",)
    assert not changes.silent
    assert compare(attack, attack) == Changes((), (), (), (), (), ())


def test_an_actor_of_the_galaxy_alone_has_an_id_of_its_own(attack):
    found = [c for c in attack.concepts("actor") if c.id.startswith("misp:")]
    assert len(found) > 500
    assert all(c.version == "misp" and not c.stix_id for c in found)


def test_official_ids_come_with_official_stix_ids(attack):
    for concept in attack.concepts():
        if not concept.id.startswith("misp:"):
            assert "--" in concept.stix_id, concept.id


def test_subtechniques_know_their_parent(attack):
    assert ids(attack.subs("T1102")) == ["T1102.001", "T1102.002", "T1102.003"]


def test_a_deprecated_mitigation_with_a_techniques_id_is_no_technique(attack):
    assert attack["T1102"].stix_id.startswith("attack-pattern--")


def test_a_release_that_is_not_here_is_named_with_those_that_are():
    with pytest.raises(CatalogueError, match=r"3\.0.*18\.1"):
        load_attack("3.0")


def test_the_order_of_names_does_not_depend_on_the_hash_seed():
    code = (
        "from ctimine.attack import load_attack; c = load_attack();"
        "print(list(c.names()), [c.uses(i) for i in c], [c.users(i) for i in c])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(outputs) == 1


@given(st.text(max_size=20))
def test_folding_twice_changes_nothing(text):
    assert fold(fold(text)) == fold(text)


@given(st.text(max_size=20))
def test_what_a_name_leads_to_does_not_depend_on_its_spelling(text):
    own = Catalogue("own", [Concept("actor", "G1", text)], uses=())
    assert own.named(text.swapcase()) == own.named(text.replace(" ", "-")) or not fold(text)
    assert own.named(text) == (own.concepts() if fold(text) else ())


@given(
    st.sampled_from(["Fancy Bear", "APT-C-23", "TEMP.Zagros"]), st.randoms(use_true_random=False)
)
def test_spelling_does_not_matter(name, random):
    written = "".join(
        random.choice([c.lower(), c.upper()]) if c.isalnum() else random.choice([c, "", "-", " "])
        for c in name
    )
    assert fold(written) == fold(name)


def test_a_small_catalogue_of_ones_own_works_alike():
    own = Catalogue("own", [Concept("actor", "G1", "Grey Owl", aliases=("Owl",))], uses=())
    assert ids(own.named("grey-owl")) == ["G1"]
    assert own.uses("G1") == ()
