"""Panels of other kinds: turned ones, and ones whose hardware mixes the picture in."""

from kiosk import HANG_UP, expect, shown, wait_for
from picture import Picture
from scene import scene
from stage import Stage

from scenes.call import TINT_AT, TINT_OF_B, shows, talking
from scenes.home import GOLDEN, TOLERANCE, kernel_state, planes_in_use


@scene("turned")
def turned(stage: Stage) -> None:
    """On a panel that hangs upright, the drawing and the finger are turned together."""
    guest = stage.networked_guest(clock="2026-03-01T10:00:00")
    anna, bert = stage.panel_kiosk(guest, display={"rotate": 90}), stage.host_kiosk()
    anna.knows(bert)
    bert.knows(anna)
    anna.start()
    # A tile of somebody who is away is grey; another one's colour is as random as its key.
    anna.until_settled()
    stage.step("home on the upright panel", anna)
    # Turned back, it is the drawing for 480x800; the strip above shows the time.
    seen = anna.look().rotated(270).without(0, 0, 480, 130)
    golden = Picture.read(GOLDEN / "home-upright.png").without(0, 0, 480, 130)
    off = seen.differs_from(golden)
    expect(off <= TOLERANCE, f"{off:.1%} of the pixels differ from golden/home-upright.png")
    bert.start()
    anna.until_reachable()
    anna.until_settled()
    stage.step("Bert is at home", anna)
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
    state = kernel_state(guest)
    (stage.folder / "planes.txt").write_text(state)
    lit = planes_in_use(state)
    expect(len(lit) >= 2, f"these planes carry something: {lit}")
    stage.step("in the call", anna)
    anna.do("hangup")
    anna.until_page("home")
    stage.step("home", anna)


# What the kernel finds out about a connector, and that something has changed.
CONNECTOR = "/sys/class/drm/card0-Virtual-1/status"
NEWS = "echo change >/sys/class/drm/card0/uevent"


@scene("panel-pulled")
def panel_pulled(stage: Stage) -> None:
    """A panel that is pulled in a call is waited for, and painted when it is back; the call goes on."""
    guest, anna, bert = talking(stage)
    guest.run(f"echo off >{CONNECTOR} && {NEWS}")
    missed = anna.until("the panel is missed", lambda status: status["screen"]["trouble"])
    stage.step(f"it is missed: {missed['screen']['trouble']}", bert)
    before = shown(bert.status())
    bert.until("pictures go on", lambda status: shown(status) > before + 3)
    guest.run(f"echo on >{CONNECTOR} && {NEWS}")
    anna.until("the panel is back", lambda status: not status["screen"]["trouble"])
    wait_for("Bert's picture on the panel", lambda: shows(anna, TINT_AT, TINT_OF_B))
    stage.step("the panel is back", anna)
    anna.tap(HANG_UP)
    anna.until_page("home")
    stage.step("home", anna)


@scene("display")
def display(stage: Stage) -> None:
    """The display's thread: idle when nothing changes, one change a refresh, a panel taken by others."""
    tests = stage.program.with_name("twocan-tests")
    words = f"{tests} --ignored --test-threads=1 --nocapture ui::kms::lab::"
    mixed = stage.guest(name="mixed")
    planes = stage.guest(name="planes", panel=None)
    planes.run("modprobe vkms enable_overlay=1 && udevadm settle")
    for guest in (mixed, planes):
        output = guest.run(words, limit=300)
        expect("test result: ok" in output.text, f"the tests say {output.text}")
        stage.step(f"the tests have passed in the guest {guest.folder.name}")
