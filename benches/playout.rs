//! Our play-out and the crate `neteq` on the same lines: `cargo bench --bench playout`.
//!
//! ```text
//! media::trial::traces ─┬─> media::playout, in virtual time
//!                       └─> neteq, in real time (it reads the clock itself): a thread for each line
//! ```
//! It prints a Markdown table. Both get a packet of 20 ms at the same moments and are asked for 10 ms
//! every 10 ms. What neteq holds is taken from what it says of its buffers.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use neteq::codec::AudioDecoder;
use neteq::{AudioPacket, NetEq, NetEqConfig, RtpHeader};
use twocan::codec::opus::VoiceDecoder;
use twocan::media::trial::traces::{Arrival, Line, trace};
use twocan::media::trial::{Cards, Count, Quality, run, speech};

const SECONDS: u64 = 60;
const SEED: u64 = 1;

/// Our decoder behind neteq's trait.
struct Opus(VoiceDecoder, Arc<Mutex<usize>>);

impl AudioDecoder for Opus {
    fn sample_rate(&self) -> u32 {
        48_000
    }

    fn channels(&self) -> u8 {
        1
    }

    fn decode(&mut self, encoded: &[u8]) -> neteq::Result<Vec<f32>> {
        *self.1.lock().unwrap() += 1;
        let sound = self.0.decode(encoded).unwrap();
        Ok(sound.iter().map(|sample| f32::from(*sample) / 32_768.0).collect())
    }
}

fn theirs(trace: &[Arrival]) -> Quality {
    let config = NetEqConfig { sample_rate: 48_000, max_delay_ms: 300, ..NetEqConfig::default() };
    let mut neteq = NetEq::new(config).unwrap();
    let decoded = Arc::new(Mutex::new(0));
    let decoder = Opus(VoiceDecoder::new().unwrap(), Arc::clone(&decoded));
    neteq.register_decoder(111, Box::new(decoder));
    let speech = speech(20).unwrap();
    let least = trace.iter().map(|packet| packet.arrived - packet.captured).min().unwrap();
    let mut arrivals = trace.iter().peekable();
    let mut count = Count::default();
    let began = Instant::now();
    let mut newest = 0;
    for pull in 0..SECONDS * 100 {
        let now = pull * 10_000 + 3_000;
        // Packets at their own moments, and then the 10 ms.
        while let Some(packet) = arrivals.next_if(|packet| packet.arrived <= now) {
            thread::sleep(Duration::from_micros(packet.arrived).saturating_sub(began.elapsed()));
            let timestamp = (packet.captured * 48 / 1000) as u32;
            let header = RtpHeader::new(packet.sequence as u16, timestamp, 1, 111, false);
            let sound = &speech[packet.captured as usize / 20_000 % speech.len()];
            let packet_of = AudioPacket::new(header, sound.to_vec(), 48_000, 1, 20);
            neteq.insert_packet(packet_of).unwrap();
            newest = packet.captured + 20_000;
        }
        thread::sleep(Duration::from_micros(now).saturating_sub(began.elapsed()));
        neteq.get_audio().unwrap();
        if *decoded.lock().unwrap() > 0 {
            let held = u64::from(neteq.get_statistics().current_buffer_size_ms) * 1000;
            // The 10 ms just taken come before what is held.
            let latency = (now + 10_000 + held).saturating_sub(newest);
            count.heard(Duration::from_micros(latency.saturating_sub(least)));
        }
    }
    let lifetime = neteq.get_statistics().lifetime;
    let stretched =
        lifetime.inserted_samples_for_deceleration + lifetime.removed_samples_for_acceleration;
    let sent = trace.len() as u64 * 960;
    count.quality(Duration::from_micros(least), lifetime.concealed_samples, stretched, sent)
}

fn print(line: Line, whose: &str, quality: &Quality) {
    println!(
        "| {} | {whose} | {:.0} | {:.0} | {:.2} | {:.1} | {:.1} |",
        line.name(),
        quality.added_mean_ms,
        quality.added_p95_ms,
        quality.concealed,
        quality.stretched,
        quality.rating,
    );
}

fn main() {
    println!("| line | play-out | added, mean ms | p95 ms | concealed % | stretched % | rating |");
    println!("|---|---|---|---|---|---|---|");
    let others = Line::ALL.map(|line| {
        let named = thread::Builder::new().name(line.name().to_owned());
        named.spawn(move || theirs(&trace(line, SECONDS, 20_000, SEED))).unwrap()
    });
    for (line, other) in Line::ALL.into_iter().zip(others) {
        let ours = run(&trace(line, SECONDS, 20_000, SEED), 20, Cards::default()).unwrap();
        print(line, "ours", &ours);
        print(line, "neteq", &other.join().unwrap());
    }
}
