"""Attributions that a sentence makes or denies: a campaign or tool to an actor, or not to it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Final

from ctimine.attack import fold
from ctimine.extract.about import About, Subject, within
from ctimine.extract.agents import Thing
from ctimine.model import UNSEEN, Relation

_NOT_ATTRIBUTED: Final = re.compile(
    r"\b(?:(?:incorrectly|wrongly|falsely|mistakenly|erroneously|prematurely|"
    r"inaccurately) (?:been )?"
    r"(?:attributed|linked|ascribed|tied|assigned|connected|associated|"
    r"blamed)(?: \w+){0,3}? (?:to|with|on)|"
    r"mis-?attributed(?: \w+){0,3}? to|"
    r"(?:not|cannot|never|unable to|declines? to|declined to) (?:\w+ ){0,2}?(?:attribut\w+|"
    r"ascrib\w+|"
    r"link(?:ed)?|tie[ds]?|assign(?:ed)?)\b[^;.]{0,60}? (?:to|with)|"
    r"not (?:the work of|attributable to|conducted by|carried out by|perpetrated by)|"
    r"no (?:\w+ )?evidence (?:that )?(?:links?|linking|ties|tying|connects?|connecting|"
    r"to attribute|to link)\b"
    r"[^;.]{0,60}? (?:to|with))\s+(?:the )?[*_`“\"]*$",
    re.IGNORECASE,
)

_ATTRIBUTION_WRONG: Final = re.compile(
    r"^[*_`”\"’s]*\s*(?:attribution )?(?:is|was|has been|were) (?:\w+ ){0,2}?(?:incorrect|wrong|"
    r"false|"
    r"withdrawn|retracted|unsupported|unfounded|disproved|debunked)\b",
    re.IGNORECASE,
)

_ATTRIBUTES: Final = re.compile(
    r"\b(?:attribut(?:es|ed|ing)|ascrib(?:es|ed)|link(?:s|ed)) (?:the |this |"
    r"an? )?(?:[\w-]+ ){0,3}[*_`“\"]*$",
    re.IGNORECASE,
)
_TO_ACTOR: Final = re.compile(
    r"[*_`”\"]*(?: (?:malware|wiper|backdoor|campaign|activity|ransomware|attack|\w+))?"
    r"(?: with (?:\w+[ -]){1,3}confidence)? to (?:the )?[*_`“\"]*",
    re.IGNORECASE,
)
_IS_ATTRIBUTED: Final = re.compile(
    r"[^;.]{0,60}?\b(?:is|was|were|are|been|being|and|,)? ?(?:\w+ly )?(?:attributed|ascribed)"
    r"(?: \w+){0,4}? to (?:the )?[*_`“\"]*"
    r"|[^.]{0,90}; attributed to (?:the )?[*_`“\"]*",
    re.IGNORECASE,
)
_WRONG_BEFORE: Final = re.compile(r"\battribution (?:of [^,;]{3,60} )?to (?:the )?$", re.IGNORECASE)
_WRONG_AFTER: Final = re.compile(
    r"[*_`]*\s*attribution (?:is|was|has been) (?:\w+ ){0,2}?(?:incorrect|wrong|false|"
    r"unsupported|withdrawn|retracted)",
    re.IGNORECASE,
)
_NOUN: Final = re.compile(
    r"\b(?:the|this|that|these|those|an?) ((?:[\w-]+ ){0,2}?(?:intrusions?|attacks?|campaigns?|"
    r"activity|operations?|incidents?|breach(?:es)?|wiper|malware|ransomware|leak|compromise|hack|"
    r"cluster|backdoor|implant|toolset|infrastructure))\b",
    re.IGNORECASE,
)


def find_attributions(
    about: About, index: int, start: int, end: int
) -> Iterator[tuple[Subject, Relation, Thing]]:
    """Attributions of one sentence (offsets in the report; ``index`` is its block).

    A tool that is attributed to an actor is one that the actor uses.
    """
    text = about.text
    for actor in within(about.actors, start, end):
        if actor.kind != "actor":
            continue
        head, tail = text[start : actor.start], text[actor.end : end]
        if (
            _NOT_ATTRIBUTED.search(head)
            or (_WRONG_BEFORE.search(head) and _ATTRIBUTION_WRONG.match(tail))
            or _WRONG_AFTER.match(tail)
        ):
            yield (
                Subject(_what(about, index, start, actor), "not-attributed-statement"),
                "not-attributed-to",
                dataclasses.replace(actor, stance="reported", score=1.0),
            )
        elif actor.stance not in {"negated", "reference"}:
            what = _attributed(about, start, actor)
            if what is None:
                continue
            if what.kind == "software":
                tool = dataclasses.replace(what, stance=actor.stance)
                yield Subject(actor, "attributed-statement"), "uses", tool
            elif what.kind == "campaign":
                yield Subject(what, "attributed-statement"), "attributed-to", actor


def _attributed(about: About, start: int, actor: Thing) -> Thing | None:
    """The tool or campaign that the words right ahead of an actor attribute to it."""
    ahead = [
        t
        for t in within(about.things, start, actor.start)
        if about.cluster(t) != about.cluster(actor)
    ]
    if not ahead:
        return None
    what = ahead[-1]
    between = about.text[what.end : actor.start]
    before = about.text[start : what.start]
    if _TO_ACTOR.fullmatch(between) and _ATTRIBUTES.search(before):
        return what  # "attributes X to A"
    return what if _IS_ATTRIBUTED.fullmatch(between) else None  # "X, … attributed to A"


def _what(about: About, index: int, start: int, actor: Thing) -> Thing:
    """What was not attributed: a named thing ahead, the report's actor, else its own words."""
    ahead = [
        t
        for t in within(about.things, start, actor.start)
        if about.cluster(t) != about.cluster(actor)
    ]
    if ahead:
        return ahead[-1]
    subject = about.subject_at(index)
    if subject and about.cluster(subject.thing) != about.cluster(actor):
        return subject.thing
    noun = _NOUN.search(about.text, start, actor.start)
    if noun:
        words = noun.group(1)
        return Thing(noun.start(1), noun.end(1), UNSEEN + fold(words), words, "campaign")
    return Thing(start, start, UNSEEN + "activity", "activity", "campaign")
