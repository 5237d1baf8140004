"""The spaCy components: alone and together, saved and loaded, in processes, on any Doc."""

from __future__ import annotations

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from ctimine.attack import load_attack
from ctimine.extract import extract, passages
from ctimine.extract.docs import plain_blocks, report_of, to_doc
from ctimine.extract.passages import Layout
from ctimine.extract.pipeline import FACTORIES, build_pipeline
from ctimine.model import Block, Report

TEXT = "Turla again\nTurla used  PowerShell (T1059.001), then T1105.\nIt read a Pastebin note."
REPORT = Report(
    "r",
    "s",
    "i",
    TEXT,
    (
        Block("heading", 0, 11, level=1),
        Block("paragraph", 12, 59, path=("Turla again",)),
        Block("paragraph", 60, len(TEXT), path=("Turla again",)),
    ),
)
VERSION = "18.1"


@pytest.fixture(scope="module")
def nlp():
    return build_pipeline(load_attack(VERSION))


@pytest.fixture(scope="module")
def doc(nlp):
    return nlp(to_doc(REPORT, nlp))


def spans(doc):
    return [(s.start, s.end, s.label_, s.kb_id_, s.id_) for s in doc.spans["ctimine"]]


def test_factory_names_and_their_settings_are_these(nlp):  # loads the factories
    attack = {"attack": {"@misc": "ctimine.attack.v1", "version": None}}
    names = {
        name: Language.get_factory_meta(name).default_config
        for name in Language.factories
        if name.startswith("ctimine_")
    }
    pinned = {
        "ctimine_techniques": attack,
        "ctimine_actors": attack,
        "ctimine_services": {},
        "ctimine_names": {"model": ""},
        "ctimine_behaviours": {"threshold": "balanced"},
        "ctimine_stance": {},
        "ctimine_claims": {**attack, "described": False},
    }
    assert {name: names[name] for name in pinned} == pinned
    assert tuple(pinned) == FACTORIES


def test_factories_say_what_they_need_and_give():
    assert Language.get_factory_meta("ctimine_claims").requires == ["doc._.cti_mentions"]
    assert Language.get_factory_meta("ctimine_claims").assigns == ["doc._.cti_claims"]
    assert "doc.spans" in Language.get_factory_meta("ctimine_actors").assigns


def test_the_default_pipeline_has_no_open_needs(nlp):
    assert not any(nlp.analyze_pipes()["problems"].values())


def test_the_catalogue_is_named_in_the_config(nlp):
    assert nlp.config["components"]["ctimine_actors"]["attack"]["version"] == VERSION


def test_report_to_doc_and_back_is_the_same_report(nlp):
    doc = to_doc(REPORT, nlp)
    assert doc.text == TEXT
    assert report_of(doc) == REPORT
    assert doc._.cti_report == REPORT
    assert [(s.label_, s.text) for s in doc.spans["blocks"]] == [
        (block.kind, TEXT[block.start : block.end]) for block in REPORT.blocks
    ]


def test_sentences_begin_where_blocks_begin(doc):
    assert next(sent.text.strip() for sent in doc.sents) == "Turla again"


def test_the_pipeline_says_what_the_plain_function_says(doc):
    mentions, claims = extract(REPORT, load_attack(VERSION))
    assert doc._.cti_mentions == mentions
    assert doc._.cti_claims == claims
    assert claims


def test_a_report_is_laid_out_and_its_sentences_are_cut_once(nlp, doc, monkeypatch):
    walked, cut = [], []
    walk, split = Layout._walk, passages.split_sentences
    monkeypatch.setattr(Layout, "_walk", lambda layout: walked.append(1) or walk(layout))
    monkeypatch.setattr(
        passages, "split_sentences", lambda *block: cut.append(block[1]) or split(*block)
    )
    _, claims = extract(report_of(doc), load_attack(), behaviours=None, names="listed")
    assert claims
    assert len(walked) == 1
    assert len(cut) == len(set(cut)) > 0


def test_extract_can_run_a_pipeline(nlp):
    assert extract(REPORT, load_attack(VERSION), nlp=nlp) == extract(REPORT, load_attack(VERSION))


def test_spans_carry_kind_concept_rule_score_and_stance(doc):
    assert ("technique", "T1059.001", "id") in [row[2:] for row in spans(doc)]
    assert len(doc.spans["ctimine"].attrs["scores"]) == len(doc.spans["ctimine"])
    assert {span._.cti_stance for span in doc.spans["ctimine"]} == {
        mention.stance for mention in doc._.cti_mentions
    }
    assert doc[0:1]._.cti_stance == ""


@pytest.mark.parametrize("name", ["ctimine_techniques", "ctimine_actors", "ctimine_services"])
def test_a_finder_works_alone_on_an_ordinary_doc(name):
    nlp = spacy.blank("en")
    nlp.add_pipe(name)
    doc = nlp("Turla used T1105.\nThe implant read a Pastebin note that held its C2 address.")
    assert doc._.cti_mentions
    for mention in doc._.cti_mentions:
        assert doc.text[mention.start : mention.end] == mention.quote


def test_an_ordinary_doc_is_a_report_with_a_paragraph_a_line():
    doc = spacy.blank("en")("One line.\n\nAnother line.")
    assert report_of(doc).blocks == plain_blocks(doc.text)
    assert len(report_of(doc).blocks) == 2


def test_a_component_computes_and_writes_in_two_steps(nlp):
    component = nlp.get_pipe("ctimine_techniques")
    doc = to_doc(REPORT, nlp)
    found = component.match(doc)
    assert doc._.cti_mentions == ()
    assert component.set_annotations(doc, found)._.cti_mentions == found


def test_a_saved_pipeline_loads_and_says_the_same(nlp, doc, tmp_path):
    nlp.to_disk(tmp_path)
    assert spans(spacy.load(tmp_path)(to_doc(REPORT, nlp))) == spans(doc)


def test_bytes_and_docbin_keep_everything(nlp, doc):
    again = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    store = DocBin(store_user_data=True, docs=[doc]).to_bytes()
    (packed,) = DocBin(store_user_data=True).from_bytes(store).get_docs(spacy.blank("en").vocab)
    for other in (again, packed):
        assert other._.cti_mentions == doc._.cti_mentions
        assert other._.cti_claims == doc._.cti_claims
        assert spans(other) == spans(doc)


def test_two_processes_say_what_one_says(nlp, doc):
    docs = list(nlp.pipe([to_doc(REPORT, nlp) for _ in range(3)], n_process=2))
    assert [spans(other) for other in docs] == [spans(doc)] * 3
    assert [other._.cti_claims for other in docs] == [doc._.cti_claims] * 3


@pytest.mark.parametrize("behaviours", [None, "recall"])
def test_half_characters_in_a_text_hide_nothing_and_break_nothing(behaviours):
    half = "\ud800"
    text = (
        f"# APT29 {half}\n\nAPT29 used {half} T1102. The group sent e-mails with an Excel attachment."
        f"\n\n- Observed {half}: APT29, formerly Harbour {half} Fox, read a Pastebin note for its C2."
    )
    report = Report("r", "s", "i", text, title=f"x {half}", language="en")
    mentions, claims = extract(report, load_attack(), behaviours=behaviours)
    assert ("G0016", "T1102") in {(claim.subject, claim.object) for claim in claims}
    assert all(text[m.start : m.end] == m.quote for m in mentions)
