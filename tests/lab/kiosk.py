"""A kiosk on the lab's stage: in a guest, with the real panel; or on the host, drawn for nobody.

    stage/guest/anna/  ── copied ──>  /run/anna in the guest      twocan kiosk --screen kms
    stage/bert/                       as it is, on the host       twocan kiosk --screen headless

Both are steered as people and makers do: by touches, and by `twocan status` and its siblings.
"""

import json
import shlex
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

from picture import Picture

# However slow the machine is, by now it has happened or it never will.
LIMIT = 120
# Where a finger goes, on the drawing of 800x480.
TILE = (400, 272)
STOP = (590, 400)
ANSWER = (596, 372)
NOT_NOW = (286, 400)
LOUDER = (740, 52)
QUIETER = (740, 177)
HIDE_ME = (740, 303)
HANG_UP = (740, 428)
# A place that is part of Answer, and in the call that follows part of Hang up.
ANSWER_AND_HANG_UP = (728, 416)


class Failed(Exception):
    """What a scenario found wrong, as a sentence."""


def expect(fact: bool, sentence: str) -> None:
    """The scenario fails with this sentence unless it is a fact."""
    if not fact:
        raise Failed(sentence)


def wait_for(what: str, look, limit: float = LIMIT):
    """Look again and again until `look` gives something true; that is the answer."""
    deadline = time.monotonic() + limit
    while not (seen := look()):
        expect(time.monotonic() < deadline, f"not within {limit} s: {what}")
        time.sleep(0.1)
    return seen


