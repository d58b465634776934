"""Runs scenarios of the kernel lab.

    lab.py --kit KIT --program TWOCAN --results FOLDER [--quick | NAME...]

Each is a function in scenes/ with a sentence as its docstring. The exit code is 0 when all passed.
"""

import argparse
import importlib
import signal
import sys
import time
import traceback
from pathlib import Path

from kiosk import Failed
from scene import SCENES, Scene
from stage import Stage, say

HERE = Path(__file__).parent


def chosen(names: list[str], quick: bool) -> list[Scene]:
    """The scenarios of these names; without a name all, or the quick ones."""
    for file in sorted((HERE / "scenes").glob("[a-z]*.py")):
        importlib.import_module(f"scenes.{file.stem}")
    unknown = [name for name in names if name not in SCENES]
    if unknown:
        known = "".join(f"  {scene.name:24} {scene.sentence}\n" for scene in SCENES.values())
        sys.exit(f"lab: there is no scenario {unknown[0]}; there are\n{known}")
    wanted = [SCENES[name] for name in names] or list(SCENES.values())
    return [scene for scene in wanted if scene.quick or not quick]


def passes(scene: Scene, options: argparse.Namespace) -> bool:
    """Run one, and tell how it went."""
    say(f"{scene.name}: {scene.sentence}")
    began = time.monotonic()
    stage = Stage(scene.name, options.results, options.kit, options.program, options.screen)
    failed = True
    try:
        scene.play(stage)
        stage.expect_no_errors()
        failed = False
    except Failed as found:
        say(f"   FAILED: {found}")
    except Exception:
        say(f"   FAILED: {traceback.format_exc()}")
    finally:
        stage.close(failed)
    say(f"   {'failed' if failed else 'passed'} after {time.monotonic() - began:.0f} s; {stage.folder}")
    return not failed


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kit", type=Path, required=True)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--screen", default="kms", help="`headless` tries a scenario without a panel")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    # A request to end runs the same way out as Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = [passes(scene, options) for scene in chosen(options.names, options.quick)]
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
