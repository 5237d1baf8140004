"""Trains the model of abused web services and writes ``extract/models/services.tsv``.

    python scripts/train_services.py DATA [--leave-out unopened,unopened_2] [--out FILE]
    python scripts/train_services.py DATA --folds 5

DATA is the folder of the annotated sets (``procedures.jsonl.gz``, ``annoctr_train.jsonl``,
``annoctr_ext.jsonl``, ``tram_docs.jsonl``). Trained from: the sentences of ``corpora/services``
that were opened (``development`` and those named ``unopened``) or written for training
(``training``), ATT&CK's procedure examples that name a service, and verdicts of ours on sentences
of AnnoCTR's training split and extra reports and of TRAM (``prose.jsonl``: offsets and a technique,
no text). ``--leave-out`` names writers that are not trained on; with it, the sentences of these are
scored, out of sample, and the model goes nowhere unless ``--out`` is given. ``--folds`` judges each
of ATT&CK's own rows of T1102 and its sub-techniques by a model that did not see it. Same input,
same bytes.
"""

from __future__ import annotations

import argparse
import collections
import functools
import gzip
import json
import random
import re
import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from ctimine.extract import service_model
from ctimine.extract.service_model import LENGTH, ROLES, features, read_weights
from ctimine.extract.service_names import services_in
from ctimine.extract.services import judge_sentence, kinds_of, links_in_a_mail

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).resolve().parents[1]
SETS = HERE / "corpora" / "services"
MODEL = HERE / "src" / "ctimine" / "extract" / "models" / "services.tsv"
SEEN_IN = 3
"""Sentences that a feature must occur in: what a single one holds could give it away."""
KEPT = 9000
STRENGTH = 1.0
"""Inverse of the regularisation; chosen on writers that were left out."""
_ROLE = {
    "": "",
    "T1102": "hosting",
    "T1566.003": "phishing",
    "T1583.006": "acquired",
    "T1566.002": "link",
} | {
    f"{parent}.00{n + 1}": role for parent in ("T1102", "T1481") for n, role in enumerate(ROLES[:3])
}
_NO_ABUSE = re.compile(
    r"T1(?:213|530|409|036|552|555|593|190|539|528|588\.00[26]|005|589|591|586|655|533|513|119|114|"
    r"110|497|016)"
)


class Example(NamedTuple):
    """A sentence, who wrote it, and its role ("" for none)."""

    writer: str
    text: str
    role: str


def role_of(technique: str) -> str:
    """The role that a technique stands for."""
    if technique.startswith("T1567"):
        return "exfiltration"
    return _ROLE.get(technique, "hosting")


def examples(data: Path) -> list[Example]:
    """All sentences of the training, each once, in a fixed order."""
    found = {e.text: _by_its_way(e) for e in (*_foreign(data), *_ours())}
    return list(found.values())


def _by_its_way(example: Example) -> Example:
    """What a mail links to has a role of its own, though older rows call it hosting."""
    is_link = example.role == "hosting" and links_in_a_mail(example.text)
    return example._replace(role="link") if is_link else example


