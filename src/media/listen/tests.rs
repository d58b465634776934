//! What the worker does with a loudspeaker: stories on devices made for them.

use std::sync::mpsc::channel;

use super::super::playout::Stamps;
use super::*;
use crate::codec::opus::{VoiceEncoder, VoiceFormat};
use crate::device::null_audio::NullSink;
use crate::frame::PacketKind;
use crate::stop::stop_pair;

fn packet(sequence: u32, payload: Vec<u8>, captured: Time) -> Packet {
    let kind = PacketKind::Voice;
    Packet { kind, sequence, captured, after_gap: false, payload: payload.into() }
}

#[test]
fn the_meter_shows_how_loud_they_are_where_our_volume_is_nothing() {
    let format = VoiceFormat { frame_ms: 20, bitrate: 32_000, dtx: false, low_delay: false };
    let mut encoder = VoiceEncoder::new(format).unwrap();
    let tone: Vec<i16> =
        (0..format.samples()).map(|n| if n / 50 % 2 == 0 { 8000 } else { -8000 }).collect();
    let (packets, began) = (Queue::newest_wins(16), clock::now());
    let stats = Arc::new(ListenStats::as_loud_as(Arc::new(AtomicU8::new(0))));
    let open: OpenSink = Box::new(|| Ok(Box::new(NullSink::new(Duration::from_millis(30)))));
    let playout = Playout::new(Stamps::Captured).unwrap();
    let (tell, told) = channel();
    let seen = Arc::clone(&stats);
    let mut listen = Listen::new(open, packets.clone(), playout, None, stats, Arc::default())
        .told_what_is_played(Arc::new(move |period, _| {
            let silent = period.iter().all(|sample| *sample == 0);
            let _ = tell.send((silent, seen.level.load(Ordering::Relaxed)));
        }));
    let (stopper, stop) = stop_pair();
    let worker = std::thread::Builder::new().name("listen".to_owned());
    let worker = worker.spawn(move || listen.run_once(&stop).is_ok()).unwrap();
    for period in 0.. {
        let (silent, level) = told.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(silent, "our volume is nothing");
        if level::step(level) >= 3 {
            break;
        }
        if period % 2 == 0 {
            let mut payload = Vec::new();
            encoder.encode(&tone, &mut payload).unwrap();
            packets.send(packet(period / 2, payload, began + PERIOD * period)).unwrap();
        }
    }
    stopper.stop();
    assert!(worker.join().unwrap());
}

/// Has room for one period, and is asked to stop then.
struct Short(bool);

impl AudioSink for Short {
    fn wait(&mut self, _: &Stop) -> Result<bool, DeviceError> {
        Ok(std::mem::replace(&mut self.0, false))
    }

    fn write(&mut self, _: &[i16], _: &Stop) -> Result<bool, DeviceError> {
        Ok(true)
    }

    fn queued(&mut self) -> Duration {
        Duration::ZERO
    }

    fn delay(&mut self) -> Duration {
        Duration::ZERO
    }
}

#[test]
fn what_came_while_there_was_no_loudspeaker_is_not_played_late() {
    let packets = Queue::newest_wins(30);
    for sequence in 0..30 {
        let captured = Time::from_micros(u64::from(sequence) * 20_000);
        packets.send(packet(sequence, vec![0xf8, 0xff, 0xfe], captured)).unwrap();
    }
    let stats = Arc::new(ListenStats::default());
    let open: OpenSink = Box::new(|| Ok(Box::new(Short(true))));
    let playout = Playout::new(Stamps::Captured).unwrap();
    let (counted, health) = (Arc::clone(&stats), Arc::new(Health::default()));
    let mut listen = Listen::new(open, packets, playout, None, counted, health);
    let (_stopper, stop) = stop_pair();
    listen.run_once(&stop).unwrap();
    assert_eq!(stats.bytes.load(Ordering::Relaxed), 0);
}
