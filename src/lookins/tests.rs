//! Everything that can be done to the log with an editor, and what a power cut does.

use std::fs;
use std::path::PathBuf;

use super::*;

struct Log {
    _folder: tempfile::TempDir,
    state: PathBuf,
}

impl Log {
    fn of(calls: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().to_owned();
        let log = Self { _folder: folder, state };
        (0..calls).for_each(|n| log.add(n, How::Refused));
        log
    }

    fn add(&self, when: u64, how: How) {
        let (name, fingerprint) = ("Anna".to_owned(), "SHA256:anna".to_owned());
        append(&self.state, Entry { when, name, fingerprint, how }).unwrap();
    }

    fn found(&self) -> LookIns {
        load(&self.state).unwrap()
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.state.join(FILE)).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn replace(&self, lines: &[String]) {
        fs::write(
            self.state.join(FILE),
            lines.iter().map(|l| l.clone() + "\n").collect::<String>(),
        )
        .unwrap();
    }

    /// Broken now, and however often something is added after it.
    #[track_caller]
    fn stays_broken(&self, expected: Option<Break>) {
        let broken = self.found().broken;
        assert!(broken.is_some());
        if expected.is_some() {
            assert_eq!(broken, expected);
        }
        for n in 0..4 {
            self.add(100 + n, How::Refused);
            assert!(self.found().broken.is_some(), "healed by the entry {n} behind it");
        }
    }
}

#[test]
fn what_was_added_is_there_in_its_order_and_whole() {
    let log = Log::of(0);
    assert_eq!(log.found(), LookIns::default());
    log.add(10, How::Opened);
    log.add(310, How::Closed { seconds: 300 });
    log.add(400, How::Refused);
    log.add(500, How::Opened);
    let found = log.found();
    assert_eq!((found.lines, found.torn, found.broken), (4, 0, None));
    let visits: Vec<_> = found.visits().iter().map(|visit| (visit.when, visit.how)).collect();
    let looked_in = |seconds| Course::LookedIn { seconds };
    let expected = [(500, looked_in(None)), (400, Course::Refused), (10, looked_in(Some(300)))];
    assert_eq!(visits, expected);
}

#[test]
fn a_line_that_was_changed_is_found_wherever_it_stands() {
    for place in 0..5 {
        let log = Log::of(5);
        let mut lines = log.lines();
        lines[place] = lines[place].replace("Anna", "Bert");
        log.replace(&lines);
        // It is the next one that does not follow; of the last one the head knows.
        let line = (place as u64 + 2).min(5);
        log.stays_broken(Some(Break::At(line)));
    }
}

#[test]
fn a_line_that_was_taken_out_or_put_in_or_moved_is_found() {
    for place in 0..4 {
        let log = Log::of(5);
        let mut lines = log.lines();
        lines.remove(place);
        log.replace(&lines);
        log.stays_broken(None);

        let log = Log::of(5);
        let mut lines = log.lines();
        lines.swap(place, place + 1);
        log.replace(&lines);
        log.stays_broken(None);

        let log = Log::of(5);
        let mut lines = log.lines();
        lines.insert(place, lines[place].clone());
        log.replace(&lines);
        log.stays_broken(None);
    }
}

#[test]
fn an_end_that_was_cut_off_is_found_even_when_the_log_goes_on() {
    for left in 0..5 {
        let log = Log::of(5);
        log.replace(&log.lines()[..left]);
        log.stays_broken(Some(Break::After(left as u64)));
    }
    let log = Log::of(5);
    fs::remove_file(log.state.join(FILE)).unwrap();
    log.stays_broken(Some(Break::After(0)));
}

#[test]
fn a_head_that_is_gone_is_said() {
    let log = Log::of(5);
    fs::remove_file(log.state.join(HEAD_FILE)).unwrap();
    log.stays_broken(Some(Break::NoHead));
}

#[test]
fn a_power_cut_at_any_byte_breaks_nothing() {
    for calls in [0, 1, 3] {
        let log = Log::of(calls);
        let before = fs::read(log.state.join(FILE)).unwrap_or_default();
        let head = fs::read(log.state.join(HEAD_FILE)).ok();
        log.add(50, How::Opened);
        let after = fs::read(log.state.join(FILE)).unwrap();
        for length in before.len()..=after.len() {
            fs::write(log.state.join(FILE), &after[..length]).unwrap();
            match &head {
                Some(head) => fs::write(log.state.join(HEAD_FILE), head).unwrap(),
                None => drop(fs::remove_file(log.state.join(HEAD_FILE))),
            }
            assert_eq!(log.found().broken, None, "{calls} lines, cut at {length}");
            log.add(60, How::Closed { seconds: 1 });
            log.add(70, How::Refused);
            let found = log.found();
            assert_eq!(found.broken, None, "{calls} lines, cut at {length}, and on");
            assert_eq!(found.entries.last().unwrap().when, 70);
        }
    }
}

#[test]
fn garbage_is_no_panic_and_a_line_without_end_does_not_fill_the_memory() {
    let log = Log::of(2);
    let mut bytes = fs::read(log.state.join(FILE)).unwrap();
    bytes.extend(vec![b'x'; 100_000]);
    fs::write(log.state.join(FILE), bytes).unwrap();
    assert!(log.found().broken.is_some());
    fs::write(log.state.join(HEAD_FILE), b"\xff").unwrap();
    log.stays_broken(None);
}
