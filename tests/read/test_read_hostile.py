"""Hostile documents: whatever the bytes, the end is a report or a named error, within bounds."""

from __future__ import annotations

import contextlib
import io
import random
import zipfile

import docx
import pytest
from fpdf import FPDF
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctimine.errors import ReadError
from ctimine.model import Report, Snapshot
from ctimine.read import read
from ctimine.read.guard import Reader


def a_pdf():
    pdf = FPDF()
    pdf.set_compression(False)
    pdf.add_page()
    pdf.set_font("helvetica", size=12)
    pdf.cell(0, 10, "Silver Raven used T1102", link="https://lab.example/")
    with pdf.table() as table:
        table.row(["Actor", "ID"])
        table.row(["Silver Raven", "T1102"])
    return bytes(pdf.output())


def a_docx():
    document = docx.Document()
    document.add_heading("Silver Raven", 1)
    document.add_table(rows=1, cols=2).cell(0, 0).text = "T1102"
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


SEEDS = {
    "a.docx": a_docx(),
    "a.csv": b"actor,attack_id\nTurla,T1102\n",
    "a.json": b'{"actor": "Turla", "techniques": [{"id": "T1102"}, {"id": "T1059"}]}',
    "b.json": b'{"type": "bundle", "objects": [{"type": "report", "id": "report--1", "name": "R"}]}',
    "c.json": b'{"Event": {"info": "R", "Tag": [{"name": "x"}], "Galaxy": [{"GalaxyCluster": []}]}}',
    "layer.json": b'{"domain": "x", "techniques": [{"techniqueID": "T1102", "score": 1}]}',
    "a.jsonl": b'{"actor": "Turla", "id": "T1102"}\n{"actor": "Rocke", "id": "T1059"}\n',
    "a.yaml": b"- actor: &a Turla\n  id: T1102\n- actor: *a\n  id: T1059\n",
    "a.eml": b"From: a@b.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n"
    b"--B\nContent-Type: text/html\n\n<p>T1102</p>\n--B\nContent-Type: application/pdf\n\nx\n--B--\n",
}
MUTATION = st.tuples(st.integers(0, 2**32), st.integers(1, 12), st.booleans())


def damaged(body, mutation):
    """The body with some bytes changed, doubled or dropped, and perhaps cut."""
    seed, times, cut = mutation
    chance = random.Random(seed)
    data = bytearray(body)
    for _ in range(times):
        at = chance.randrange(len(data) + 1)
        action = chance.randrange(4)
        if action == 0 and at < len(data):
            data[at] = chance.randrange(256)
        elif action == 1:
            data[at:at] = data[at : at + chance.randrange(40)] * chance.randrange(1, 4)
        elif action == 2:
            del data[at : at + chance.randrange(20)]
        else:
            data[at:at] = chance.choice(
                [b"\x00", b"\xff\xfe", b"[", b'"', b"<", b"\n\n", b"9" * 30]
            )
    return bytes(data[: chance.randrange(len(data) + 1)] if cut else data)


def ends_well(snapshot):
    try:
        report = read(snapshot)
    except ReadError as error:
        assert error.subject == snapshot.item  # noqa: PT017
    else:
        assert report.text
        report.text.encode("utf-8")
        for block in report.blocks:
            assert 0 <= block.start < block.end <= len(report.text)


@pytest.mark.parametrize("name", sorted(SEEDS))
@given(mutation=MUTATION)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_damaged_documents(name, mutation):
    ends_well(Snapshot("s", name, damaged(SEEDS[name], mutation)))


@pytest.mark.parametrize("name", [*sorted(SEEDS), "a.bin"])
@given(body=st.binary(max_size=300))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_random_bytes(name, body):
    ends_well(Snapshot("s", name, body))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8)
    | st.sampled_from(["T1102", "G0010", "Turla", "uses", "report", "relationship", "bundle"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["actor", "techniques", "techniqueID", "type", "objects", "id", "Event",
                         "info", "Galaxy", "Tag", "name", "source_ref", "relationship_type"]),
        inner, max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip


@given(value=json_values)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_json_of_any_shape(value):
    from ctimine.read.rows import read_value

    with contextlib.suppress(ReadError):
        read_value(value, Snapshot("s", "a.json", b""))


@pytest.fixture(scope="module")
def reader():
    with Reader(workers=1, seconds=20) as reader:
        yield reader


@given(mutation=MUTATION)
@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_damaged_pdfs(reader, mutation):
    """In a worker: a library in C may end its process, and that has a name, too."""
    ((_, end),) = reader.read_all([Snapshot("s", "a.pdf", damaged(a_pdf(), mutation))])
    assert isinstance(end, Report | ReadError)


@pytest.mark.parametrize(
    "body",
    [
        b"%PDF-1.7\n" + b"1 0 obj<</Kids[1 0 R]>>endobj\n" * 1000,
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[2 0 R]/Count"
        b" 99999999>>endobj trailer<</Root 1 0 R>>",
        b"%PDF-1.4\n" + b"[" * 100_000,
        b"%PDF-1.4\n" + b"<<" * 100_000,
    ],
)
def test_pdfs_that_go_in_circles(reader, body):
    ((_, end),) = reader.read_all([Snapshot("s", "a.pdf", body)])
    assert isinstance(end, ReadError)


def test_a_pdf_page_of_many_lines_is_read_in_time(reader):
    """A diagram with thousands of strokes is no table and costs no time."""
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=8)
    pdf.cell(0, 10, "Silver Raven used T1102")
    for n in range(4000):
        pdf.line(10 + n % 180, 20, 10 + n % 180, 280)
        pdf.line(10, 20 + n % 250, 200, 20 + n % 250)
    ((_, end),) = reader.read_all([Snapshot("s", "a.pdf", bytes(pdf.output()))])
    assert isinstance(end, Report)
    assert "T1102" in end.text


def nested_docx(depth):
    start, stop = "<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>"
    xml = (
        '<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/'
        'wordprocessingml/2006/main"><w:body>'
        + start * depth + "<w:p><w:r><w:t>deep</w:t></w:r></w:p>" + stop * depth
        + "</w:body></w:document>"
    )  # fmt: skip
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(SEEDS["a.docx"])) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, xml if name == "word/document.xml" else old.read(name))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.docx", nested_docx(60)),
        ("a.docx", nested_docx(5000)),
        ("a.json", b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
        ("a.json", b"[" * 900 + b"]" * 900),
        ("a.json", b'[{"actor": ' + b'{"a": ' * 400 + b"1" + b"}" * 400 + b', "id": "T1102"}]'),
        ("a.yaml", b"a:\n" + b"".join(b" " * n + b"- a:\n" for n in range(1, 900))),
        ("a.csv", b'"' * 100_000),
        ("a.csv", b"," * 200_000),
        ("a.csv", (b"," * 2000 + b"\n") * 100),
        ("a.eml", b"Subject: x\nFrom: a@b.example\nMIME-Version: 1.0\n"
         + b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(300))),
        ("a.eml", b"Subject: " + b"=?utf-8?q?x?= " * 20_000 + b"\nFrom: a@b.example\n\nT1102"),
        ("a.eml", b"From: " + b"(" * 50_000 + b"\nSubject: x\n\nT1102"),
    ],
)  # fmt: skip
def test_nesting_and_repetition_end_in_time(reader, name, body):
    ((_, end),) = reader.read_all([Snapshot("s", name, body)])
    assert isinstance(end, Report | ReadError)
    assert "took longer" not in str(getattr(end, "message", ""))
