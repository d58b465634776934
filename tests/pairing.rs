//! Pairing by words at a real sshd: every way it can go, and who else may come.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::kiosk::{Kiosk, LIMIT, config, two_identities};
use common::pairing::{ask, compare, new_words, news, paired, refused, wrong_try};
use common::sshd::Sshd;
use twocan::card::Card;
use twocan::clock::Time;
use twocan::identity::{Identity, PeerKey};
use twocan::pairing::talk::{Input, Output, Talk};
use twocan::pairing::wire::decode_length;
use twocan::pairing::{Ask, News, Refusal, Words, words};
use twocan::tunnel::{RelayStatus, TunnelConfig};

/// A kiosk at the relay that knows nobody.
fn kiosk(identity: &Identity, name: &str, sshd: &Sshd) -> Kiosk {
    let kiosk = Kiosk::start(TunnelConfig { relay: Some(sshd.relay()), ..config(identity, name) });
    connected(&kiosk);
    kiosk
}

fn connected(kiosk: &Kiosk) {
    kiosk.wait_relay(|status| *status == RelayStatus::Connected);
}

fn two_at(sshd: &Sshd, anna: &Identity, bert: &Identity) -> (Kiosk, Kiosk) {
    (kiosk(anna, "Anna", sshd), kiosk(bert, "Bert", sshd))
}

/// Words with another last word: they wait at the same place.
fn wrong(words: &Words) -> Words {
    let other = if words[3] == "zoo" { "zone" } else { "zoo" };
    [words[0], words[1], words[2], other]
}

fn socket(sshd: &Sshd, of: &Words) -> PathBuf {
    sshd.sockets().join(format!("pair-{}.sock", words::slot(of)))
}

/// Wait until it is so.
#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let limit = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < limit, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn whoever_offers_and_whoever_says_yes_first_both_are_contacts_in_the_end() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = two_at(&sshd, &anna, &bert);
    for (offers, joins, first_yes) in [(&a, &b, &a), (&a, &b, &b), (&b, &a, &a)] {
        let second_yes = if std::ptr::eq(first_yes, offers) { joins } else { offers };
        ask(offers, Ask::Offer);
        let words = new_words(offers);
        let mode = socket(&sshd, &words).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "the socket is for the login alone");
        ask(joins, Ask::Join(words));
        let ((at_offer, one), (at_join, other)) = (compare(offers), compare(joins));
        assert_eq!(one, other);
        assert_eq!((at_offer.key, at_join.key), (joins.key, offers.key));
        ask(first_yes, Ask::Same(true));
        news(first_yes, "their turn", |news| (*news == News::TheirTurn).then_some(()));
        ask(second_yes, Ask::Same(true));
        assert_eq!((paired(offers), paired(joins)), (at_offer, at_join));
        until("the socket is cleared away", || !socket(&sshd, &words).exists());
    }
    let (card, _) = {
        ask(&a, Ask::Offer);
        ask(&b, Ask::Join(new_words(&a)));
        compare(&b)
    };
    assert_eq!(card.name, "Anna");
    assert_eq!(card.meeting[0].port, sshd.relay().port);
    assert_eq!(card.meeting[0].host_key.0.key_data(), sshd.host_key().key_data());
}

#[test]
fn where_the_relay_forwards_only_ports_they_meet_at_one() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start_with(&[anna.public(), bert.public()], "AllowStreamLocalForwarding no");
    let (a, b) = two_at(&sshd, &anna, &bert);
    ask(&a, Ask::Offer);
    ask(&b, Ask::Join(new_words(&a)));
    assert_eq!(compare(&a).1, compare(&b).1);
}

#[test]
fn three_wrong_tries_make_new_words() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = two_at(&sshd, &anna, &bert);
    ask(&a, Ask::Offer);
    let old = new_words(&a);
    for left in [2, 1, 0] {
        ask(&b, Ask::Join(wrong(&old)));
        assert_eq!(refused(&b), Refusal::WrongWords);
        assert_eq!(wrong_try(&a), left);
    }
    let new = new_words(&a);
    assert_ne!(new, old);
    ask(&b, Ask::Join(new));
    assert_eq!(compare(&a).1, compare(&b).1);
}

