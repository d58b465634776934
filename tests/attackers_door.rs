//! Attackers at the door: strangers with thousands of sessions of anything, the slow, the many, and a
//! contact that breaks each rule there is. The kiosk goes on, its memory stays where it was, and the
//! status says which rule was broken.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use common::rogue::Rogue;
use common::victim::{LIMIT, Victim, refused};
use twocan::frame::PacketKind;
use twocan::identity::Identity;
use twocan::wire::signal::Signal;

fn block_on<T>(work: impl Future<Output = T>) -> T {
    // The sessions go on in a thread of their own while a test waits for the victim.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.unwrap().block_on(work)
}

/// Numbers without an order that anybody would see (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

/// What an honest client says before anything is encrypted, overheard.
fn overheard(door: SocketAddr, who: &Identity) -> Vec<u8> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let near = listener.local_addr().unwrap();
    let ear = std::thread::Builder::new().name("ear".to_owned()).spawn(move || {
        let (mut near, _) = listener.accept().unwrap();
        let mut far = TcpStream::connect(door).unwrap();
        let (mut near_too, mut far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        let back = move || {
            // Either end may go first.
            let _ = std::io::copy(&mut far_too, &mut near_too);
        };
        std::thread::Builder::new().name("back".to_owned()).spawn(back).unwrap();
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = near.read(&mut piece) {
            all.extend_from_slice(&piece[..length]);
            far.write_all(&piece[..length]).unwrap();
        }
        all
    });
    block_on(async { drop(Rogue::enter(near, who).await) });
    let mut said = ear.unwrap().join().unwrap();
    // The greeting, the offers and the half of a key exchange.
    said.truncate(3000);
    said
}