def _ours() -> Iterator[Example]:
    for name in ("training", *(f"unopened_{n}" for n in (5, 4, 3, 2)), "unopened", "development"):
        for line in (SETS / f"{name}.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            yield Example(row.get("writer", name), row["text"], role_of(row["technique"]))


def _foreign(data: Path) -> Iterator[Example]:
    texts = {}
    for name in ("annoctr_train", "annoctr_ext", "tram_docs"):
        for line in (data / f"{name}.jsonl").read_text("utf-8").split("\n")[:-1]:
            row = json.loads(line)
            texts[name, row["id"]] = row["text"]
    for line in (SETS / "prose.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        text = texts[row["set"], row["id"]][row["start"] : row["end"]]
        yield Example("prose", text, role_of(row["technique"]))
    with gzip.open(data / "procedures.jsonl.gz", "rt", encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            yield from _procedure(row)


def _procedure(row: dict[str, Any]) -> Iterator[Example]:
    names = bool(services_in(row["text"]))
    told = [t for t in row["techniques"] if t.startswith(("T1102", "T1567", "T1566.003", "T1481"))]
    if told and (names or told[0].startswith("T1102")):
        yield Example("attack", row["text"], role_of(told[0]))
    elif names and {"T1105", "T1608.001"} & set(row["techniques"]):
        yield Example("attack", row["text"], "hosting")
    elif names and not told and all(_NO_ABUSE.match(t) for t in row["techniques"]):
        yield Example("attack", row["text"], "")


class Matrix:
    """Sentences as rows of features that enough of them share."""

    def __init__(self, rows: Sequence[set[str]], *, names: Sequence[str] = ()) -> None:
        """Count the features, or keep those that are given."""
        if not names:
            seen = collections.Counter(one for row in rows for one in row)
            names = sorted(one for one, count in seen.items() if count >= SEEN_IN)
        self.names = list(names)
        self._at = {name: n for n, name in enumerate(self.names)}

    def of(self, rows: Sequence[set[str]]) -> sparse.csr_matrix:
        """The rows, each scaled to the same length."""
        lines, columns = [], []
        for n, row in enumerate(rows):
            known = sorted(self._at[one] for one in row if one in self._at)
            lines += [n] * len(known)
            columns += known
        shape = (len(rows), len(self.names))
        ones = sparse.csr_matrix((np.ones(len(lines)), (lines, columns)), shape=shape)
        length = np.sqrt(np.asarray(ones.sum(axis=1)).ravel())
        return (sparse.diags(LENGTH / np.maximum(length, 1.0)) @ ones).tocsr()


def train(chosen: Sequence[Example]) -> list[str]:
    """The lines of the model's file."""
    rows = [features(e.text, kinds_of(e.text)) for e in chosen]
    abuse = np.array([bool(e.role) for e in chosen])
    matrix = Matrix(rows)
    for _ in range(2):  # the features that matter, then their weights alone
        table = matrix.of(rows)
        gate = LogisticRegression(C=STRENGTH, solver="liblinear", max_iter=500)
        gate.fit(table, abuse)
        which = []
        for role in ROLES:
            one = LogisticRegression(C=STRENGTH, solver="liblinear", max_iter=500)
            wanted = np.array([e.role == role for e in chosen])[abuse]
            one.fit(table[abuse], wanted)
            which.append(one)
        models = [gate, *which]
        values = np.vstack([model.coef_[0] for model in models])
        strength = np.abs(values[0]) + np.abs(values[1:]).max(axis=0) * 0.7
        best = sorted(np.argsort(-strength, kind="stable")[:KEPT])
        lines = [
            "\t".join([name, *(str(round(1000 * float(v))) for v in values[:, n])])
            for n, name in enumerate(matrix.names)
        ]
        starts = [str(round(1000 * float(model.intercept_[0]))) for model in models]
        matrix = Matrix(rows, names=[matrix.names[n] for n in best])
    return [
        "# Written by scripts/train_services.py; licence: see LICENSE beside this file.",
        "# feature, then its weight in thousandths: abuse, " + ", ".join(ROLES),
        "\t".join(["(start)", *starts]),
        *lines,
    ]


def folded(data: Path, every: Sequence[Example], folds: int) -> float:
    """The share of ATT&CK's rows of T1102 whose technique models that saw none of them find."""
    with gzip.open(data / "procedures.jsonl.gz", "rt", encoding="utf-8") as rows:
        wanted = {row["text"]: set(row["techniques"]) for row in map(json.loads, rows)}
    texts = sorted(e.text for e in every if e.writer == "attack")
    random.Random(1).shuffle(texts)  # noqa: S311
    right = total = 0
    for fold in range(folds):
        held = set(texts[fold::folds])
        _use(train([e for e in every if e.text not in held]))
        for text in sorted(held):
            if any(t.startswith("T1102") for t in wanted[text]):
                judged = judge_sentence(text)
                total += 1
                right += judged is not None and judged[0].technique in wanted[text]
    print(f"{total} rows of ATT&CK, {folds} folds: {right / total:.3f} right")
    return right / total


def _use(lines: Sequence[str]) -> None:
    service_model.weights = functools.cache(lambda: read_weights("\n".join(lines)))


def scores_of(lines: Sequence[str], writers: set[str], every: Sequence[Example]) -> None:
    """Print how sentences of writers who were left out are judged with these weights."""
    _use(lines)
    score = runpy.run_path(str(HERE / "scripts" / "score_services.py"))["score"]
    technique = {role: t for t, role in _ROLE.items() if not t.startswith("T1481")}
    technique["exfiltration"] = "T1567"
    for writer in sorted(writers):
        rows = [
            json.dumps({"text": e.text, "technique": technique[e.role], "services": [""]})
            for e in every
            if e.writer == writer
        ]
        found = score(rows)
        print(f"{writer:<12} {len(rows)}", *(f"{k} {v:.3f}" for k, v in list(found.items())[:-1]))


def main() -> None:
    """Train, or train without some writers and print what is found of their sentences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--leave-out", default="")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--folds", type=int, default=0)
    arguments = parser.parse_args()
    left = {name for name in arguments.leave_out.split(",") if name}
    every = examples(arguments.data)
    if left - {e.writer for e in every}:
        parser.error(f"no such writer: {', '.join(sorted(left - {e.writer for e in every}))}")
    if arguments.folds:
        folded(arguments.data, every, arguments.folds)
        return
    chosen = [e for e in every if e.writer not in left]
    lines = train(chosen)
    print(f"{len(chosen)} sentences")
    if left:
        scores_of(lines, left, every)
    out = arguments.out or (None if left else MODEL)
    if out:
        out.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