#[test]
fn either_may_stop_before_and_while_they_compare() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = two_at(&sshd, &anna, &bert);
    for stops in 0..2 {
        ask(&a, Ask::Offer);
        ask(&b, Ask::Join(new_words(&a)));
        compare(&a);
        compare(&b);
        let (one, other) = if stops == 0 { (&a, &b) } else { (&b, &a) };
        ask(one, Ask::Stop);
        assert_eq!((refused(one), refused(other)), (Refusal::Stopped, Refusal::TheyStopped));
    }
    ask(&a, Ask::Offer);
    let words = new_words(&a);
    ask(&a, Ask::Stop);
    assert_eq!(refused(&a), Refusal::Stopped);
    until("the socket is cleared away", || !socket(&sshd, &words).exists());
    ask(&b, Ask::Join(words));
    assert_eq!(refused(&b), Refusal::Nobody);
}

#[test]
fn pictures_that_differ_for_one_are_the_end_for_both() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = two_at(&sshd, &anna, &bert);
    ask(&a, Ask::Offer);
    ask(&b, Ask::Join(new_words(&a)));
    compare(&a);
    compare(&b);
    ask(&b, Ask::Same(true));
    ask(&a, Ask::Same(false));
    assert_eq!((refused(&a), refused(&b)), (Refusal::Different, Refusal::Different));
}

#[test]
fn without_a_relay_there_is_nowhere_to_meet() {
    let (anna, _) = two_identities();
    let a = Kiosk::start(config(&anna, "Anna"));
    ask(&a, Ask::Offer);
    assert_eq!(refused(&a), Refusal::NoMeeting);
    ask(&a, Ask::Join(["zoo"; 4]));
    assert_eq!(refused(&a), Refusal::NoMeeting);
}

#[test]
fn the_same_words_wait_again_after_the_session_with_the_relay_was_killed() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = two_at(&sshd, &anna, &bert);
    ask(&a, Ask::Offer);
    let words = new_words(&a);
    assert!(sshd.kill_sessions() >= 2);
    for kiosk in [&a, &b] {
        kiosk.wait_relay(|status| *status != RelayStatus::Connected);
        connected(kiosk);
    }
    ask(&b, Ask::Join(words));
    assert_eq!(compare(&a).1, compare(&b).1);
}

#[test]
fn a_line_that_breaks_while_they_compare_pairs_nobody() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = two_at(&sshd, &anna, &bert);
    ask(&a, Ask::Offer);
    ask(&b, Ask::Join(new_words(&a)));
    compare(&a);
    compare(&b);
    ask(&a, Ask::Same(true));
    news(&a, "their turn", |news| (*news == News::TheirTurn).then_some(()));
    sshd.kill_sessions();
    assert_eq!((refused(&a), refused(&b)), (Refusal::Broken, Refusal::Broken));
}

/// Somebody with the relay's login, between a socket of ours and whoever comes to it.
struct Interloper {
    /// Where they come to.
    listener: UnixListener,
    /// Where the offer is now.
    moved: PathBuf,
}

impl Interloper {
    fn at(socket: &PathBuf) -> Self {
        let moved = socket.with_extension("moved");
        std::fs::rename(socket, &moved).unwrap();
        Self { listener: UnixListener::bind(socket).unwrap(), moved }
    }

    /// Whoever came, and the offer.
    fn both(&self) -> (UnixStream, UnixStream) {
        let comes = self.listener.accept().unwrap().0;
        let offers = UnixStream::connect(&self.moved).unwrap();
        for line in [&comes, &offers] {
            line.set_read_timeout(Some(LIMIT)).unwrap();
        }
        (comes, offers)
    }
}

/// The next message of a line; none at its end.
fn message(line: &mut UnixStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    line.read_exact(&mut length).ok()?;
    let mut body = vec![0; decode_length(length).unwrap()];
    line.read_exact(&mut body).ok()?;
    Some(body)
}

