"""Questions to the graph: who uses what, on which evidence, how sure."""

from __future__ import annotations

import graph_world as make
import pytest

from ctimine.attack import load_attack
from ctimine.graph import (
    build_graph,
    combined_score,
    find_claims,
    supporting_reports,
    what_does,
    what_uses,
    who_uses,
)
from ctimine.graph.questions import around

ATTACK = load_attack()


def graph_of(*results, cited=False):
    return build_graph(results, ATTACK, cited=cited)


def test_each_row_is_one_actor_and_one_technique():
    graph = graph_of(
        make.uses("a", "G0010", "T1102"),
        make.uses("b", "G0010", "T1102.002"),
        make.uses("c", "G0069", "T1102"),
    )
    rows = {(row.technique, row.actor) for row in who_uses(graph, "T1102")}
    assert rows == {("T1102", "G0010"), ("T1102.002", "G0010"), ("T1102", "G0069")}


def test_sub_techniques_are_left_out_when_not_wanted():
    graph = graph_of(make.uses("a", "G0010", "T1102"), make.uses("b", "G0010", "T1102.002"))
    assert [row.technique for row in who_uses(graph, "T1102", subs=False)] == ["T1102"]


def test_sub_techniques_roll_up_on_demand_and_say_so():
    graph = graph_of(make.uses("a", "G0010", "T1102"), make.uses("b", "G0010", "T1102.002"))
    assert {row.rolled_up_from for row in who_uses(graph, "T1102")} == {()}
    (row,) = who_uses(graph, "T1102", roll_up=True)
    assert (row.technique, row.rolled_up_from) == ("T1102", ("T1102.002",))
    assert len(row.claims) == 2


@pytest.mark.parametrize(
    "stance",
    ["claimed", "capability", "forecast", "recommended", "example", "negated", "reference"],
)
def test_what_the_text_does_not_report_is_no_use(stance):
    graph = graph_of(make.uses("a", "G0010", "T1102", stance=stance))
    assert who_uses(graph, "T1102") == ()
    assert len(find_claims(graph, "G0010", "uses", "T1102")) == 1


def test_other_stances_are_there_when_asked_for():
    graph = graph_of(make.uses("a", "G0010", "T1102", stance="claimed"))
    (row,) = who_uses(graph, "T1102", stances=["reported", "claimed"])
    assert (row.stance, row.score) == ("claimed", 0.0)


@pytest.mark.parametrize("kind", ["layer", "template", "readme", "index"])
def test_what_is_no_report_says_nothing(kind):
    graph = graph_of(make.uses("a", "G0010", "T1102", kind=kind))
    assert who_uses(graph, "T1102") == ()
    assert supporting_reports(graph, "G0010", "uses", "T1102") == ()


def test_a_denial_stands_beside_the_use():
    graph = graph_of(
        make.uses("a", "G0010", "T1102"), make.uses("b", "G0010", "T1102", stance="negated")
    )
    (row,) = who_uses(graph, "T1102")
    assert [claim.stance for claim in row.against] == ["negated"]
    assert len(row.claims) == 1


def test_the_strongest_stance_and_its_sentence_come_first():
    graph = graph_of(
        make.uses("a", "G0010", "T1102", stance="assessed", score=0.99),
        make.uses("b", "G0010", "T1102", score=0.8),
    )
    (row,) = who_uses(graph, "T1102")
    assert row.stance == "reported"
    assert row.reports[0].title == "Report b"
    assert row.claims[0].report == row.reports[0].id


def test_independent_publishers_add_up():
    graph = graph_of(
        make.uses("a", "G0010", "T1102", publisher="One", score=0.8),
        make.uses("b", "G0010", "T1102", publisher="Two", score=0.5),
    )
    assert who_uses(graph, "T1102")[0].score == pytest.approx(0.9)


def test_one_publisher_counts_once():
    graph = graph_of(
        make.uses("a", "G0010", "T1102", publisher="One", score=0.8),
        make.uses("b", "G0010", "T1102", publisher="one", score=0.5),
    )
    assert who_uses(graph, "T1102")[0].score == pytest.approx(0.8)


def test_an_assessment_counts_less_than_a_report():
    graph = graph_of(make.uses("a", "G0010", "T1102", stance="assessed", score=1.0))
    assert who_uses(graph, "T1102")[0].score == pytest.approx(0.7)


def test_nothing_makes_a_use_certain():
    results = [
        make.uses(f"r{n}", "G0010", "T1102", publisher=f"P{n}", score=0.99) for n in range(9)
    ]
    graph = graph_of(*results)
    claims = find_claims(graph, "G0010", "uses", "T1102")
    assert combined_score(graph, claims) == 0.99


