"""Described techniques: what is found, what is left alone, and what the model file may hold."""

from __future__ import annotations

import itertools
import time
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctimine.attack import load_attack
from ctimine.errors import ExtractError
from ctimine.extract.behaviours import RULE, SURE, find_behaviours, load_model, silence, why
from ctimine.extract.behaviours_file import read_model, save_model
from ctimine.extract.behaviours_model import Scored
from ctimine.extract.behaviours_ranking import _places, _times
from ctimine.extract.grams import GramIndex, Grams, words_of
from ctimine.model import Block, Report

MODELS = resources.files("ctimine.extract") / "models"


def report(text, **values):
    return Report("r", "s", "i", text, **values)


def concepts(text, threshold="balanced"):
    return {m.concept for m in find_behaviours(report(text), threshold=threshold)}


@pytest.mark.parametrize(
    ("sentence", "technique"),
    [
        ("The group mailed spearphishing messages with a malicious Word attachment.", "T1566"),
        ("It dumped credentials from the memory of LSASS with a renamed tool.", "T1003"),
        ("The loader creates a scheduled task that runs it every ten minutes.", "T1053"),
        ("The ransomware encrypts files on all local drives and demands payment.", "T1486"),
        ("The implant logs keystrokes and keeps them in a hidden file.", "T1056"),
        ("It takes screenshots of the desktop every thirty seconds.", "T1113"),
        ("The dropper ran a PowerShell command to fetch the next stage.", "T1059"),
    ],
)
def test_a_plainly_described_technique_is_found(sentence, technique):
    assert technique in {concept.partition(".")[0] for concept in concepts(sentence, "recall")}


@pytest.mark.parametrize(
    "sentence",
    [
        "We published the second part of this series in June.",
        "The company has its seat in Berlin and employs four hundred people.",
        "Read more about our products and subscribe to the newsletter.",
    ],
)
def test_prose_without_behaviour_is_left_alone(sentence):
    assert concepts(sentence, "balanced") == set()


def test_the_thresholds_are_nested():
    text = (
        "The actor sent phishing emails with a link. The document drops a script. "
        "It downloads a second payload. The server answers with commands. Data is compressed."
    )
    high, balanced, recall = (concepts(text, name) for name in ("high", "balanced", "recall"))
    assert high <= balanced <= recall
    with pytest.raises(ExtractError, match="choose one of"):
        find_behaviours(report(text), threshold="none")


def test_a_sentence_that_writes_an_id_is_left_to_the_id():
    assert concepts("It sent spearphishing emails with an attachment (T1566.001).") == set()


def test_code_and_sources_are_left_alone():
    text = "It sent spearphishing emails with a malicious attachment."
    for kind, count in (("paragraph", 1), ("code", 0), ("reference", 0)):
        blocks = (Block(kind, 0, len(text)),)
        assert len(find_behaviours(report(text, blocks=blocks), threshold="recall")) == count


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Die Gruppe verschickt E-Mails mit einem Anhang.", "de"),
        ("Группа рассылает письма с вредоносным вложением.", ""),
        ("Le groupe envoie des courriels avec une pièce jointe malveillante. " * 10, ""),
        (
            "Die Gruppe verschickt E-Mails mit einem Anhang an die Opfer, der in das Netz gelangt "
            "und dort eine Datei nachlädt, was in vielen Fällen so geschieht.",
            "",
        ),
        (
            "De groep verstuurt e-mails met een bijlage naar de slachtoffers in het netwerk, en "
            "die is dan uitgevoerd op de machine.",
            "",
        ),
    ],
)
def test_other_languages_are_left_alone_and_it_is_said(text, language, caplog):
    made = report(text, language=language)
    with caplog.at_level("INFO"):
        assert find_behaviours(made) == ()
    assert silence(made).startswith("language")
    assert silence(made) in caplog.text


def test_a_stated_language_is_believed_and_a_table_of_indicators_is_not_foreign():
    table = "evil.example 203.0.113.7 dropper.exe\n" * 40
    assert silence(report(table, language="en")) == ""
    prose = "The actor sent mail to the victims and waited. It was opened by some of them. " * 5
    assert silence(report(prose)) == ""


