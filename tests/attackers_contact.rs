//! A contact that has gone bad, in a call that was accepted: pictures that are none, too large, or made
//! to be decoded for ever; voice that is none, too long, or too much. The call goes on, the kiosk's
//! memory stays where it was, and the status says what was refused.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::Duration;

use common::caller::Caller;
use common::victim::{Victim, refused};
use serde_json::Value;
use twocan::codec::jpeg::Encoder;
use twocan::codec::opus::{VoiceEncoder, VoiceFormat};
use twocan::frame::PacketKind::{Ack, Picture as Pictures, Voice};
use twocan::frame::{Picture, PixelFormat, Size};
use twocan::identity::Identity;

/// A real picture of this size; flat, so that it has few bytes.
fn picture(size: Size) -> Vec<u8> {
    let data = vec![90; PixelFormat::I420.bytes(size)];
    let picture = Picture { size, data, ..Picture::default() };
    Encoder::new(30).unwrap().encode(&picture).unwrap().to_vec()
}

/// A picture whose header says 64250x64250.
fn claims_too_much() -> Vec<u8> {
    let mut jpeg = picture(Size::new(64, 48));
    let header = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[header + 5..header + 9].fill(0xfa);
    jpeg
}

/// A progressive picture whose last scan comes two thousand times.
fn scan_bomb() -> Vec<u8> {
    let jpeg = include_bytes!("../fuzz/seeds/progressive.jpg");
    let last = jpeg.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
    let (before, scan) = jpeg[..jpeg.len() - 2].split_at(last);
    let bomb = [before, &scan.repeat(2000), &[0xff, 0xd9]].concat();
    assert!(bomb.len() < 512 * 1024, "it passes as a packet");
    bomb
}

fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..length).map(next).collect()
}

fn shown(status: &Value) -> u64 {
    status["call"]["figures"]["video"]["shown"].as_u64().unwrap_or(0)
}

fn heard(status: &Value) -> u64 {
    status["call"]["figures"]["audio"]["packets"].as_u64().unwrap_or(0)
}

/// A second of an honest call: pictures as large as is agreed, and voice.
async fn a_second_of_talk(caller: &mut Caller, voice: &mut VoiceEncoder, pictures: &[Vec<u8>]) {
    let mut packet = Vec::new();
    for number in 0..50 {
        let frame: Vec<i16> =
            (0..960).map(|at| ((at * 7919 + number * 13) % 9000) as i16).collect();
        voice.encode(&frame, &mut packet).unwrap();
        caller.send(Voice, &packet).await;
        if number % 5 == 0 {
            caller.send(Pictures, &pictures[number as usize / 5 % pictures.len()]).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Talk honestly until the victim's status is as `wanted`. (Who says nothing meanwhile is lost, as a dead
/// line is.)
async fn talk_until(
    caller: &mut Caller,
    voice: &mut VoiceEncoder,
    victim: &mut Victim,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    let pictures = [picture(Size::new(1280, 720)), picture(Size::new(640, 480))];
    for _ in 0..30 {
        a_second_of_talk(caller, voice, &pictures).await;
        let status = victim.wait_for("an answer", |_| true);
        assert_eq!(status["call"]["state"], "established", "{}", status["call"]);
        if wanted(&status) {
            return status;
        }
    }
    panic!("no {what}: {}", victim.wait_for("an answer", |_| true));
}

#[test]
fn a_contact_whose_pictures_and_voice_are_attacks_costs_neither_the_call_nor_memory() {
    let bad = Identity::generate();
    let mut victim = Victim::start(&[("Mallory", &bad)]);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(async {
        let mut caller = Caller::calls(victim.door, &bad, 42).await;
        let mut encoder = VoiceEncoder::new(VoiceFormat::default()).unwrap();
        let good = picture(Size::new(1280, 720));
        talk_until(&mut caller, &mut encoder, &mut victim, "an honest call", |status| {
            shown(status) > 5 && heard(status) > 50
        })
        .await;
        let before = victim.memory();

        let real = picture(Size::new(1600, 1200));
        let pictures = [
            noise(300_000, 7),
            claims_too_much(),
            real,
            scan_bomb(),
            [&good[..good.len() / 2], &noise(5000, 9)].concat(),
            b"\xff\xd8".to_vec(),
        ];
        for round in 0..20 {
            for picture in &pictures {
                caller.send(Pictures, picture).await;
                // Looked at one by one: of those that wait, only the newest is decoded.
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            caller.send(Ack, &[0xff; 12].iter().copied().chain([1]).collect::<Vec<_>>()).await;
            // 63 frames of 20 ms; code 3 without its count; noise.
            for bomb in [&[0xfb, 63, 0][..], &[0xff], &noise(1275, round)] {
                caller.send(Voice, bomb).await;
            }
        }
        // 120 ms each, all of it sound, thousands at once: ten minutes of it.
        let loud = [&[0xfb, 6][..], &noise(1272, 3)].concat();
        for _ in 0..5000 {
            caller.send(Voice, &loud).await;
        }
        let all =
            talk_until(&mut caller, &mut encoder, &mut victim, "everything refused", |status| {
                refused(status, "oversize_pictures") >= 2
                    && refused(status, "pictures") >= 20
                    && refused(status, "voice") >= 3
            })
            .await;
        victim.is_unharmed_since(before);

        // The call goes on: an honest picture is shown, honest voice is heard.
        let seen = (shown(&all), heard(&all));
        talk_until(&mut caller, &mut encoder, &mut victim, "pictures and voice again", |status| {
            shown(status) > seen.0 && heard(status) > seen.1
        })
        .await;
    });
}
