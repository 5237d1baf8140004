"""One graph that has everything a bundle can hold, small enough to see through."""

from __future__ import annotations

import graph_world as make

from ctimine.attack import load_attack
from ctimine.graph import build_graph

ATTACK = load_attack()


def results():
    """Three reports: dated with an address, dated without, undated and marked."""
    first = make.report(
        "first",
        "MuddyWater used Telegram for its command channel. MuddyWater ran PsExec. MuddyWater used "
        "CVE-2020-0688 to get in. InvisiMole talks over T1102.002. Turla likely used T1102.",
        title="Notes on MuddyWater",
        publisher="Vendor One",
        published="2022-02-24",
        url="https://one.example/notes",
    )
    second = make.report(
        "second",
        "Silver Raven uses T1102. MuddyWater read orders from GitHub, T1102.002. Silver Raven is "
        "also known as Storm-9931. MuddyWater did not use T1102.003.",
        title="Notes on MuddyWater",
        publisher="Vendor Two",
        published="2023-05-01T10:30:00Z",
        labels=("ctimine-sample",),
    )
    third = make.report(
        "third",
        "Silver Raven used T1059.001. T1566.001 was seen.",
        published="",
        title="An undated page",
        labels=("ctimine-sample",),
    )
    raven = {"subject_name": "Silver Raven"}
    return [
        (
            first,
            (),
            (
                make.claim(first, "MuddyWater used Telegram for its command channel.", "G0069",
                           "uses", "T1102.002", basis="behaviour", score=0.8, via="telegram"),
                make.claim(first, "MuddyWater ran PsExec.", "G0069", "uses", "S0029",
                           basis="name"),
                make.claim(first, "MuddyWater used CVE-2020-0688 to get in.", "G0069", "exploits",
                           "CVE-2020-0688"),
                make.claim(first, "InvisiMole talks over T1102.002.", "S0260", "uses",
                           "T1102.002"),
                make.claim(first, "Turla likely used T1102.", "G0010", "uses", "T1102",
                           stance="assessed"),
            ),
        ),
        (
            second,
            (),
            (
                make.claim(second, "Silver Raven uses T1102.", "name:silverraven", "uses",
                           "T1102", **raven),
                make.claim(second, "MuddyWater read orders from GitHub, T1102.002.", "G0069",
                           "uses", "T1102.002", via="github"),
                make.claim(second, "Silver Raven is also known as Storm-9931.",
                           "name:silverraven", "alias-of", "name:storm9931",
                           object_name="Storm-9931", **raven),
                make.claim(second, "MuddyWater did not use T1102.003.", "G0069", "uses",
                           "T1102.003", stance="negated"),
            ),
        ),
        (
            third,
            (make.mention(third, "T1566.001", "technique", "T1566.001"),),
            (
                make.claim(third, "Silver Raven used T1059.001.", "name:silverraven", "uses",
                           "T1059.001", **raven),
            ),
        ),
    ]  # fmt: skip


def graph(*, cited=True, extra=()):
    return build_graph([*results(), *extra], ATTACK, cited=cited)


def objects(bundle, kind):
    return [part for part in bundle.objects if part.type == kind]


def named(bundle, kind, name):
    (found,) = [part for part in objects(bundle, kind) if part.name == name]
    return found


def edge(bundle, source, target):
    """The relationship between two named objects."""
    names = {part.id: part.name for part in bundle.objects if "name" in part}
    (found,) = [
        part
        for part in objects(bundle, "relationship")
        if (names[part.source_ref], names[part.target_ref]) == (source, target)
    ]
    return found
