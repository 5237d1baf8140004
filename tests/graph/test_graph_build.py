"""Building and merging: what stands in the graph, and that order and repetition do not matter."""

from __future__ import annotations

import dataclasses

import graph_world as make
import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctimine.attack import load_attack
from ctimine.errors import InputError
from ctimine.graph import build_graph, merge_graphs
from ctimine.graph.build import citations_of
from ctimine.graph.edges import to_claim

ATTACK = load_attack()


def pool():
    """Results that share actors, techniques, publishers and an unseen name in two spellings."""
    one = make.report("one", "Silver Raven used T1102. Turla used T1102.002.")
    two = make.report("two", "SilverRaven used T1102. SilverRaven is also called Storm-9931.")
    three = make.report("three", "Silver Raven used T1059.001.", kind="readme")
    raven = "name:silverraven"
    return [
        (
            one,
            (make.mention(one, "T1102", "technique", "T1102"),),
            (
                make.claim(one, "Silver Raven used T1102.", raven, "uses", "T1102",
                           subject_name="Silver Raven"),
                make.claim(one, "Turla used T1102.002.", "G0010", "uses", "T1102.002"),
            ),
        ),
        (
            two,
            (make.mention(two, "SilverRaven", "actor", "", "name", name="SilverRaven"),),
            (
                make.claim(two, "SilverRaven used T1102.", raven, "uses", "T1102",
                           subject_name="SilverRaven"),
                make.claim(two, "SilverRaven is also called Storm-9931.", raven, "alias-of",
                           "name:storm9931", object_name="Storm-9931"),
            ),
        ),
        (
            three,
            (),
            (make.claim(three, "Silver Raven used T1059.001.", raven, "uses", "T1059.001",
                        subject_name="Silver Raven"),),
        ),
    ]  # fmt: skip


POOL = pool()


def content(graph):
    """Everything of a graph, its order included."""
    return list(graph.nodes(data=True)), list(graph.edges(keys=True, data=True)), graph.graph


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(range(len(POOL))), min_size=1, max_size=6))
def test_order_and_repetition_of_results_do_not_matter(numbers):
    results = [POOL[n] for n in numbers]
    straight = build_graph([POOL[n] for n in sorted(set(numbers))], ATTACK)
    assert content(build_graph(results, ATTACK)) == content(straight)


def test_two_readings_of_one_report_make_the_same_graph_in_any_order():
    """Such as a graph of last year's rules and one of today's."""
    said_in, _, (claim,) = make.uses("one", "G0010", "T1102")
    mention = make.mention(said_in, "T1102", "technique", "T1102", score=0.5)
    readings = [
        (said_in, (mention,), (claim,)),
        (
            dataclasses.replace(said_in, title="Another title"),
            (dataclasses.replace(mention, score=0.7),),
            (dataclasses.replace(claim, score=0.4),),
        ),
    ]
    built = [build_graph(order, ATTACK, cited=False) for order in (readings, readings[::-1])]
    assert content(built[0]) == content(built[1])
    parts = [build_graph([reading], ATTACK, cited=False) for reading in readings]
    assert content(merge_graphs(*parts)) == content(merge_graphs(*parts[::-1]))


@settings(max_examples=40, deadline=None)
@given(
    st.sets(st.sampled_from(range(len(POOL)))),
    st.sets(st.sampled_from(range(len(POOL)))),
)
def test_merging_is_idempotent_and_order_free(left, right):
    a = build_graph([POOL[n] for n in left], ATTACK, cited=False)
    b = build_graph([POOL[n] for n in right], ATTACK, cited=False)
    both = build_graph([POOL[n] for n in left | right], ATTACK, cited=False)
    assert content(merge_graphs(a, b)) == content(merge_graphs(b, a)) == content(both)
    assert content(merge_graphs(a, a)) == content(a)


def test_compose_merges_evidence_without_duplicates():
    a = build_graph(POOL[:2], ATTACK)
    b = build_graph(POOL[1:], ATTACK)
    both = build_graph(POOL, ATTACK)
    composed = nx.compose(a, b)
    assert set(composed.edges(keys=True)) == set(both.edges(keys=True))
    assert set(composed) == set(both)


def test_claims_stand_on_edges_under_their_key():
    graph = build_graph(POOL, ATTACK, cited=False)
    for _, _, claims in POOL:
        for claim in claims:
            assert to_claim(graph.edges[claim.subject, claim.object, claim.key]) == claim


def test_graphs_of_two_releases_do_not_merge():
    a = build_graph(POOL[:1], ATTACK, cited=False)
    b = build_graph(POOL[:1], load_attack("18.1"), cited=False)
    with pytest.raises(InputError, match=r"18\.1, 19"):
        merge_graphs(a, b)


