"""The list of scenarios: `@scene("name")` before a function puts it there."""

from collections.abc import Callable
from dataclasses import dataclass

SCENES: dict[str, "Scene"] = {}


@dataclass
class Scene:
    """One scenario: what it is called, what it shows, and how."""

    name: str
    sentence: str
    play: Callable
    quick: bool


def scene(name: str, quick: bool = False) -> Callable:
    """Put a function that takes a Stage into the list; `quick` ones run in CI too."""

    def listed(play: Callable) -> Callable:
        SCENES[name] = Scene(name, play.__doc__.strip().splitlines()[0], play, quick)
        return play

    return listed
