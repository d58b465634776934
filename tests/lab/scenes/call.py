"""Calls by touch: a guest's panel calls a kiosk on the host and is called by it."""

from kiosk import (
    ANSWER,
    ANSWER_AND_HANG_UP,
    HANG_UP,
    HIDE_ME,
    LOUDER,
    QUIETER,
    TILE,
    Kiosk,
    expect,
    wait_for,
)
from picture import Picture
from scene import scene
from stage import Stage, say

# In the call's page: a part of the other's test picture with nothing but its tint on it.
TINT_AT = (560, 250, 40, 60)
TINT_OF_B = (76, 55, 121)
# QEMU's panel names this rate, and keeps none.
REFRESH = 75
BANNER = (300, 4, 300, 20)
AMBER = (255, 201, 60)
# Seven of vivid's eight colour bars, left to right, as bright as it draws them.
LOAD_VIVID = "modprobe vivid n_devs=1 node_types=1 && udevadm settle"
VIVID = {"source": "/dev/video0", "size": "320x180", "fps": 5}


def is_about(seen: tuple, wanted: tuple, by: int = 30) -> bool:
    return all(abs(ours - theirs) <= by for ours, theirs in zip(seen, wanted))


def shows(kiosk: Kiosk, area: tuple, colour: tuple) -> bool:
    """Nothing but this colour stands in that part of its screen."""
    return is_about(kiosk.look().part(*area).mean(), colour)


def has_colour_bars(picture: Picture) -> bool:
    """vivid's bars: white, yellow, cyan, green, magenta, red, blue, black."""
    row = [picture.part(x, 360, 4, 20).mean() for x in range(20, 660, 4)]
    bright = [tuple(colour > 110 for colour in place) for place in row]
    order = [place for i, place in enumerate(bright) if i == 0 or place != bright[i - 1]]
    wanted = [(1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1)]
    return all(tuple(map(bool, bar)) in order for bar in wanted)


def talking(stage: Stage, *devices: str, **configs):
    """A call from Anna's panel to Bert on the host, answered, with pictures both ways."""
    guest, anna, bert = stage.pair(*devices, **configs)
    anna.tap(TILE)
    bert.until_page("incoming")
    bert.do("answer")
    anna.until_page("in-call")
    bert.until_pictures()
    anna.until_pictures()
    anna.until_settled()
    return guest, anna, bert


@scene("call", quick=True)
def call(stage: Stage) -> None:
    """A touch on a tile calls; pictures go both ways; every button of the call does its work."""
    _, anna, bert = stage.pair(drivers=LOAD_VIVID, anna={"camera": VIVID})
    anna.until_settled()
    stage.step("home", anna, bert)
    anna.tap(TILE)
    anna.until_page("calling")
    stage.step("calling", anna)
    bert.until_page("incoming")
    bert.do("answer")
    anna.until_page("in-call")
    anna.until_pictures()
    bert.until_pictures()
    wait_for("Bert's picture on the panel", lambda: shows(anna, TINT_AT, TINT_OF_B))
    wait_for("the guest's camera at Bert", lambda: has_colour_bars(bert.look()))
    stage.step("in the call", anna, bert)
    path = anna.status()["screen"]["video_path"]
    expect(path == "compose", f"virtio-gpu has no planes to spare, and the path is {path}")
    # This panel shows a change at once, thousands in a second if they came.
    seconds, new = anna.counted_for(5)
    say(f"   {new} in {seconds:.1f} s")
    most = REFRESH * seconds + 2
    expect(0 < new["commits"] <= most, f"{new['commits']} changes of the panel in {seconds:.1f} s")
    expect(new["full_drawings"] == 0, f"pictures make the pages be painted in full: {new}")
    before = anna.status()["volume"]
    anna.tap(LOUDER)
    anna.until("it is louder", lambda status: status["volume"] == before + 1)
    stage.step("louder", anna)
    anna.tap(QUIETER)
    anna.until("it is quieter", lambda status: status["volume"] == before)
    stage.step("quieter", anna)
    anna.tap(HIDE_ME)
    anna.until("she is hidden", lambda status: status["hidden"])
    wait_for("words that she is hidden", lambda: shows(anna, BANNER, AMBER))
    wait_for("no camera at Bert", lambda: not has_colour_bars(bert.look()))
    stage.step("hidden", anna, bert)
    anna.tap(HIDE_ME)
    anna.until("she is seen", lambda status: not status["hidden"])
    wait_for("the camera at Bert again", lambda: has_colour_bars(bert.look()))
    stage.step("seen again", anna, bert)
    anna.tap(HANG_UP)
    anna.until("the call is over", lambda status: status["page"] in ("ended", "home"))
    stage.step("hung up", anna, bert)
    anna.until_page("home")
    bert.until_page("home")
    stage.step("home again", anna, bert)


@scene("double-tap")
def double_tap(stage: Stage) -> None:
    """A double tap on Answer, where Hang up comes to be, answers and does not hang up."""
    _, anna, bert = stage.pair()
    bert.do("dial Anna")
    anna.until_page("incoming")
    anna.until_settled()
    stage.step("it rings", anna)
    anna.tap(ANSWER_AND_HANG_UP)
    anna.tap(ANSWER_AND_HANG_UP)
    anna.until_page("in-call")
    anna.until_pictures(10)
    stage.step("answered", anna)
    expect(anna.status()["page"] == "in-call", "a hasty finger has hung up")
    anna.tap(ANSWER_AND_HANG_UP)
    anna.until("a touch hangs up", lambda status: status["page"] in ("ended", "home"))
    stage.step("hung up", anna)


@scene("wake")
def wake(stage: Stage) -> None:
    """A call wakes a dark screen; the touch that wakes it answers nothing."""
    _, anna, bert = stage.pair(anna={"display": {"blank_after": 5}})
    wait_for("a dark panel", lambda: anna.look().is_dark())
    stage.step("dark", anna)
    anna.tap(TILE)
    wait_for("a light panel", lambda: not anna.look().is_dark())
    anna.until_page("home")
    expect(anna.status()["call"]["state"] == "idle", "the touch that woke the screen has called")
    expect(bert.status()["page"] == "home", "the touch that woke the screen has called")
    stage.step("woken by a touch", anna)
    wait_for("a dark panel again", lambda: anna.look().is_dark())
    # The finger comes down on the dark screen and is lifted when Answer is under it.
    anna.place.qmp.press(*anna.on_panel(ANSWER))
    bert.do("dial Anna")
    anna.until_page("incoming")
    wait_for("a light panel", lambda: not anna.look().is_dark())
    anna.place.qmp.lift()
    anna.until_settled()
    stage.step("woken by a touch while it rings", anna)
    expect(anna.status()["page"] == "incoming", "the touch that woke the screen has answered")
    bert.do("hangup")
    anna.until_page("home")
    wait_for("a dark panel for the third time", lambda: anna.look().is_dark())
    bert.do("dial Anna")
    anna.until_page("incoming")
    wait_for("the call wakes the panel", lambda: not anna.look().is_dark())
    stage.step("woken by a call", anna)
    anna.until_settled()
    anna.tap(ANSWER)
    anna.until_page("in-call")
    stage.step("answered", anna)