/// One session of a stranger: something that was overheard, changed, cut or repeated, or anything else.
fn a_session(door: SocketAddr, said: &[u8], dice: &mut Dice) {
    let mut stream = TcpStream::connect(door).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let greeting = said.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let bytes = match dice.roll(4) {
        0 => (0..dice.roll(2000)).map(|_| dice.roll(256) as u8).collect(),
        1 => said[..dice.roll(said.len())].to_vec(),
        2 => {
            let mut bytes = said.to_vec();
            for _ in 0..=dice.roll(4) {
                let at = dice.roll(bytes.len());
                bytes[at] = dice.roll(256) as u8;
            }
            bytes
        }
        _ => {
            let mut bytes = said[..greeting].to_vec();
            let length = dice.roll(40_000) as u32;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend((0..dice.roll(3000)).map(|_| dice.roll(256) as u8));
            bytes
        }
    };
    // The door may have closed it already.
    let _ = stream.write_all(&bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn thousands_of_random_sessions_leave_a_kiosk_as_it_was() {
    let anna = Identity::generate();
    let mut victim = Victim::start(&[("Anna", &anna)]);
    let said = overheard(victim.door, &anna);
    let mut dice = Dice(0x5eed_1234_5678_9abc);
    for _ in 0..200 {
        a_session(victim.door, &said, &mut dice);
    }
    let before = victim.memory();
    for _ in 0..3000 {
        a_session(victim.door, &said, &mut dice);
    }
    victim.wait_refused("garbled", 1000);
    victim.is_unharmed_since(before);
    // Who is known comes in as before.
    block_on(async {
        let _control = Rogue::enter(victim.door, &anna).await.greet().await;
        victim.wait_for("Anna", |status| status["contacts"][0]["reachable"] == true);
    });
}

#[test]
fn who_is_slow_is_put_out_after_five_seconds_and_is_counted() {
    let anna = Identity::generate();
    let mut victim = Victim::start(&[("Anna", &anna)]);
    // A byte now and then is no login.
    let mut slow: Vec<TcpStream> =
        (0..4).map(|_| TcpStream::connect(victim.door).unwrap()).collect();
    let mut ended = 0;
    for byte in
        b"SSH-2.0-slow_as_can_be_and_ever_so_patient_with_everybody_in_this_house".iter().cycle()
    {
        std::thread::sleep(Duration::from_millis(200));
        slow.retain_mut(|stream| stream.write_all(&[*byte]).is_ok());
        ended = 4 - slow.len();
        if ended == 4 {
            break;
        }
    }
    assert_eq!(ended, 4);
    victim.wait_refused("slow_logins", 4);
    // The same with a key, and then nothing.
    block_on(async {
        let idle = Rogue::enter(victim.door, &anna).await;
        let silent = Rogue::enter(victim.door, &anna).await;
        let _control = silent.open("twocan-control").await.unwrap();
        victim.wait_refused("idle", 2);
        drop(idle);
    });
}

fn header(kind: PacketKind, length: u32) -> Vec<u8> {
    let mut bytes = vec![1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
    bytes[1] = match kind {
        PacketKind::Voice => 1,
        PacketKind::Picture => 2,
        PacketKind::Ack => 3,
        PacketKind::Same => 4,
        PacketKind::Station => 5,
    };
    bytes.extend_from_slice(&length.to_be_bytes());
    assert!(bytes.len() == twocan::wire::packet::HEADER_LEN);
    bytes
}

#[test]
fn every_rule_that_a_contact_breaks_is_named_in_the_status() {
    let bad = Identity::generate();
    let mut victim = Victim::start(&[("Mallory", &bad)]);
    let door = victim.door;
    let invite = Signal::Invite { call: 1 }.encode();
    let attacks: [(&str, &str, Vec<u8>, bool); 11] = [
        ("signals", "twocan-control", b"\0\0\0\x02{]".to_vec(), false),
        ("signals", "twocan-control", Signal::decode(br#"{"signal":"hello","version":1,"name":"x","media":{"pictures":[],"sound":[],"size":{"width":1,"height":1}}}"#).unwrap().encode(), false),
        ("oversize", "twocan-control", 4097u32.to_be_bytes().to_vec(), false),
        ("halves", "twocan-control", invite[..9].to_vec(), true),
        ("signal_floods", "twocan-control", invite.repeat(200), false),
        ("packets", "twocan-audio", b"GET / HTTP/1.0\r\n\r\nHost: 012345".to_vec(), false),
        ("packets", "twocan-audio", [header(PacketKind::Picture, 1), vec![1]].concat(), false),
        ("oversize", "twocan-audio", header(PacketKind::Voice, 1276), false),
        ("halves", "twocan-audio", header(PacketKind::Voice, 100), true),
        ("oversize", "twocan-video", header(PacketKind::Picture, 512 * 1024 + 1), false),
        ("halves", "twocan-video", header(PacketKind::Picture, 100), true),
    ];
    let mut expected = std::collections::HashMap::new();
    block_on(async {
        // Sound outside a call is nobody's. (An invite below is answered: a call, from then on.)
        let rogue = Rogue::enter(door, &bad).await;
        let _control = rogue.greet().await;
        let audio = rogue.open("twocan-audio").await.unwrap();
        audio.data_bytes([header(PacketKind::Voice, 1), vec![1]].concat()).await.unwrap();
        victim.wait_refused("unattached", 1);
        drop(rogue);
        for (number, (reason, stream, bytes, then_eof)) in (1..).zip(attacks) {
            let rogue = Rogue::enter(door, &bad).await;
            let control = rogue.greet().await;
            let mut channel = match stream {
                "twocan-control" => control,
                stream => rogue.open(stream).await.unwrap(),
            };
            channel.data_bytes(bytes).await.unwrap();
            if then_eof {
                channel.eof().await.unwrap();
            }
            while channel.wait().await.is_some() {}
            let count = expected.entry(reason).or_insert(0);
            *count += 1;
            victim.wait_refused(reason, *count);
            victim.wait_refused("sessions", number);
        }
        let rogue = Rogue::enter(door, &bad).await;
        rogue.flood_a_bare_channel().await;
        victim.wait_refused("streams", 1);
        let rogue = Rogue::enter(door, &bad).await;
        rogue.channel().await.exec(true, "id").await.unwrap();
        victim.wait_refused("requests", 1);
        let stranger = Identity::generate();
        let refusal = tokio::spawn(async move { Rogue::enter(door, &stranger).await });
        assert!(refusal.await.is_err(), "a stranger is not let in");
        victim.wait_refused("strangers", 1);
    });
    let idlers: Vec<_> = (0..4)
        .map(|_| {
            let mut idler = TcpStream::connect(door).unwrap();
            idler.read_exact(&mut [0; 4]).unwrap();
            idler
        })
        .collect();
    let _fifth = TcpStream::connect(door).unwrap();
    victim.wait_refused("crowded", 1);
    drop(idlers);
    let status = victim.wait_for("an answer", |_| true);
    assert_eq!(refused(&status, "pictures"), 0, "there was no call");
}
