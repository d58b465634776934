//! The targets. A new one is a file here and a line in [`ALL`].

mod card;
mod config;
mod contacts;
mod control;
mod dial;
mod door;
mod event_log;
mod jpeg;
mod known_hosts;
mod length_byte;
mod mend;
mod mjpeg;
mod mp3;
mod opus;
mod packets;
mod pairing;
mod photo;
mod playlist;
mod signals;
mod urtp;
mod visitor;

use std::path::Path;
use std::sync::OnceLock;

/// Something that hostile bytes get into.
pub struct Target {
    /// Its name, and that of its folder in fuzz/corpus.
    pub name: &'static str,
    /// A round costs a millisecond and more: it is run by count, a hundredth of the others'.
    pub is_slow: bool,
    /// One round. It returns, whatever the bytes are.
    pub run: fn(&[u8]),
    /// What a corpus begins with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// In the order in which they are run: the parsers, then the handshakes.
const ALL: &[Target] = &[
    signals::TARGET,
    packets::TARGET,
    mjpeg::TARGET,
    length_byte::TARGET,
    event_log::TARGET,
    urtp::TARGET,
    jpeg::TARGET,
    mend::TARGET,
    opus::TARGET,
    mp3::TARGET,
    playlist::TARGET,
    config::TARGET,
    contacts::TARGET,
    control::TARGET,
    photo::TARGET,
    card::TARGET,
    known_hosts::TARGET,
    pairing::MESSAGES,
    pairing::TALKS,
    door::TARGET,
    dial::TARGET,
    visitor::TARGET,
];

static CHOSEN: OnceLock<fn(&[u8])> = OnceLock::new();

/// Take the target that `TWOCAN_FUZZ` names, or do what else it says and end.
pub fn choose() {
    let wanted = std::env::var("TWOCAN_FUZZ").unwrap_or_default();
    match wanted.as_str() {
        "list" => {
            for target in ALL {
                println!("{}{}", target.name, if target.is_slow { " *" } else { "" });
            }
            std::process::exit(0);
        }
        "seeds" => {
            ALL.iter().for_each(plant);
            std::process::exit(0);
        }
        name => match ALL.iter().find(|target| target.name == name) {
            Some(target) => drop(CHOSEN.set(target.run)),
            None => {
                eprintln!("TWOCAN_FUZZ={name}: no such target; TWOCAN_FUZZ=list prints them");
                std::process::exit(2);
            }
        },
    }
}

fn plant(target: &Target) {
    let folder = Path::new(target.name);
    std::fs::create_dir_all(folder).expect("the folder can be made");
    for (number, seed) in (0..).zip((target.seeds)()) {
        std::fs::write(folder.join(format!("seed-{number}")), seed).expect("a seed can be written");
    }
}

/// One round.
pub fn run(data: &[u8]) {
    CHOSEN.get().expect("chosen before the first round")(data);
}

/// Seeds of texts.
fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