def test_the_knowledge_base_adds_rows_and_citations_but_no_score():
    graph = graph_of(make.uses("a", "G0010", "T1102"), cited=True)
    rows = {row.actor: row for row in who_uses(graph, "T1102", subs=False)}
    assert len(rows) == 15  # groups on T1102 in ATT&CK v19
    assert rows["G0010"].basis == ("cited", "id")
    assert rows["G0010"].score == pytest.approx(0.9)
    assert rows["G0010"].citations
    only_cited = [row for row in rows.values() if not row.claims]
    assert {(row.basis, row.score, row.reports) for row in only_cited} == {(("cited",), 0.0, ())}


def test_what_only_the_knowledge_base_knows_can_be_left_out():
    graph = graph_of(make.uses("a", "G0010", "T1102"), cited=True)
    assert [row.basis for row in who_uses(graph, "T1102", cited=False)] == [("cited", "id")]


def test_mined_rows_come_before_cited_ones():
    graph = graph_of(make.uses("a", "name:silverraven", "T1102"), cited=True)
    rows = who_uses(graph, "T1102")
    assert rows[0].actor == "name:silverraven"
    assert not any(row.claims for row in rows[1:])


def test_software_and_campaigns_are_no_actors_unless_asked_for():
    graph = graph_of(make.uses("a", "S0260", "T1102"))
    assert who_uses(graph, "T1102") == ()
    assert [row.actor for row in who_uses(graph, "T1102", kinds=["software"])] == ["S0260"]


def test_claims_come_oldest_first_and_undated_last():
    graph = graph_of(
        make.uses("new", "G0010", "T1102", published="2024-05-01"),
        make.uses("none", "G0010", "T1102", published=""),
        make.uses("old", "G0010", "T1102", published="2019-05-01"),
    )
    claims = find_claims(graph, "G0010", "uses", "T1102")
    order = [report.title for report in supporting_reports(graph, "G0010", "uses", "T1102")]
    assert order == ["Report old", "Report new", "Report none"]
    assert [claim.quote.split()[-1] for claim in claims] == ["old.", "new.", "none."]


def test_an_answer_gives_the_span_of_its_dates_and_its_services():
    graph = graph_of(
        make.uses("new", "G0010", "T1102", published="2024-05-01", via="telegram"),
        make.uses("none", "G0010", "T1102", published=""),
        make.uses("old", "G0010", "T1102", published="2019-05-01", via="github"),
    )
    (row,) = who_uses(graph, "T1102")
    assert (row.first, row.last, row.via) == ("2019-05-01", "2024-05-01", ("github", "telegram"))


def test_claims_are_found_by_any_part():
    graph = graph_of(make.uses("a", "G0010", "T1102"), make.uses("b", "G0069", "T1059.001"))
    assert len(find_claims(graph)) == 2
    assert len(find_claims(graph, relation="alias-of")) == 0
    assert [c.subject for c in find_claims(graph, object="T1102")] == ["G0010"]
    assert [c.object for c in find_claims(graph, "G0069")] == ["T1059.001"]
    assert find_claims(graph, "G9999") == []


def test_what_a_report_claims_comes_in_the_order_of_its_text():
    report = make.report("two", "Turla used T1102. MuddyWater used T1059.001.")
    claims = (
        make.claim(report, "MuddyWater used T1059.001.", "G0069", "uses", "T1059.001"),
        make.claim(report, "Turla used T1102.", "G0010", "uses", "T1102"),
    )
    graph = graph_of((report, (), claims), make.uses("b", "G0010", "T1102"))
    assert what_does(graph, report.id) == [claims[1], claims[0]]


def test_what_an_actor_uses_is_found_by_id_or_name():
    graph = graph_of(make.uses("a", "name:silverraven", "T1102"))
    assert [row.technique for row in what_uses(graph, "Silver Raven")] == ["T1102"]
    assert [row.technique for row in what_uses(graph, "name:silverraven")] == ["T1102"]
    assert what_uses(graph, "nobody") == ()


def test_the_part_around_a_technique_holds_its_family_and_its_reports_only():
    raven = make.report("r", "Silver Raven is also called Storm-9931. Silver Raven used T1102.001.")
    graph = graph_of(
        make.uses("a", "G0010", "T1102"),
        make.uses("b", "G0069", "T1059.001"),
        (
            raven,
            (),
            (
                make.claim(raven, "Silver Raven used T1102.001.", "name:silverraven", "uses",
                           "T1102.001"),
                make.claim(raven, "Silver Raven is also called Storm-9931.", "name:silverraven",
                           "alias-of", "name:storm9931"),
            ),
        ),
    )  # fmt: skip
    part = around(graph, "T1102")
    assert who_uses(part, "T1102") == who_uses(graph, "T1102")
    assert "T1059.001" not in part
    assert "G0069" not in part
    assert len(find_claims(part, relation="alias-of")) == 1
    assert part.graph == graph.graph