class Host:
    """The host as a place for a kiosk: the same few words as a guest's."""

    def __init__(self, folder: Path):
        self.folder, self.running = folder, {}

    def run(self, command: str, limit: float = LIMIT, check: bool = True):
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=limit)
        if check and done.returncode:
            raise RuntimeError(f"{command}: exit code {done.returncode}: {done.stderr}")
        return SimpleNamespace(code=done.returncode, text=done.stdout, errors=done.stderr)

    def start(self, command: str) -> int:
        words = ["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", f"exec {command}"]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        self.running[process.pid] = process
        return process.pid

    def has_ended(self, number: int) -> bool:
        return self.running[number].poll() is not None

    def close(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Kiosk:
    """One kiosk. `place` is a Guest or a Host; `found_at` is where the others find its door."""

    def __init__(self, place, program: Path, name: str, screen: str, found_at: str, config: dict):
        self.place, self.program, self.name = place, program, name
        self.screen, self.found_at = screen, found_at
        self.rotate = config.get("display", {}).get("rotate", 0)
        self.in_guest = not isinstance(place, Host)
        self.made = place.folder / name.lower()
        self.folder = Path("/run") / name.lower() if self.in_guest else self.made
        self.log = place.folder / f"{name.lower()}.log"
        self.number, self.is_on = 0, False
        (self.made / "state").mkdir(parents=True)
        (self.made / "twocan.toml").write_text(toml(config))
        told = subprocess.check_output(shlex.split(self.command("identity --json", self.made)))
        self.key = json.loads(told)["key"]

    def command(self, words: str, folder: Path | None = None) -> str:
        """A `twocan` command in this kiosk's folders."""
        at = folder or self.folder
        own = f"--config {at}/twocan.toml --state {at}/state --runtime {at}/run"
        return f"{self.program} {own} {words}"

    def knows(self, other: "Kiosk", found_at: str | None = None) -> None:
        """Put the other one on a tile, before this one starts."""
        add = f"contact add {other.name} --no-relay --direct {found_at or other.found_at}"
        words = [*shlex.split(self.command(add, self.made)), "--key", other.key]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        """Switch it on, and wait until it says how it is."""
        self.is_on = True
        log = self.log
        if self.in_guest:
            self.place.run(f"rm -rf {self.folder} && cp -r /out/{self.made.name} {self.folder}")
            log = f"/out/{self.log.name}"
        self.number = self.place.start(f"{self.command('kiosk --screen ' + self.screen)} >>{log} 2>&1")
        self.until("it draws its first page", lambda status: status["first_frame_us"])

    def status(self) -> dict | None:
        """What it says of itself; nothing while it does not answer."""
        output = self.place.run(self.command("status --json"), LIMIT, check=False)
        return json.loads(output.text) if output.code == 0 else None

    def until(self, what: str, wanted, limit: float = LIMIT) -> dict:
        """Ask for its status until `wanted` holds of it; that status."""
        deadline = time.monotonic() + limit
        while True:
            status = self.status()
            if status and wanted(status):
                return status
            ended = self.number and self.place.has_ended(self.number)
            expect(not ended, f"{self.name} has ended before {what}; see {self.log}")
            late = time.monotonic() > deadline
            expect(not late, f"{self.name}: not within {limit} s: {what}; it says {status}")
            time.sleep(0.1)

    def until_page(self, page: str) -> dict:
        """Wait for a page: `home`, `calling`, `incoming`, `in-call`, `ended`."""
        return self.until(f"the page {page}", lambda status: status["page"] == page)

    def until_reachable(self) -> dict:
        """Wait until everybody on its tiles is at home."""
        return self.until(
            "its contacts are reachable",
            lambda status: all(contact["reachable"] for contact in status["contacts"]),
        )

    def until_pictures(self, more: int = 3) -> dict:
        """Wait until so many more of the other's pictures were shown."""
        seen = shown(self.status())
        return self.until(f"{more} more pictures", lambda status: shown(status) >= seen + more)

    def until_settled(self) -> None:
        """Wait until the page takes touches: for 600 ms a new one does not, so that no second touch
        of a hasty finger is meant for it. The screenshot is answered by the thread that shows pages,
        after every page that came before it; from then on the kiosk's own clock counts."""
        self.screenshot()
        self.place.run("sleep 0.7")

    def counted_for(self, seconds: int) -> tuple[float, dict]:
        """What its screen did in this many seconds of its own clock: how many they were, and by how
        much the counts of `status` grew."""
        status = self.command("status --json")
        look = f"cut -d' ' -f1 /proc/uptime; {status}"
        text = self.place.run(f"{look}; sleep {seconds}; {status}; cut -d' ' -f1 /proc/uptime", LIMIT).text
        began, _, rest = text.partition("\n")
        statuses, _, ended = rest.strip().rpartition("\n")
        first, _, second = statuses.partition("\n}\n")
        before, after = json.loads(first + "}")["screen"], json.loads(second)["screen"]
        counts = ("drawings", "full_drawings", "copied_pixels", "commits")
        return float(ended) - float(began), {key: after[key] - before[key] for key in counts}

    def do(self, words: str) -> str:
        """A `twocan` command for the running kiosk, such as `hangup`."""
        return self.place.run(self.command(words), LIMIT).text

    def tap(self, at: tuple[int, int]) -> None:
        """Touch the drawing; on a panel with a real finger."""
        if self.screen == "kms":
            self.place.qmp.tap(*self.on_panel(at))
        else:
            self.do(f"tap {at[0]} {at[1]}")

    def on_panel(self, at: tuple[int, int]) -> tuple[float, float]:
        """Where a place of the drawing is on the panel, in parts of its width and height."""
        size = (800, 480) if self.rotate % 180 == 0 else (480, 800)
        x, y = at[0] / size[0], at[1] / size[1]
        return {0: (x, y), 90: (1 - y, x), 180: (1 - x, 1 - y), 270: (y, 1 - x)}[self.rotate]

    def screenshot(self) -> Picture:
        """The drawing as the kiosk itself gives it out."""
        file = f"{self.name.lower()}-screenshot.png"
        self.do(f"screenshot {'/out' if self.in_guest else self.place.folder}/{file}")
        return Picture.read(self.place.folder / file)

    def look(self) -> Picture:
        """What stands on the panel; where nobody can look at one, the screenshot."""
        seen_from_outside = self.screen == "kms" and self.place.has_panel
        return self.place.qmp.screen() if seen_from_outside else self.screenshot()


def shown(status: dict | None) -> int:
    """How many of the other's pictures were shown in this call."""
    figures = ((status or {}).get("call") or {}).get("figures") or {}
    return figures.get("video", {}).get("shown", 0)


def toml(config: dict) -> str:
    """A configuration of sections with plain values."""
    text = ""
    for section, values in config.items():
        # Strings, numbers and booleans are written alike in JSON and in TOML.
        lines = [f"{key} = {json.dumps(value)}\n" for key, value in values.items()]
        text += f"[{section}]\n{''.join(lines)}"
    return text
