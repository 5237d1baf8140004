"""Attributions that a sentence makes, denies or leaves open: a campaign or tool to an actor."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Final

from ctimine.attack import fold
from ctimine.extract.about import About, Subject, within
from ctimine.extract.agents import Thing
from ctimine.extract.caseless import caseless
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
_THIS: Final = (
    r"\b(?:this|these|our|all (?:of )?(?:this|these|the)|the(?= (?:(?:observed|described|recent|"
    r"current|new|above|whole|entire|present|malicious|phishing|analy[sz]ed|latest|underlying) )?"
    r"(?:attack|campaign|activit|intrusion|operation|incident|compromise|breach)))"
    r" (?:[\w-]+ ){0,3}?(?:attacks?|campaigns?|activit(?:y|ies)|intrusions?|operations?|incidents?|"
    r"compromises?|breach(?:es)?|clusters?|threats?|e-?mails?|samples?|documents?|infrastructure|"
    r"malware|toolset|findings?)\b"
)
_GRADE: Final = (
    r"(?:low|medium|moderate|some|limited)(?:[- ](?:to[- ])?(?:low|medium|moderate|high))?"
    r"(?: (?:level|degree) of)?[- ]confidence"
)
_UNSURE: Final = re.compile(
    rf"\b(?:{_GRADE}|confidence\W{{1,3}}(?:\w+ ){{0,2}}?(?:low|medium|moderate)|tentative(?:ly)?|"
    r"likely|probabl[ey]|possibl[ey]|alleged\w*|suspect\w*|presum\w+|loosely|"
    r"(?:may|might|could) (?:be|have)|appears? to|seems? to|(?:we|researchers|analysts|\w+) "
    r"(?:believes?|suspects?|assess(?:es)?|judges?))\b",
    re.IGNORECASE,
)
_SURE: Final = re.compile(
    r"\b(?:high(?:[- ](?:degree|level) of)?[- ]confidence|confirmed|certainly|definitively|"
    r"without (?:a )?doubt)\b",
    re.IGNORECASE,
)
_WHOSE: Final = re.compile(
    rf"\b(?:attribut|ascrib|link|tie|connect|assign)\w*[^.;]{{0,40}}?{_THIS}[^.;]{{0,80}}? "
    rf"(?:to|with) [^.;,]{{0,60}}$"
    rf"|{_THIS}[^.;]{{0,80}}?\b(?:attribut|ascrib|link|tied|connect|associat)\w*[^.;]{{0,60}}? "
    rf"(?:to|with) [^.;,]{{0,60}}$"
    rf"|{_THIS}[^.;]{{0,60}}?\b(?:work|product|doing|operation|campaign) of [^.;,]{{0,40}}$"
    rf"|{_THIS}[^.;]{{0,60}}?\b(?:conducted|carried out|operated|launched|perpetrated|orchestrated|"
    rf"performed|run|executed) by [^.;,]{{0,40}}$"
    rf"|{_THIS}[^.;]{{0,90}}?\b(?:suspected|believed|thought|assessed|judged|presumed) to be "
    rf"[^.;,]{{0,30}}$",
    re.IGNORECASE,
)
"""What stands before an actor to whom a sentence gives what its report tells."""
_WHOSE_AFTER: Final = re.compile(
    rf"[^.;,]{{0,50}}?\b(?:is|was|are|were|be|been|being)\b[^.;,]{{0,30}}? "
    rf"(?:behind|responsible for) [^.;]{{0,30}}?{_THIS}",
    re.IGNORECASE,
)
_HEDGE: Final = (
    r"(?:alleged(?:ly)?|suspected|possib(?:ly|le)|probab(?:ly|le)|likely|presum(?:ably|ed)|"
    r"potential(?:ly)?|tentative(?:ly)?|purported(?:ly)?|supposed(?:ly)?|might|could|may)"
)
_NEW_STORY: Final = re.compile(
    r"^\W*(?:(?:in|on|during|since|by) [^,;]{3,40}, )?an? (?:[\w-]+ ){0,3}?(?:attack|campaign|"
    r"intrusion|operation|incident|compromise|breach|wave|activity)\b[^.;]{0,60}?"
    rf"\b{_HEDGE} (?:be |been |have been )?(?:(?:attributed|ascribed|linked|tied|connected)"
    r"(?: \w+)? (?:to|with)|(?:conducted|carried out|operated|launched|perpetrated|orchestrated|"
    r"run|executed) by|(?:the )?(?:work|doing) of) [^.;,]{0,40}$",
    re.IGNORECASE,
)
"""A sentence that begins a story and is not sure whose doing it is."""
_HEDGED_TITLE: Final = re.compile(
    rf"\b{_HEDGE} (?:be |have |well |been )?(?:link|tie|connect|associate|attribut|belong|relat|"
    r"behind|responsible|point|implicate|(?:the )?(?:work|doing) of\b)"
    r"|\b(?:is|are|was|were)\b.*\b(?:behind|responsible|the work of)\b.*\?"
    r"|\b(?:suggest|hint|indicat)\w*\b.*\b(?:behind|responsible|the work of|link|connection|ties)",
    re.IGNORECASE,
)
"""A title that is not sure whose doing its story is."""
_LEFT_OPEN: Final = re.compile(
    r"\b(?:not|n['’]t|insufficient|lack\w*) (?:\w+ ){0,2}?(?:enough )?(?:information|evidence|data|"
    r"visibility) to (?:be able to )?(?:\w+ly )?(?:say|attribute|link|tie|conclude|determine)\b"
    r"[^.;]{0,60}\b(?:groups?|actors?|attribut\w+|adversar(?:y|ies)|operators?)\b"
    r"|\battribution (?:(?:of|for) (?:[\w'’-]+ ){1,4}?)?(?:is|remains|was|stays) "
    r"(?!(?:always|often|usually|generally|inherently|notoriously)\b)(?:\w+ ){0,2}?"
    r"(?:not (?:concrete|certain|clear|firm|possible|conclusive)|unclear|uncertain|inconclusive|"
    r"tentative|open|difficult|contested|disputed|debated|unconfirmed)\b"
    rf"|\b(?:can ?not|could not|unable to) (?:\w+ly )?(?:attribute|link|tie) {_THIS}",
    re.IGNORECASE,
)
_OF_ALL: Final = re.compile(
    r"\b(?:summary|overview|introduction|attribution|conclusions?|key (?:findings|takeaways|points|"
    r"judg\w+)|who is|assessment|background|actors?|confidence|tl;?dr|abstract)\b",
    re.IGNORECASE,
)
"""Headings under which a sentence speaks for its whole report."""
_MAY_RESERVE: Final = caseless(
    r"\b(?:attribut|ascrib|confidence|behind\b|responsible for|(?:work|product|doing) of\b|"
    r"(?:link|tied|connected|associated)\w* (?:\w+ ){0,3}?(?:to|with)\b|"
    r"(?:conducted|carried out|operated|launched|perpetrated|orchestrated|performed|run|"
    r"executed) by\b|(?:suspected|believed|thought|assessed|judged|presumed) to be\b|"
    r"(?:information|evidence|data|visibility) to\b)",
)
_NO_STATEMENT: Final = frozenset({"code", "reference", "table_cell"})


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


def find_reserves(about: About) -> Iterator[tuple[Thing | None, int]]:
    """Where a report says that it is not sure whose doing its story is.

    Each as (its own actor where the sentence names it, the heading under which that holds, -1 for
    the whole report). Nothing of what another sentence is sure.
    """
    if about.main is None:
        return
    found: list[tuple[Thing | None, int]] = []
    sure: set[int] = set()
    if _HEDGED_TITLE.search(about.title):
        found.append((None, -1))
    layout = about.layout
    seen: set[tuple[int, int]] = set()
    for match in _MAY_RESERVE.finditer(layout.folded):
        start, end = layout.sentence_at(match.start())
        index = layout.block_at(start)
        if (start, end) in seen or index < 0 or layout.blocks[index].kind in _NO_STATEMENT:
            continue
        seen.add((start, end))
        sentence = about.text[start:end]
        actor = _given_to(about, start, end)
        if actor is not None and _SURE.search(sentence):
            sure.add(_reach(about, index))
        elif (actor is not None and _UNSURE.search(sentence)) or _LEFT_OPEN.search(sentence):
            found.append((actor, _reach(about, index)))
        elif _opens(about, index, start) and (told := _begun_by(about, start, end)) is not None:
            found.append((told, _reach(about, index)))
    yield from (reserve for reserve in found if reserve[1] not in sure)


def _given_to(about: About, start: int, end: int) -> Thing | None:
    """The report's own actor where the sentence gives the report's story to it."""
    for actor in within(about.actors, start, end):
        if about.is_main(actor) and (
            _WHOSE.search(about.text, start, actor.start)
            or _WHOSE_AFTER.match(about.text, actor.end, end)
        ):
            return actor
    return None


def _begun_by(about: About, start: int, end: int) -> Thing | None:
    """The report's own actor where a sentence begins a story that may be its doing."""
    for actor in within(about.actors, start, end):
        if about.is_main(actor) and _NEW_STORY.search(about.text[start : actor.start]):
            return actor
    return None


def _opens(about: About, index: int, start: int) -> bool:
    """Whether a sentence is the first of its section, or of what a line with a colon announces."""
    layout = about.layout
    if layout.blocks[index].start != start:
        return False
    before = layout.blocks[index - 1] if index else None
    return (
        before is None
        or before.kind == "heading"
        or about.text[before.start : before.end].rstrip("*_ ").endswith(":")
    )


def _reach(about: About, index: int) -> int:
    """The heading for whose section a sentence speaks, -1 for the whole report."""
    layout = about.layout
    above = [heading for heading in layout.above[index] if not about.is_title(heading)]
    if not above or layout.blocks[index].start < about.lead_end:
        return -1
    return -1 if _OF_ALL.search(layout.words(above[-1])) else above[-1]
