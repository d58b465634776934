//! A talk worker on a microphone that is faster than time.

use std::sync::Mutex;

use super::*;
use crate::clock::Time;
use crate::codec::opus::VoiceDecoder;
use crate::media::playout::{Playout, Stamps};
use crate::stop::stop_pair;

const PERIOD: Duration = Duration::from_millis(10);
const START: Time = Time::from_micros(1_000_000);

type Sound = [i16; PERIOD_SAMPLES];
type Hear = Box<dyn FnMut(usize) -> Sound + Send>;

/// Hears what it is told to, for some periods, and loses sound where it is told to.
struct Script {
    hear: Hear,
    next: usize,
    periods: usize,
    loses_at: Option<usize>,
}

impl AudioSource for Script {
    fn read(&mut self, into: &mut Sound, _stop: &Stop) -> Result<Option<Time>, DeviceError> {
        let n = self.next;
        self.next += 1;
        *into = (self.hear)(n);
        Ok((n < self.periods).then(|| START + PERIOD * n as u32))
    }

    fn overruns(&self) -> u64 {
        u64::from(self.loses_at.is_some_and(|at| self.next > at))
    }
}

/// Everything a talk worker sends while the microphone follows the script.
fn talk(
    script: Script,
    format: VoiceFormat,
    cleaning: Cleaning,
    far_end: Option<Arc<FarEnd>>,
) -> (Vec<Packet>, Arc<TalkStats>) {
    let (queue, stats) = (Queue::newest_wins(10_000), Arc::<TalkStats>::default());
    let script = Mutex::new(Some(script));
    let open: OpenSource =
        Box::new(move || Ok(Box::new(script.lock().unwrap().take().expect("opened once"))));
    let mut talk = Talk::new(open, format, queue.clone(), Arc::clone(&stats), Arc::default())
        .cleaned(cleaning, far_end);
    let (_stopper, stop) = stop_pair();
    talk.run_once(&stop).unwrap();
    (std::iter::from_fn(|| queue.try_receive()).collect(), stats)
}

fn tone(n: usize) -> Sound {
    let at = |i: usize| (n * PERIOD_SAMPLES + i) as f32 / 48_000.0;
    std::array::from_fn(|i| ((at(i) * 440.0 * std::f32::consts::TAU).sin() * 9000.0) as i16)
}

/// A second of tone, three of silence, and one of tone.
fn with_a_pause() -> Script {
    let hear = |n| if (100..400).contains(&n) { [0; PERIOD_SAMPLES] } else { tone(n) };
    Script { hear: Box::new(hear), next: 0, periods: 500, loses_at: None }
}

const SPARING: VoiceFormat =
    VoiceFormat { frame_ms: 20, bitrate: 24_000, low_delay: false, dtx: true };

#[test]
fn a_silence_begins_with_one_short_packet_and_is_kept_alive_every_400_ms() {
    let (packets, stats) = talk(with_a_pause(), SPARING, Cleaning::Off, None);
    let silent = stats.silent.load(Ordering::Relaxed);
    assert!(silent > 100, "{silent} of 150 were not sent");
    assert_eq!(packets.len() as u64 + silent, 250);
    assert_eq!(packets.len() as u64, stats.packets.load(Ordering::Relaxed));
    for (pair, n) in packets.windows(2).zip(0..) {
        assert_eq!((pair[0].sequence, pair[1].sequence), (n, n + 1), "no number is left out");
        let step = pair[1].captured.since(pair[0].captured);
        assert_eq!(step.as_millis() % 20, 0);
        assert!(step <= Duration::from_millis(440), "{step:?}");
        if step > Duration::from_millis(20) {
            assert!(is_silence(&pair[0].payload), "a silence is announced");
        }
        assert!(!pair[1].after_gap);
    }
}

#[test]
fn a_silence_is_no_gap_to_who_listens() {
    let (packets, _) = talk(with_a_pause(), SPARING, Cleaning::Off, None);
    let mut playout = Playout::new(Stamps::Captured).unwrap();
    let mut packets = packets.into_iter().peekable();
    let (mut into, mut loud) = ([0; PERIOD_SAMPLES], 0);
    for n in 0..520 {
        let now = START + PERIOD * n;
        while let Some(packet) =
            packets.next_if(|packet| packet.captured + Duration::from_millis(30) <= now)
        {
            playout.push(packet, now);
        }
        playout.pull(&mut into, now, |_| {});
        loud += u32::from(into.iter().any(|sample| *sample > 5_000));
    }
    assert_eq!(playout.figures().jitter.gaps, 0);
    assert!((190..=210).contains(&loud), "{loud} periods of tone");
}

#[test]
fn without_dtx_silence_is_sent_like_everything() {
    let (packets, _) = talk(with_a_pause(), VoiceFormat::default(), Cleaning::Off, None);
    assert_eq!(packets.len(), 250);
}

#[test]
fn sound_that_was_lost_in_a_silence_is_no_gap_and_elsewhere_it_is() {
    for (at, gaps) in [(250, 0), (50, 1)] {
        let script = Script { loses_at: Some(at), ..with_a_pause() };
        let (packets, _) = talk(script, SPARING, Cleaning::Off, None);
        let found = packets.iter().filter(|packet| packet.after_gap).count();
        assert_eq!(found, gaps, "lost in period {at}");
    }
}

/// The loudspeaker plays noise, and the microphone hears nothing but it, 30 ms later.
#[test]
fn what_the_loudspeaker_plays_does_not_leave_the_house_again() {
    let mut seed = 1u32;
    let mut noise = move || -> Sound {
        std::array::from_fn(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16).cast_signed() as i16 / 4
        })
    };
    let played: Vec<Sound> = (0..600).map(|_| noise()).collect();
    let sent = |cleaning| {
        let far_end = Arc::new(FarEnd::default());
        let (told, played) = (Arc::clone(&far_end), played.clone());
        let hear = move |n: usize| {
            if let Some(period) = played.get(n + 4) {
                told.played(period, START + PERIOD * (n as u32 + 4));
            }
            n.checked_sub(3).map_or([0; PERIOD_SAMPLES], |n| played[n].map(|sample| sample / 2))
        };
        let script = Script { hear: Box::new(hear), next: 0, periods: 590, loses_at: None };
        let (packets, _) = talk(script, VoiceFormat::default(), cleaning, Some(far_end));
        let mut decoder = VoiceDecoder::new().unwrap();
        let mut energy = 0.0;
        for packet in &packets[100..] {
            let sound = decoder.decode(&packet.payload).unwrap();
            energy += sound.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
        }
        energy
    };
    let quieter = 10.0 * (sent(Cleaning::Off) / sent(Cleaning::Full)).log10();
    assert!(quieter > 25.0, "{quieter} dB");
}

#[test]
fn packets_are_as_old_as_the_cleaning_makes_them() {
    let first = |cleaning| talk(with_a_pause(), SPARING, cleaning, None).0[0].captured;
    assert_eq!(first(Cleaning::Off), START);
    assert_eq!(START.since(first(Cleaning::Noise)), Duration::from_millis(6));
    assert_eq!(START.since(first(Cleaning::Full)), Duration::from_millis(14));
}
