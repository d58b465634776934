//! `twocan.toml`.

use twocan::config::Config;

use super::Target;

pub const TARGET: Target = Target { name: "config", is_slow: false, run, seeds };

fn run(data: &[u8]) {
    if let Err(error) = Config::parse("twocan.toml", data) {
        // The sentence that a person reads.
        assert!(error.to_string().len() < 4096 + data.len());
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let all = include_str!("../../../kiosk/twocan.toml");
    // Its keys without its words: short ones are changed better.
    let bare: String = all
        .lines()
        .map(|line| line.strip_prefix('#').map_or(line, str::trim_start))
        .filter(|line| line.contains(" = ") || line.starts_with('['))
        .map(|line| format!("{line}\n"))
        .collect();
    let mut seeds: Vec<Vec<u8>> = bare
        .split_inclusive("\n[")
        .map(|part| format!("[{}", part.trim_start_matches('[')).into())
        .collect();
    seeds.push(bare.into());
    seeds
}