def test_the_graph_says_by_which_catalogue_and_version_it_was_made():
    import ctimine

    graph = build_graph([], ATTACK)
    assert graph.graph == {"catalogue": ATTACK.version, "ctimine": ctimine.__version__}


def test_networkx_writes_it_as_graphml_and_json_and_reads_it_back(tmp_path):
    graph = build_graph(POOL, ATTACK)
    nx.write_graphml(graph, tmp_path / "graph.graphml")
    again = nx.read_graphml(tmp_path / "graph.graphml", force_multigraph=True)
    assert set(again) == set(graph)
    claims = {to_claim(data) for *_, data in again.edges(data=True) if data["edge"] == "claim"}
    assert claims == {claim for *_, claims in POOL for claim in claims}
    plain = nx.node_link_graph(nx.node_link_data(graph, edges="edges"), edges="edges")
    assert content(plain)[:2] == content(graph)[:2]


def test_cited_edges_come_with_their_citations_and_are_told_apart():
    graph = build_graph(POOL[:1], ATTACK)
    cited = [d for *_, d in graph.edges(data=True) if d["edge"] == "cited"]
    assert cited
    assert all(d["basis"] == "cited" and d["catalogue"] == ATTACK.version for d in cited)
    sourced = [d for d in cited if citations_of(d)]
    assert len(sourced) > 0.9 * len(cited)
    assert all(one["name"] for d in sourced for one in citations_of(d))


def test_cited_edges_can_be_left_out():
    graph = build_graph(POOL, ATTACK, cited=False)
    assert not [d for *_, d in graph.edges(data=True) if d["edge"] == "cited"]


def test_cited_edges_are_those_around_what_the_reports_name():
    graph = build_graph(POOL[:1], ATTACK)
    named = {"T1102", "T1102.001", "T1102.002", "T1102.003", "T1102.004"}
    for subject, target, data in graph.edges(data=True):
        if data["edge"] == "cited":
            assert subject == "G0010" or target in named


def test_a_technique_that_no_report_names_can_be_asked_for():
    graph = build_graph([], ATTACK, also=["T1102"])
    assert ("G0010", "T1102") in set(graph.edges())


def test_a_name_that_no_catalogue_knows_gets_its_usual_spelling():
    assert build_graph(POOL[1:2], ATTACK).nodes["name:silverraven"]["name"] == "SilverRaven"
    # Two claims write it in two words, one claim and one mention in one: the first by alphabet.
    assert build_graph(POOL, ATTACK).nodes["name:silverraven"]["name"] == "Silver Raven"


def test_an_unseen_name_has_the_kind_that_its_mentions_say():
    report = make.report("m", "Turla used QuietLamp. QuietLamp is new.")
    results = [
        (
            report,
            (make.mention(report, "QuietLamp", "software", "", "name", name="QuietLamp"),),
            (make.claim(report, "Turla used QuietLamp.", "G0010", "uses", "name:quietlamp",
                        object_name="QuietLamp"),),
        )
    ]  # fmt: skip
    graph = build_graph(results, ATTACK, cited=False)
    assert graph.nodes["name:quietlamp"]["kind"] == "software"


def test_mentions_with_a_problem_or_ambiguous_names_stand_for_no_concept():
    report = make.report("p", "T1999 and Cobalt.")
    mentions = (
        make.mention(report, "T1999", "technique", "", problem="unknown-id"),
        make.mention(report, "Cobalt", "actor", "", "name", name="Cobalt",
                     candidates=("G0080", "misp:x")),
    )  # fmt: skip
    graph = build_graph([(report, mentions, ())], ATTACK, cited=False)
    assert set(graph) == {f"report:{report.id}", "source:desk"}


def test_mentions_are_counted_by_stance():
    report = make.report("c", "T1102, T1102 and T1102.")
    places = [(0, "reported"), (7, "reported"), (17, "recommended")]
    import ctimine

    mentions = [
        ctimine.Mention(report.id, at, at + 5, "T1102", "technique", "T1102", "id", stance=stance)
        for at, stance in places
    ]
    graph = build_graph([(report, mentions, ())], ATTACK, cited=False)
    place = f"report:{report.id}"
    assert graph.edges[place, "T1102", "mentions:reported"]["count"] == 2
    assert graph.edges[place, "T1102", "mentions:recommended"]["count"] == 1


def test_two_documents_under_one_id_make_the_same_node_in_any_order():
    a = make.report("same", "one text")
    b = make.report("same", "another text", title="Another")
    results = [(a, (), ()), (b, (), ())]
    assert content(build_graph(results, ATTACK)) == content(build_graph(results[::-1], ATTACK))
