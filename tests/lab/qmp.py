"""QEMU's own line to a machine: one JSON object a line, an answer to each, events between them.

    finger ── input-send-event ──> virtio-multitouch ──> the guest's kernel
    screen ── screendump <── virtio-gpu

A finger is a slot of the multitouch protocol. The guest notices that it lifted only by a tracking id
of -1, and a new one only by an id that it has not seen.
"""

import json
import socket
import tempfile
import time
from pathlib import Path

from picture import Picture

# A touch device of QEMU's counts from 0 to this in both directions, whatever the panel's size.
SPAN = 0x7FFF


class Qmp:
    """The line, and a finger on it."""

    def __init__(self, line: socket.socket):
        self.lines = line.makefile("rw", encoding="utf-8")
        self.contacts = 0
        self.events: list[dict] = []
        json.loads(self.lines.readline())
        self.ask("qmp_capabilities")

    def ask(self, execute: str, **arguments):
        """Have QEMU do something, and its answer."""
        self.lines.write(json.dumps({"execute": execute, "arguments": arguments}) + "\n")
        self.lines.flush()
        answer = self._read(lambda said: "return" in said or "error" in said)
        if "error" in answer:
            raise RuntimeError(f"QEMU: {execute}: {answer['error']['desc']}")
        return answer["return"]

    def wait_for(self, event: str) -> dict:
        """The next event of this name that was not asked for yet, and what it says."""
        known = [said for said in self.events if said["event"] == event]
        if known:
            self.events.remove(known[0])
            return known[0].get("data", {})
        return self._read(lambda said: said.get("event") == event).get("data", {})

    def _read(self, wanted) -> dict:
        while line := self.lines.readline():
            said = json.loads(line)
            if wanted(said):
                return said
            if "event" in said:
                self.events.append(said)
        raise RuntimeError("QEMU has ended")

    def screen(self) -> Picture:
        """What stands on the panel now."""
        with tempfile.NamedTemporaryFile(suffix=".ppm") as file:
            self.ask("screendump", filename=file.name, device="panel")
            return Picture.from_ppm(Path(file.name).read_bytes())

    def press(self, x: float, y: float) -> None:
        """Put the finger down; `x` and `y` are parts of the panel's width and height, 0 to 1."""
        self.contacts += 1
        self._send(
            self._contact("begin"),
            self._contact("data", "x", int(x * SPAN)),
            self._contact("data", "y", int(y * SPAN)),
            {"type": "btn", "data": {"button": "touch", "down": True}},
        )

    def lift(self) -> None:
        """Take the finger away."""
        self._send(
            self._contact("end"),
            {"type": "btn", "data": {"button": "touch", "down": False}},
        )

    def tap(self, x: float, y: float, seconds: float = 0.08) -> None:
        """A touch as short as people's are."""
        self.press(x, y)
        time.sleep(seconds)
        self.lift()

    def _contact(self, kind: str, axis: str = "x", value: int = 0) -> dict:
        identity = -1 if kind == "end" else self.contacts
        data = {"type": kind, "slot": 0, "tracking-id": identity, "axis": axis, "value": value}
        return {"type": "mtt", "data": data}

    def _send(self, *events: dict) -> None:
        self.ask("input-send-event", events=list(events))
