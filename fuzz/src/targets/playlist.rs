//! What a server of stations says there is to hear: playlists, and where their segments lead.

use twocan::wire::playlist::{Playlist, SEGMENTS_LISTED, resolve};

use super::Target;

pub const TARGET: Target = Target { name: "playlist", is_slow: false, run, seeds };

const AT: &str = "http://house:8080/home/u/chuffs/live.m3u8";

fn run(data: &[u8]) {
    let Ok(playlist) = Playlist::parse(data) else { return };
    assert!(playlist.segments.len() <= SEGMENTS_LISTED);
    for segment in playlist.segments {
        assert!(!segment.length.is_zero());
        if let Ok(address) = resolve(AT, &segment.uri) {
            assert!(
                address.starts_with("http://house:8080/")
                    || address.starts_with("http://house:8080?")
            );
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../../tests/data/urtp/live.m3u8").to_vec(),
        b"#EXTM3U\r\n#EXT-X-VERSION:3\r\n".to_vec(),
        b"#EXTM3U\n#EXTINF:2,\nhttp://house:8080/1.ts\n#EXTINF:2,\n//other/2.ts\n/3.ts#x".to_vec(),
    ]
}
