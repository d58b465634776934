//! A camera's picture, on its way to the other end.

use std::cell::RefCell;

use twocan::codec::jpeg::{Decoder, Limits};
use twocan::codec::mend::Mender;
use twocan::frame::{PixelFormat, Size};
use twocan::wire::mjpeg::picture_size;

use super::{Target, jpeg};

pub const TARGET: Target = Target { name: "mend", is_slow: false, run, seeds };

const LIMITS: Limits = Limits::of(Size::new(160, 120));

thread_local! {
    static MENDER: RefCell<(Mender, Decoder)> = RefCell::new((
        Mender::new().expect("there is memory"),
        Decoder::new(LIMITS).expect("there is memory"),
    ));
}

fn run(data: &[u8]) {
    // Asked first by whoever mends.
    let fits = |size: Size| size.width <= LIMITS.size.width && size.height <= LIMITS.size.height;
    if !picture_size(data).is_some_and(fits) {
        return;
    }
    MENDER.with_borrow_mut(|(mender, decoder)| {
        let Ok(whole) = mender.whole(data) else { return };
        assert!(whole.starts_with(&[0xff, 0xd8]) && whole.ends_with(&[0xff, 0xd9]));
        let mut into = Vec::new();
        let _ = decoder.decode(whole, PixelFormat::I420, |_, bytes| {
            into.resize(bytes, 0);
            &mut into
        });
    });
}

fn seeds() -> Vec<Vec<u8>> {
    let whole = jpeg::picture(Size::new(32, 16));
    let without_end = whole[..whole.len() - 2].to_vec();
    let tables = whole.windows(2).position(|pair| pair == [0xff, 0xc4]).expect("it has some");
    let scan = whole.windows(2).position(|pair| pair == [0xff, 0xda]).expect("it has one");
    let without_tables = [&whole[..tables], &whole[scan..]].concat();
    let filled = [&without_end[..], &[0; 20]].concat();
    vec![whole, without_end, without_tables, filled]
}
