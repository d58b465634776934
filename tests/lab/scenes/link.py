"""Two guests on a cable: a slow line that loses packets, and one that is cut."""

from kiosk import TILE, Kiosk, shown
from scene import scene
from stage import Stage

CUT_SECONDS = 5


def cabled(stage: Stage) -> tuple[Kiosk, Kiosk]:
    """Two kiosks on their guests' panels, talking."""
    guests = stage.two_guests()
    for guest in guests:
        guest.run("tc qdisc add dev eth0 root netem delay 50ms loss 1%")
    anna, bert = stage.panel_kiosk(guests[0], "Anna"), stage.panel_kiosk(guests[1], "Bert")
    anna.knows(bert)
    bert.knows(anna)
    anna.start()
    bert.start()
    anna.until_reachable()
    bert.until_reachable()
    anna.until_settled()
    anna.tap(TILE)
    bert.until_page("incoming")
    stage.step("it rings on a slow line", anna, bert)
    bert.do("answer")
    anna.until_page("in-call")
    return anna, bert


@scene("slow-link")
def slow_link(stage: Stage) -> None:
    """Two guests talk on a line with 100 ms there and back that loses one packet in a hundred."""
    anna, bert = cabled(stage)
    anna.until_pictures(20)
    bert.until_pictures(20)
    stage.step("pictures both ways", anna, bert)
    for kiosk in (anna, bert):
        voice = kiosk.status()["call"]["figures"]["audio"]
        kiosk.until(
            "voice comes",
            lambda status, had=voice["packets"]: status["call"]["figures"]["audio"]["packets"] > had + 50,
        )
    anna.do("hangup")
    bert.until_page("home")
    stage.step("hung up", anna, bert)


@scene("cut-link")
def cut_link(stage: Stage) -> None:
    """A call lives through a cable that is cut for five seconds."""
    anna, bert = cabled(stage)
    anna.until_pictures(10)
    bert.until_pictures(10)
    stage.step("in the call", anna, bert)
    guest = anna.place
    guest.qmp.ask("set_link", name="net0", up=False)
    guest.run(f"sleep {CUT_SECONDS}")
    stage.step("the cable is cut", anna, bert)
    guest.qmp.ask("set_link", name="net0", up=True)
    for kiosk in (anna, bert):
        had = shown(kiosk.status())
        kiosk.until("the call goes on", lambda status: status["call"]["state"] == "established")
        kiosk.until("pictures come again", lambda status, had=had: shown(status) > had + 10)
    stage.step("the cable is whole", anna, bert)
