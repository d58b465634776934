//! Whatever happens to a link, in any order and at any time, these hold.

use proptest::prelude::*;

use super::*;

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => Just(Event::Start),
        4 => Just(Event::Connected),
        2 => any::<bool>().prop_map(|refused| Event::Failed { refused }),
        2 => Just(Event::Offered),
        8 => any::<u16>().prop_map(|sequence| Event::Sent { sequence }),
        4 => Just(Event::Acknowledged),
        4 => any::<u16>().prop_map(|sequence| Event::Answered { sequence }),
        1 => Just(Event::Lost),
        8 => Just(Event::Wake),
    ]
}

proptest! {
    #[test]
    fn it_is_always_on_its_way_somewhere(
        steps in prop::collection::vec((event(), 0_u64..3_000, 0.0..1.0_f64), 1..300),
        udp in any::<bool>(),
    ) {
        let patience = Duration::from_secs(4);
        let mut link = if udp { Link::over_udp(patience) } else { Link::new(patience) };
        let mut now = Time::from_micros(0);
        let mut last_sent = None;
        // Whether an attempt or a connection is out: what the caller holds.
        let mut out = false;
        link.handle(Event::Start, now, 0.0);
        out |= link.state() == State::Connecting;
        for (event, millis, jitter) in steps {
            now = now + Duration::from_millis(millis);
            let before = link.state();
            let up = link.is_up();
            let due = link.wake_at().is_some_and(|at| at <= now);
            let effect = link.handle(event, now, jitter);
            match effect {
                Some(Effect::Connect) => {
                    prop_assert!(!out, "one at a time");
                    let over = matches!(before, State::Backoff { until } if until <= now);
                    prop_assert!(over, "after a pause");
                    out = true;
                }
                Some(Effect::Disconnect(_)) => {
                    prop_assert!(out && due, "only what is there, only in time");
                    out = false;
                }
                Some(Effect::Answer(_) | Effect::Stale) => {
                    let Event::Answered { sequence } = event else { panic!("to {event:?}") };
                    let age = last_sent.map(|last: u16| last.wrapping_sub(sequence));
                    let young = age.is_some_and(|age| age <= AGE_LIMIT);
                    prop_assert_eq!(young, effect != Some(Effect::Stale));
                }
                Some(Effect::LookUp) => {
                    prop_assert!(udp && due && before == State::Online, "only where nobody answers");
                }
                None => {}
            }
            if let (Event::Sent { sequence }, true) = (event, up) {
                last_sent = Some(sequence);
            }
            if let State::Backoff { until } = link.state()
                && !matches!(before, State::Backoff { .. })
            {
                out = false;
                let pause = until.since(now);
                let short = Duration::from_millis(500)..=Duration::from_secs(8);
                let long = REFUSED..=REFUSED_LONGEST.mul_f64(1.34);
                prop_assert!(short.contains(&pause) || long.contains(&pause), "{:?}", pause);
            }
            prop_assert_eq!(out, !matches!(link.state(), State::Backoff { .. }));
            // Whatever waits for something has an end to its wait, which is never far.
            let wake = link.wake_at();
            let waits = !link.is_up() || link.offered.is_some();
            prop_assert!(!waits || wake.is_some(), "{link:?}");
            if let (Some(at), true) = (wake, link.is_up()) {
                prop_assert!(at <= now + HUNG);
            }
            prop_assert!(link.sent.len() <= usize::from(AGE_LIMIT) + 1);
        }
    }
}
