"""Invented names in the styles of those that vendors give: for training on names nobody knows."""

from __future__ import annotations

import random
from typing import Final

_ONSETS: Final = """
b br c ch cl cr d dr f fl g gl gr h j k kr l m n p pr qu r s sh sk st t th tr v vel w x y z
""".split()  # noqa: SIM905
_VOWELS: Final = "a e i o u a e o ai ea io ou y".split()  # noqa: SIM905
_CODAS: Final = """
b ck d g k l ll m n nd ng nt r rk rn rt s sh sk st t th x z
""".split()  # noqa: SIM905
_FIRSTS: Final = """
Amber Ashen Arctic Azure Black Blind Bronze Broken Burning Carmine Cobalt Cold Copper Coral Crimson
Crystal Cyber Dark Deep Dire Double Dusty Ember Fancy Feral Frost Frozen Ghost Gilded Glass Golden
Granite Green Grey Hidden Hollow Iron Ivory Jade Jagged Lazy Lone Lost Lunar Mad Midnight Mute
Mystic Night Noble Obsidian Ochre Onyx Opal Pale Patient Phantom Polar Quiet Rabid Rapid Raven Red
Restless Rogue Royal Ruby Rusty Sable Salt Scarlet Secret Shadow Sharp Silent Silver Sleepy Slow
Solar Static Steel Stone Storm Sullen Sunken Swift Tangled Tarnished Tin Toxic Twin Ugly Umber
Vagrant Veiled Velvet Vicious Violet Wandering Water White Wicked Wild Winter Wired Yellow
""".split()  # noqa: SIM905
_BEASTS: Final = """
Adder Antlion Ape Badger Basilisk Bat Beetle Bison Boar Buzzard Caiman Cat Chimera Cobra Condor
Coyote Crane Cricket Crow Dingo Djinn Dragon Eagle Eel Falcon Ferret Finch Fox Gecko Goblin
Griffin Gull Hare Hawk Heron Hornet Hound Hyena Ibis Imp Jackdaw Kestrel Kraken Lamprey Lizard
Locust Lynx Magpie Manta Marten Mole Moth Newt Ogre Orca Osprey Otter Owl Panther Parrot Phoenix
Pike Python Rabbit Raptor Rat Raven Rook Salamander Scorpion Shark Shrew Sparrow Sphinx Squid
Stallion Stork Tapir Termite Toad Troll Viper Vulture Walrus Wasp Weasel Wolf Wraith Wyrm
""".split()  # noqa: SIM905
_THINGS: Final = """
Anvil Arrow Axe Banner Beacon Blade Bolt Bridge Candle Chain Claw Cloak Clock Coin Comet Crown Cup
Dagger Dice Door Drum Eclipse Ember Fang Feather Fist Flame Flask Forge Gate Gear Hammer Hand
Harbor Hook Horn Kettle Key Knife Knot Ladder Lamp Lance Lantern Ledger Lens Lock Loom Mask Maze
Mirror Mist Needle Nest Oath Panel Patch Pillar Plague Puzzle Quill Rain Rope Saddle Sail Scythe
Seal Shade Shell Sickle Signal Siren Skull Spark Spear Spike Spindle Spire Spoon Star Storm Sword
Thorn Thread Throne Tide Torch Tower Veil Vault Wheel Whip Whisper Wind Wire
""".split()  # noqa: SIM905
_GANG: Final = """
Group Team Gang Collective Crew Hackers Spider Panda Kitten Bear Army Brothers
""".split()  # noqa: SIM905
_ENDS: Final = """
RAT Loader Stealer Bot Locker Lock Crypt Door Shell Drop Dropper Spy Miner Wiper Backdoor Agent
Grabber Kit Worm Snatch Log Clip Hook Inject Proxy Tunnel Stager Pack
""".split()  # noqa: SIM905
_TOOL_ENDS: Final = """
Scan Dump Exec Proxy Tunnel Kit Map Hound Spray Crack View Shell Probe Hunter
""".split()  # noqa: SIM905
_FIRMS: Final = """
Labs Security Cyber Networks Systems Technologies Intelligence Research Bank Energy Software Telecom
""".split()  # noqa: SIM905