def test_concepts_live_in_the_newest_catalogue():
    model, catalogue = load_model(), load_attack()
    for name in (*model.labels, *model.subs):
        concept = catalogue.get(name)
        assert concept is not None, name
        assert (concept.kind, concept.status) == ("technique", "live"), name


def test_the_words_that_decided_are_words_of_the_sentence():
    words = why("It logs keystrokes of the user.", "T1056")
    assert words[0][0] == "keystrokes"
    assert {word for word, _ in words} <= {"it", "logs", "keystrokes", "of", "the", "user"}
    assert why("It logs keystrokes.", "T0000") == ()


def test_the_model_file_is_small_and_read_and_written_alike(tmp_path):
    path = tmp_path / "again.npz"
    save_model(load_model(), path)
    with resources.as_file(MODELS / "behaviours.npz") as shipped:
        assert shipped.stat().st_size <= 8_000_000
    text = report("It sent spearphishing emails with a malicious attachment. It logs keystrokes.")
    again = find_behaviours(text, threshold="recall", model=read_model(path))
    assert [m.concept for m in again] == [
        m.concept for m in find_behaviours(text, threshold="recall")
    ]


def test_the_model_file_holds_no_words_but_technique_ids():
    import zipfile

    with resources.as_file(MODELS / "behaviours.npz") as path, zipfile.ZipFile(path) as file:
        head = file.read("head.json").decode()
        assert {name.rpartition(".")[2] for name in file.namelist()} == {"npy", "json"}
    assert "phish" not in head


def test_the_licence_stands_beside_the_model():
    text = (MODELS / "LICENSE").read_text(encoding="utf-8")
    assert "CC-BY-SA-4.0" in text
    assert "AnnoCTR" in text
    assert "The MITRE Corporation" in text


def scored(*reads):
    label = np.array([label for label, _ in reads])
    read = np.array([read for _, read in reads], np.float32)
    return Scored(np.arange(len(reads)), label, read, read)


def test_a_reader_is_sure_of_what_several_sentences_tell():
    found = scored((0, 0.7), (1, 0.7), (0, 0.7), (1, 0.3), (0, 0.4)).sure(0.5, 0.9)
    assert found.tolist() == [True, False, True, False, False]


def test_many_hints_make_no_reader_sure():
    assert not scored(*[(3, 0.5)] * 40).sure(0.5, 0.9).any()
    assert scored((3, 0.9), *[(3, 0.1)] * 5).sure(0.5, 0.9).tolist() == [True, *[False] * 5]
    assert not Scored(np.arange(1), np.zeros(1, int), np.ones(1), np.zeros(0)).sure(0, 0).any()


def test_a_broken_model_file_is_named(tmp_path):
    path = tmp_path / "broken.npz"
    path.write_bytes(b"PK no")
    with pytest.raises(ExtractError, match=r"broken\.npz"):
        read_model(path)


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=300))
def test_every_mention_is_its_quote(text):
    for mention in find_behaviours(report(text), threshold="recall"):
        assert text[mention.start : mention.end] == mention.quote
        assert mention.basis == "behaviour"
        assert 0.0 <= mention.score <= 1.0


@given(st.text(max_size=200), st.text(max_size=200))
def test_words_of_lines_do_not_depend_on_their_neighbours(first, second):
    assert words_of([first, second]) == [words_of([first])[0], words_of([second])[0]]


def test_known_grams_are_numbers_of_the_index():
    words = ["it", "downloads"]
    everything = sorted(Grams().of(words))
    index = {gram: number for number, gram in enumerate(everything[::2])}
    assert Grams(index).of(words) == set(index.values())


def test_the_spacy_component_finds_the_same():
    import spacy

    from ctimine.extract.behaviours_pipe import make_behaviours
    from ctimine.extract.docs import mentions_of

    nlp = spacy.blank("en")
    assert make_behaviours(nlp, "b", "high").threshold == "high"
    nlp.add_pipe("ctimine_behaviours", config={"threshold": "recall"})
    doc = nlp("It sent spearphishing emails with a malicious attachment.")
    assert [m.concept for m in mentions_of(doc)] == ["T1566.001"]


