"""The kiosk by itself: its home page, its idle time, what it says of the machine."""

import json
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


@scene("home", quick=True)
def home(stage: Stage) -> None:
    """Home stands on the panel as in the golden picture."""
    guest = stage.guest(clock="2026-03-01T10:00:00")
    anna = stage.panel_kiosk(guest)
    anna.knows(stage.host_kiosk())
    anna.start()
    anna.until_page("home")
    stage.step("home on the panel", anna)
    seen = anna.look().without(*CLOCK)
    golden = Picture.read(GOLDEN / "home.png").without(*CLOCK)
    off = seen.differs_from(golden)
    expect(off <= TOLERANCE, f"{off:.1%} of the pixels differ from golden/home.png")


@scene("idle")
def idle(stage: Stage) -> None:
    """In ten idle seconds nothing is painted in full, and hardly anything at all."""
    guest = stage.guest()
    anna = stage.panel_kiosk(guest)
    anna.knows(stage.host_kiosk())
    anna.start()
    anna.until_settled()
    before = anna.status()["screen"]
    guest.run("sleep 10")
    after = anna.status()["screen"]
    stage.step("ten idle seconds are over", anna)
    new = {key: after[key] - before[key] for key in ("drawings", "full_drawings", "copied_pixels")}
    expect(new["full_drawings"] == 0, f"the whole picture was painted: {new}")
    # The minute on the clock may change once.
    expect(new["drawings"] <= 1, f"painted while nothing happened: {new}")


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