class Coiner:
    """Draws names that no list has, the same for the same seed.

    >>> coiner = Coiner(random.Random(1))
    >>> all(coiner.actor() and coiner.malware() and coiner.firm() for _ in range(50))
    True
    """

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw

    def actor(self) -> str:
        """A name of an actor."""
        pick, style = self.draw.choice, self.draw.random()
        if style < 0.22:
            return self._cased(f"{pick(_FIRSTS)} {pick((*_BEASTS, *_THINGS))}")
        if style < 0.47:
            return self._compound()
        if style < 0.65:
            return self._cased(self._word())
        if style < 0.72:
            return f"{self._word()} {pick(_GANG)}"
        if style < 0.78:
            return f"{self._word()} {self._word()}"
        if style < 0.82:
            return f"The {pick(_FIRSTS)} {pick(_THINGS)}s"
        if style < 0.92:
            return self._numbered()
        if style < 0.97:
            return pick((*_BEASTS, *_THINGS, *_FIRSTS))
        return "".join(self.draw.choices("ABCDEFGHIKLMNOPRSTVWX", k=self.draw.randint(2, 4)))

    def malware(self) -> str:
        """A name of malware."""
        pick, style = self.draw.choice, self.draw.random()
        if style < 0.2:
            return self._word() + pick(_ENDS)
        if style < 0.35:
            return pick((*_FIRSTS, *_THINGS)) + pick(_ENDS)
        if style < 0.55:
            return self._compound()
        if style < 0.75:
            return self._cased(self._word())
        if style < 0.83:
            return f"{self._word()} {pick(_ENDS)}"
        if style < 0.9:
            return pick((*_THINGS, *_FIRSTS, *_BEASTS)).upper() + pick(_THINGS).upper()
        if style < 0.95:
            return pick((*_BEASTS, *_THINGS))
        return f"{self._word()}{self.draw.randint(1, 99)}"

    def tool(self) -> str:
        """A name of a tool."""
        pick, style = self.draw.choice, self.draw.random()
        if style < 0.5:
            return self._word() + pick(_TOOL_ENDS)
        if style < 0.7:
            return pick(_FIRSTS) + pick(_TOOL_ENDS)
        return self._cased(self._word())

    def firm(self) -> str:
        """A name of a firm, an office or a product: what is no intruder."""
        pick, style = self.draw.choice, self.draw.random()
        if style < 0.35:
            return f"{self._word()} {pick(_FIRMS)}"
        if style < 0.55:
            return self._word() + pick(("", "Labs", "Soft", "Net", "Sec", "Eye", "Ware"))
        if style < 0.7:
            return pick(_FIRSTS) + pick(_THINGS)
        if style < 0.85:
            return self._word()
        if style < 0.93:
            return "".join(self.draw.choices("ABCDEFGHIKLMNOPRSTVWX", k=self.draw.randint(2, 4)))
        return f"{self._word()} {self._word()}"

    def person(self) -> str:
        """A name of a person."""
        return f"{self._word()} {self._word()}"

    def _word(self) -> str:
        """Two or three syllables that mean nothing."""
        pick = self.draw.choice
        parts = [pick(_ONSETS) + pick(_VOWELS) for _ in range(self.draw.choice((1, 1, 2)))]
        return ("".join(parts) + pick(_ONSETS) + pick(_VOWELS) + pick(_CODAS)).capitalize()

    def _compound(self) -> str:
        first = self.draw.choice((*_FIRSTS, *_THINGS, self._word()))
        return first + self.draw.choice((*_BEASTS, *_THINGS, self._word()))

    def _numbered(self) -> str:
        letters = "".join(self.draw.choices("ABCDEFGHIKLMNOPRSTUVWX", k=self.draw.randint(2, 4)))
        mark = self.draw.choice(("", "-", "-", " "))
        return letters + mark + str(self.draw.randint(1, 9999))

    def _cased(self, name: str) -> str:
        return name.upper() if self.draw.random() < 0.25 else name
