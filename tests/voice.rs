//! Nobody hears himself: the echo of a synthetic room is taken out of what the microphone hears, and
//! who speaks there is not. `cargo test --test voice -- --ignored --nocapture` prints the figures.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/room.rs"]
#[allow(unreachable_pub, reason = "a module of helpers")]
mod room;

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use room::{RATE, Room, babble, likeness, pcm, power, voice};
use twocan::config::Cleaning;
use twocan::media::voice::cleaner;

/// Seconds after which the canceller must know the room.
const LEARNT: usize = 2;

fn clean(room: &Room, far: &[f32], heard: &[f32]) -> Vec<f32> {
    room.cleaned(far, heard, &mut *cleaner(Cleaning::Full))
}

/// By how many dB the echo of `far` gets quieter, in the first 2 s and from then on, while nobody
/// speaks at this end.
fn enhancement(room: &Room, far: &[f32]) -> (f32, f32) {
    let heard = room.heard(far, &vec![0.0; far.len() - RATE / 10]);
    let cleaned = clean(room, far, &heard);
    let (learning, learnt) = heard[..cleaned.len()].split_at(LEARNT * RATE);
    let (before, after) = cleaned.split_at(LEARNT * RATE);
    (power(learning) - power(before), power(learnt) - power(after))
}

/// The one here speaks from 4 s on, into what the loudspeaker says all the time: how much louder (dB)
/// he leaves the house than if it were silent, and how much alike that is (1: the same).
fn double_talk(room: &Room, far: &[f32], near: &[f32]) -> (f32, f32) {
    let begin = 4 * RATE;
    let mut spoken = vec![0.0; begin];
    spoken.extend(near);
    spoken.truncate(far.len() - RATE / 10);
    let silence = vec![0.0; far.len()];
    let both = clean(room, far, &room.heard(far, &spoken));
    let alone = clean(room, &silence, &room.heard(&silence, &spoken));
    let (alone, both) = (&alone[begin..], &both[begin..]);
    let (_, alike) = likeness(&alone[..alone.len() - 960], both);
    (power(both) - power(alone), alike)
}

/// Grandmother says it twice.
fn from_the_loudspeaker() -> Vec<f32> {
    let once = voice("grandmother");
    [once.clone(), once].concat()
}

fn delayed(milliseconds: u64) -> Room {
    Room { delay: Duration::from_millis(milliseconds), ..Room::default() }
}

/// Stamps that jitter by 2 ms, and cards that drift apart by 100 ppm.
fn loose(room: Room) -> Room {
    Room { jitter: 2_000.0, drift: 1e-4, ..room }
}

#[test]
fn the_echo_of_speech_is_25_db_quieter_after_two_seconds() {
    let far = voice("grandmother");
    for room in [delayed(20), delayed(120), loose(delayed(60))] {
        let (_, enhancement) = enhancement(&room, &far);
        assert!(enhancement >= 25.0, "{enhancement} dB in {room:?}");
    }
}

#[test]
fn the_echo_of_babble_is_25_db_quieter_after_two_seconds() {
    let far = babble(8);
    for room in [delayed(60), loose(delayed(20))] {
        let (_, enhancement) = enhancement(&room, &far);
        assert!(enhancement >= 25.0, "{enhancement} dB in {room:?}");
    }
}

#[test]
fn who_speaks_while_the_loudspeaker_does_is_heard_as_if_it_were_silent() {
    let (far, near) = (from_the_loudspeaker(), voice("grandson"));
    for room in [delayed(60), loose(delayed(20))] {
        let (louder, alike) = double_talk(&room, &far, &near);
        assert!(louder.abs() <= 6.0, "{louder} dB in {room:?}");
        assert!(alike >= 0.65, "{alike} alike in {room:?}");
    }
}

#[test]
fn somebody_far_from_the_microphone_is_brought_nearer_and_a_quiet_room_is_not() {
    let room = Room::default();
    let quiet: Vec<f32> = voice("grandson").iter().map(|x| x * 0.08).collect();
    let silence = vec![0.0; quiet.len()];
    let heard = room.heard(&silence, &quiet);
    let gained = power(&clean(&room, &silence, &heard)[5 * RATE..]) - power(&heard[5 * RATE..]);
    assert!((3.0..24.0).contains(&gained), "the voice by {gained} dB");
    let heard = room.heard(&silence, &silence);
    let gained = power(&clean(&room, &silence, &heard)[5 * RATE..]) - power(&heard[5 * RATE..]);
    assert!(gained < 3.0, "the room by {gained} dB");
}

#[test]
fn noise_alone_is_suppressed_without_a_loudspeaker_and_off_changes_nothing() {
    let room = Room { noise: 45.0, ..Room::default() };
    let silence = vec![0.0; 6 * RATE];
    let heard = room.heard(&silence, &silence);
    let cleaned = room.cleaned(&silence, &heard, &mut *cleaner(Cleaning::Noise));
    let quieter = power(&heard[3 * RATE..]) - power(&cleaned[3 * RATE..]);
    assert!(quieter > 8.0, "{quieter} dB");
    let untouched = room.cleaned(&silence, &heard, &mut *cleaner(Cleaning::Off));
    assert!(heard.iter().zip(&untouched).all(|(a, b)| (a - b).abs() < 1e-4));
}

#[test]
#[ignore = "prints figures, asserts nothing"]
fn figures() {
    let (babble, far, near) = (babble(15), from_the_loudspeaker(), voice("grandson"));
    println!("echo return loss enhancement: first 2 s -> later; double talk: louder by, alike");
    for delay in [0, 20, 60, 120] {
        for (jitter, drift) in [(0.0, 0.0), (2_000.0, 0.0), (0.0, 1e-4), (2_000.0, 1e-4)] {
            let room = Room { jitter, drift, ..delayed(delay) };
            let (first, later) = enhancement(&room, &babble);
            print!("{delay:>3} ms, {:.0} ms jitter, {:>3.0} ppm", jitter / 1e3, drift * 1e6);
            print!(" | babble {first:>4.1} -> {later:>4.1} dB");
            let (first, later) = enhancement(&room, &far);
            print!(" | speech {first:>4.1} -> {later:>4.1} dB");
            let (louder, alike) = double_talk(&room, &far, &near);
            println!(" | {louder:>4.1} dB {alike:.2}");
        }
    }
    for cleaning in [Cleaning::Full, Cleaning::Noise, Cleaning::Off] {
        println!("{cleaning}: {:.0} µs of processor for 10 ms", cost(cleaning, &far));
    }
}

/// Processor time of one period, in µs.
fn cost(cleaning: Cleaning, far: &[f32]) -> f64 {
    let heard = Room::default().heard(far, far);
    let periods: Vec<_> =
        far.chunks_exact(480).map(pcm).zip(heard.chunks_exact(480).map(pcm)).collect();
    let mut cleaner = cleaner(cleaning);
    let spent = || {
        let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
        time.tv_sec() as f64 * 1e6 + time.tv_nsec() as f64 / 1e3
    };
    let before = spent();
    for (far, near) in &periods {
        cleaner.clean(&mut near.clone(), far);
    }
    (spent() - before) / periods.len() as f64
}