def test_a_long_report_takes_no_time():
    text = "It sent spearphishing emails. The weather was fine. Data was stolen over HTTP. " * 1500
    find_behaviours(report(text[:400]))
    began = time.process_time()
    find_behaviours(report(text))
    assert time.process_time() - began < 6.0


def test_grams_in_bulk_are_those_one_by_one():
    lines = [
        "The loader downloads a second stage from hxxps://a.example/x and runs it.",
        "",
        "Die Gruppe lädt 3 Dateien; the the the group",
        f"{'a' * 300} {'b' * 200} was sent to {'b' * 200}",
        "CVE-2021-44228 (T1190) was used at 10.0.0.1, 10.0.0.1 and 10[.]0[.]0[.]1.",
        "x",
    ]
    words = words_of(lines)
    hashes = sorted(set().union(*map(Grams().of, words)))[::2]
    slow = Grams({gram: number for number, gram in enumerate(hashes)})
    fast = GramIndex(np.array(hashes, np.uint32))
    for _ in range(2):  # a second time, with words that are known
        starts, numbers = fast.of(words)
        found = [numbers[a:b].tolist() for a, b in itertools.pairwise(starts)]
        assert found == [sorted(slow.of(sentence)) for sentence in words]
    assert fast.of([])[1].tolist() == []


def test_grams_of_which_only_later_ones_begin_alike():
    # they share all the bits by which they are first looked up
    stems = ["alpha", "beta", "gamma"]
    value = next(iter({v for v in Grams().of(stems) if not v & 1}))
    near = sorted({value, *(max(0, value ^ bit) for bit in (2, 4, 8, 16)), 0xFFFFFFFE, 0})
    _, numbers = GramIndex(np.array(near, np.uint32)).of([stems])
    assert {near[n] for n in numbers.tolist()} == Grams().of(stems) & set(near)


def test_places_among_sorted_rows():
    rows = np.sort(np.array([[0.0, -1.2, 0.5, 0.5], [-0.0, -1e-30, 1e-30, -1.2]], np.float32))
    row, values = np.array([0, 0, 1, 1, 1]), np.array([0.5, -1.2, 0.0, -0.0, -1e-30], np.float32)
    wanted = [4 * r + int((rows[r] <= v).sum()) for r, v in zip(row, values, strict=True)]
    assert _places(rows, row, values).tolist() == wanted


@pytest.mark.parametrize("shape", [(0, 3, 2), (1, 57, 32), (2_000, 57, 32), (20_000, 69)])
def test_a_product_in_parts_is_the_product(shape):
    random = np.random.default_rng(5)
    left = random.normal(size=shape[:2]).astype(np.float32)
    right = random.normal(size=shape[1:]).astype(np.float32)
    np.testing.assert_allclose(_times(left, right), left @ right, rtol=1e-4, atol=1e-4)


def test_a_mail_without_a_word_of_what_it_carries_is_phishing_and_no_more():
    def spearphishing(text):
        return {c for c in concepts(text, "recall") if c.startswith("T1566")}

    assert spearphishing(
        "The actor sent spearphishing emails with a malicious Word attachment."
    ) == {"T1566.001"}
    assert spearphishing("The actor sent spearphishing emails to the staff of ministries.") == {
        "T1566"
    }


@pytest.mark.parametrize(
    ("sentence", "sure"),
    [
        ("The ransomware encrypted every file on the shared drives of the victim.", True),
        ("The crew deployed its own ransomware on every server of the victim.", True),
        ("Two weeks before the ransomware attack, the crew used a stolen account.", False),
    ],
)
def test_the_name_of_a_kind_of_malware_is_no_sure_deed(sentence, sure):
    report = Report("r", "s", "i", f"The crew extorts hospitals with ransomware. {sentence}")
    found = find_behaviours(report, threshold="recall")
    rules = {m.rule for m in found if m.concept == "T1486" and m.quote == sentence}
    assert (SURE in rules) == sure


def test_who_poses_as_a_person_disguises_no_file():
    text = "The crew used a mail account that masqueraded as a prominent physicist of a university."
    found = find_behaviours(Report("r", "s", "i", text), threshold="recall")
    assert {m.rule for m in found if m.concept.startswith("T1036")} == {RULE}
