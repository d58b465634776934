"""Panels of other kinds: turned ones, and ones whose hardware mixes the picture in."""

import re

from kiosk import expect
from picture import Picture
from scene import scene
from stage import Stage

from scenes.call import talking
from scenes.home import GOLDEN, TOLERANCE


@scene("turned")
def turned(stage: Stage) -> None:
    """On a panel that hangs upright, the drawing and the finger are turned together."""
    _, anna, bert = stage.pair(
        anna={"display": {"rotate": 90}}, clock="2026-03-01T10:00:00"
    )
    anna.until_settled()
    stage.step("home on the upright panel", anna)
    # Turned back, it is the drawing for 480x800; the strip above shows the time.
    seen = anna.look().rotated(270).without(0, 0, 480, 130)
    golden = Picture.read(GOLDEN / "home-upright.png").without(0, 0, 480, 130)
    off = seen.differs_from(golden)
    expect(off <= TOLERANCE, f"{off:.1%} of the pixels differ from golden/home-upright.png")
    # In the upper right of the tile, where a finger that is not turned would miss it.
    anna.tap((440, 170))
    anna.until_page("calling")
    bert.until_page("incoming")
    stage.step("calling", anna)


@scene("plane")
def plane(stage: Stage) -> None:
    """Where the hardware has planes to spare, one carries the other's picture."""
    guest, anna, _ = talking(
        stage, panel=None, drivers="modprobe vkms enable_overlay=1 && udevadm settle"
    )
    screen = anna.status()["screen"]
    expect(screen["driver"] == "vkms", f"it is drawn on {screen['driver']}")
    expect(screen["video_path"] == "plane", f"{screen['video_path']}: {screen['reason']}")
    guest.run("mount -t debugfs debugfs /sys/kernel/debug || true")
    state = guest.run("cat /sys/kernel/debug/dri/*/state").text
    (stage.folder / "planes.txt").write_text(state)
    lit = planes_in_use(state)
    expect(len(lit) >= 2, f"these planes carry something: {lit}")
    stage.step("in the call", anna)
    anna.do("hangup")
    anna.until_page("home")
    stage.step("home", anna)


def planes_in_use(state: str) -> list[str]:
    """The planes that show a framebuffer on a CRTC, from the kernel's own account."""
    planes = re.split(r"^plane\[", state, flags=re.MULTILINE)[1:]
    lit = [text for text in planes if re.search(r"crtc=crtc-\d", text) and "fb=0" not in text]
    return [text.split("\n", 1)[0].split(": ", 1)[1] for text in lit]
