"""Reports and claims made by hand, small enough to see through."""

from __future__ import annotations

import dataclasses

from ctimine.model import Claim, Mention, Report, stable_id


def report(key, text="", **facts):
    """A report whose id comes from ``key``, as the reader would make it."""
    facts.setdefault("title", f"Report {key}")
    facts.setdefault("published", "2024-03-12")
    return Report(stable_id("report", key), "desk", f"{key}.md", text or f"Text of {key}.", **facts)


def claim(said_in, quote, subject, relation, target, **facts):
    """A claim whose quote is looked up in the report's text."""
    start = said_in.text.index(quote)
    facts = {"basis": "id", "score": 0.9, **facts}
    return Claim(said_in.id, start, start + len(quote), quote, subject, relation, target, **facts)


def mention(said_in, quote, kind, concept, basis="id", **facts):
    start = said_in.text.index(quote)
    return Mention(said_in.id, start, start + len(quote), quote, kind, concept, basis, **facts)


def uses(key, subject, technique, **facts):
    """A result: one report with one claim that the subject uses the technique."""
    of_report = {f.name for f in dataclasses.fields(Report)} & set(facts) - {"text"}
    text = f"{subject} used {technique} in case {key}."
    said_in = report(key, text, **{name: facts.pop(name) for name in of_report})
    return said_in, (), (claim(said_in, text, subject, "uses", technique, **facts),)
