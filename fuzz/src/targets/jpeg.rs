//! A stranger's picture, on its way to the screen.

use std::cell::RefCell;

use twocan::codec::jpeg::{Decoder, Encoder, Limits};
use twocan::frame::{Picture, PixelFormat, Size};

use super::Target;

pub const TARGET: Target = Target { name: "jpeg", is_slow: false, run, seeds };

/// Less than in a call, so that a round is quick; what is over it is refused in the same way.
const LIMITS: Limits = Limits::of(Size::new(160, 120));

thread_local! {
    /// As in a call: the decoder of the picture before.
    static DECODER: RefCell<(Decoder, Vec<u8>)> =
        RefCell::new((Decoder::new(LIMITS).expect("there is memory"), Vec::new()));
}

fn run(data: &[u8]) {
    let format = if data.len() % 4 == 0 { PixelFormat::Rgb8 } else { PixelFormat::I420 };
    DECODER.with_borrow_mut(|(decoder, into)| {
        let said = decoder.size(data);
        let decoded = decoder.decode(data, format, |size, bytes| {
            assert!(size.width <= LIMITS.size.width && size.height <= LIMITS.size.height);
            assert_eq!(bytes, format.bytes(size));
            // To the byte, so that a write behind it is seen.
            *into = vec![0; bytes];
            into
        });
        if let Ok(size) = decoded {
            assert_eq!(said.ok(), Some(size));
        }
    });
}

/// A picture with something on it.
pub fn picture(size: Size) -> Vec<u8> {
    let data = (0..PixelFormat::I420.bytes(size)).map(|at| (at * at / 7 % 251) as u8).collect();
    let picture = Picture { size, data, ..Picture::default() };
    let mut encoder = Encoder::new(20).expect("there is memory");
    encoder.encode(&picture).expect("an even size").to_vec()
}

fn seeds() -> Vec<Vec<u8>> {
    let small = picture(Size::new(16, 16));
    let mut huge = small.clone();
    let header = huge.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("it has one");
    huge[header + 5..header + 9].fill(0xfa);
    let torn = small[..small.len() - 30].to_vec();
    // Made by other encoders: progressive, grey, 4:2:2, 4:4:4, restart markers, arithmetic coding.
    let mut seeds = vec![small, picture(Size::new(64, 48)), huge, torn];
    seeds.extend(OTHERS.iter().map(|jpeg| jpeg.to_vec()));
    seeds
}

const OTHERS: &[&[u8]] = &[
    include_bytes!("../../seeds/progressive.jpg"),
    include_bytes!("../../seeds/grey.jpg"),
    include_bytes!("../../seeds/422.jpg"),
    include_bytes!("../../seeds/444-restart.jpg"),
    include_bytes!("../../seeds/arithmetic.jpg"),
    include_bytes!("../../seeds/cmyk.jpg"),
];
