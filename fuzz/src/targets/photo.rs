//! A contact's photo, looked at by its header.

use twocan::frame::Size;
use twocan::photo::inspect;

use super::{Target, jpeg};

pub const TARGET: Target = Target { name: "photo", is_slow: false, run, seeds };

fn run(data: &[u8]) {
    if let Ok((_, size)) = inspect(data) {
        assert!(size.pixels() > 0 && size.width <= 4096 && size.height <= 4096);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x02\x80\0\0\x01\xe0\x08\x02\0\0\0".to_vec();
    png.extend([0x2f, 0x55, 0x9a, 0x11]);
    vec![png, jpeg::picture(Size::new(16, 16))]
}