/// Let a machine of the interloper's own talk to the end; whether it ever got to the pictures.
fn talk(line: &mut UnixStream, (mut talk, first): (Talk, Vec<Output>)) -> bool {
    let mut outputs = first;
    loop {
        for output in outputs.drain(..) {
            match output {
                Output::Send(bytes) => drop(line.write_all(&bytes)),
                Output::Say(News::Compare { .. }) => return true,
                Output::Say(_) | Output::WrongTry | Output::End => {}
            }
        }
        let Some(bytes) = message(line).filter(|_| !talk.is_over()) else { return false };
        outputs = talk.handle(Input::Message(&bytes), twocan::clock::now());
    }
}

#[test]
fn somebody_in_between_who_guesses_is_seen_at_both_ends_and_gets_nothing() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = two_at(&sshd, &anna, &bert);
    ask(&a, Ask::Offer);
    let words = new_words(&a);
    let between = Interloper::at(&socket(&sshd, &words));
    ask(&b, Ask::Join(words));
    let (mut comes, mut offers) = between.both();
    let guess = wrong(&words);
    let eve = Card {
        name: "Anna".to_owned(),
        key: PeerKey([3; 32]),
        meeting: Vec::new(),
        direct: Vec::new(),
    };
    let now: Time = twocan::clock::now();
    assert!(!talk(&mut comes, (Talk::offer(&guess, &eve, now), Vec::new())));
    assert_eq!(refused(&b), Refusal::WrongWords);
    assert!(!talk(&mut offers, Talk::join(&guess, &eve, now)));
    assert_eq!(wrong_try(&a), 2);
}

#[test]
fn somebody_in_between_who_changes_a_bit_ends_it() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = two_at(&sshd, &anna, &bert);
    ask(&a, Ask::Offer);
    let words = new_words(&a);
    let between = Interloper::at(&socket(&sshd, &words));
    ask(&b, Ask::Join(words));
    let (mut comes, mut offers) = between.both();
    let pass = |from: &mut UnixStream, to: &mut UnixStream, change: bool| {
        let mut body = message(from).unwrap();
        if change {
            let last = body.len() - 1;
            body[last] ^= 1;
        }
        to.write_all(&u16::try_from(body.len()).unwrap().to_be_bytes()).unwrap();
        to.write_all(&body).unwrap();
    };
    // Open, answer, both proofs; then the card.
    pass(&mut comes, &mut offers, false);
    pass(&mut offers, &mut comes, false);
    pass(&mut comes, &mut offers, false);
    pass(&mut offers, &mut comes, false);
    pass(&mut offers, &mut comes, true);
    assert_eq!(refused(&b), Refusal::Broken);
    drop((comes, offers));
    assert_eq!(refused(&a), Refusal::Broken);
}

#[test]
fn strangers_who_flood_the_place_are_cut_off_and_the_right_one_still_comes_through() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = two_at(&sshd, &anna, &bert);
    ask(&a, Ask::Offer);
    let words = new_words(&a);
    let flood: Vec<_> = (0..20)
        .map(|number: usize| {
            let path = socket(&sshd, &words);
            std::thread::Builder::new()
                .name(format!("flood {number}"))
                .spawn(move || {
                    let mut line = UnixStream::connect(path).unwrap();
                    // Messages that may be, as far as their length goes, and as many as are taken.
                    let message = [&1000_u16.to_be_bytes()[..], &[number as u8; 1000]].concat();
                    (0..10_000).take_while(|_| line.write_all(&message).is_ok()).count()
                })
                .unwrap()
        })
        .collect();
    ask(&b, Ask::Join(words));
    assert_eq!(compare(&a).1, compare(&b).1);
    for thread in flood {
        assert!(thread.join().unwrap() < 10_000, "nobody takes ten megabytes");
    }
    ask(&a, Ask::Same(true));
    ask(&b, Ask::Same(true));
    assert_eq!((paired(&a).name, paired(&b).name), ("Bert".to_owned(), "Anna".to_owned()));
}
