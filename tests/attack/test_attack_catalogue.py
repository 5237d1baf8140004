"""The built-in catalogue: what it holds, and how names and old ids lead to today's concepts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctimine.attack import Catalogue, available_versions, fold, load_attack
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
    code = "from ctimine.attack import load_attack as l; print(list(l().names())[:400])"
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
