"""The kiosk by itself: its home page, its idle time, what it says of the machine."""

import json
import re
from pathlib import Path

from kiosk import expect
from picture import Picture
from scene import scene
from stage import Stage

GOLDEN = Path(__file__).parent.parent / "golden"
# The clock on the home page shows what it likes.
CLOCK = (0, 0, 176, 64)
# Letters may be drawn a little differently by another version of Slint.
TOLERANCE = 0.005
CARDS = {"microphone": {"device": "auto"}, "speaker": {"device": "auto"}}


def kernel_state(guest) -> str:
    """The kernel's own account of its first card."""
    guest.run("mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug")
    return guest.run("cat /sys/kernel/debug/dri/0/state").text


def planes_in_use(state: str) -> list[str]:
    """The planes that show a framebuffer on a CRTC."""
    planes = re.split(r"^plane\[", state, flags=re.MULTILINE)[1:]
    lit = [text for text in planes if re.search(r"crtc=crtc-\d", text) and "fb=0" not in text]
    return [text.split("\n", 1)[0].split(": ", 1)[1] for text in lit]


@scene("home", quick=True)
def home(stage: Stage) -> None:
    """Home stands on the panel as in the golden picture."""
    guest = stage.guest(clock="2026-03-01T10:00:00")
    anna = stage.panel_kiosk(guest)
    anna.knows(stage.host_kiosk())
    anna.start()
    anna.until_settled()
    stage.step("home on the panel", anna)
    seen = anna.look().without(*CLOCK)
    golden = Picture.read(GOLDEN / "home.png").without(*CLOCK)
    off = seen.differs_from(golden)
    expect(off <= TOLERANCE, f"{off:.1%} of the pixels differ from golden/home.png")
    lit = planes_in_use(kernel_state(guest))
    expect(len(lit) == 1, f"there is more on the panel than the pages, such as a mouse's arrow: {lit}")


@scene("idle")
def idle(stage: Stage) -> None:
    """In ten idle seconds nothing is painted in full, and hardly anything at all."""
    guest = stage.guest()
    anna = stage.panel_kiosk(guest)
    anna.knows(stage.host_kiosk())
    anna.start()
    anna.until_settled()
    _, new = anna.counted_for(10)
    stage.step("ten idle seconds are over", anna)
    expect(new["full_drawings"] == 0, f"the whole picture was painted: {new}")
    # The minute on the clock may change once.
    expect(new["drawings"] <= 1, f"painted while nothing happened: {new}")
    expect(new["commits"] <= 1, f"the panel was changed while nothing happened: {new}")


@scene("doctor")
def doctor(stage: Stage) -> None:
    """`twocan doctor --json` names the screen's path, camera, sound cards and touch device."""
    guest = stage.guest()
    guest.run("modprobe vivid n_devs=1 node_types=1; modprobe snd-aloop; udevadm settle")
    anna = stage.panel_kiosk(guest, camera={"source": "auto"}, **CARDS)
    anna.knows(stage.host_kiosk())
    for is_on in (False, True):
        if is_on:
            anna.start()
        output = guest.run(anna.command("doctor --json", None if is_on else Path("/out/anna")))
        told = output.text.lower()
        checks = {check["name"]: check for check in json.loads(output.text)["checks"]}
        for word in ("virtio_gpu", "compose", "multitouch", "vivid", "loopback"):
            expect(word in told, f"the doctor does not name {word}: {checks}")
        expect(all(check["sentence"] for check in checks.values()), f"no sentence: {checks}")
        expect({check["result"] for check in checks.values()} <= {"ok", "warn", "fail"}, str(checks))
        (stage.folder / f"doctor-{'on' if is_on else 'off'}.json").write_text(output.text)
    stage.step("the doctor has been", anna)
