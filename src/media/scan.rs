//! The worker that reads QR codes off a camera.
//!
//! ```text
//!  camera ─> Camera ─┬─> Queue<Packet>, newest wins ─> Scan ── every 150 ms ─> grey ─> rqrr ─> text
//!                    └─> the small own picture
//! ```
//! It takes the JPEGs of a [`super::camera::Camera`] without a gate, so that the camera has one owner
//! and the preview is the own picture of a call. Pictures are looked at as grey ones of 800 pixels at
//! most, and the other way round when nothing was found: a camera may be set to mirror. What is read is
//! a stranger's; of text over [`TEXT_LIMIT`] nothing is said.

use std::time::Duration;

use rqrr::PreparedImage;

use crate::card::TEXT_LIMIT;
use crate::clock::Time;
use crate::codec::jpeg::{Decoder, JpegError, Limits};
use crate::codec::shrink::Shrinker;
use crate::frame::{Packet, Size};
use crate::queue::{Queue, Received};
use crate::stop::Stop;
use crate::supervisor::{Worker, WorkerError};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(150);
/// Pixels of a picture's longer side that are looked at.
const ENOUGH: u32 = 800;
/// The largest picture of a camera.
const LARGEST: Size = Size::new(4096, 4096);
/// Codes in one picture that are read.
const CODES: usize = 4;

/// See the top of the file.
pub struct Scan {
    pictures: Queue<Packet>,
    found: Box<dyn FnMut(String) + Send>,
    last: Option<String>,
}

impl Scan {
    /// Look at `pictures`; each new text goes to `found`, once until another one is seen.
    pub fn new(pictures: Queue<Packet>, found: impl FnMut(String) + Send + 'static) -> Self {
        Self { pictures, found: Box::new(found), last: None }
    }
}

impl Worker for Scan {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let mut eye = Eye::new()?;
        let mut next = Time::default();
        while let Received::Item(packet) = self.pictures.receive(stop, None) {
            if packet.captured < next {
                continue;
            }
            next = packet.captured + PAUSE;
            // A torn picture is followed by a whole one.
            let Ok(Some(text)) = eye.read(&packet.payload) else { continue };
            if self.last.as_ref() != Some(&text) {
                self.last = Some(text.clone());
                (self.found)(text);
            }
        }
        Ok(())
    }
}

/// Finds codes in JPEGs.
struct Eye {
    header: Decoder,
    shrinker: Shrinker,
    grey: Vec<u8>,
}

impl Eye {
    fn new() -> Result<Self, JpegError> {
        let limits = Limits::of(LARGEST);
        Ok(Self { header: Decoder::new(limits)?, shrinker: Shrinker::new()?, grey: Vec::new() })
    }

    fn read(&mut self, jpeg: &[u8]) -> Result<Option<String>, JpegError> {
        let size = self.header.size(jpeg)?;
        let longer = size.width.max(size.height).max(1);
        let eighths = (8 * ENOUGH / longer).clamp(1, 8);
        let small = self.shrinker.jpeg(jpeg, eighths)?;
        let (width, height) = (small.size.width as usize, small.size.height as usize);
        self.grey.clear();
        self.grey.extend_from_slice(&small.data[..width * height]);
        if let Some(text) = read_grey(width, height, &self.grey) {
            return Ok(Some(text));
        }
        self.grey.chunks_exact_mut(width.max(1)).for_each(<[u8]>::reverse);
        Ok(read_grey(width, height, &self.grey))
    }
}

/// The text of a QR code in a grey picture of `width` x `height` bytes.
fn read_grey(width: usize, height: usize, grey: &[u8]) -> Option<String> {
    if width == 0 || height == 0 || grey.len() < width * height {
        return None;
    }
    let mut picture =
        PreparedImage::prepare_from_greyscale(width, height, |x, y| grey[y * width + x]);
    let codes = picture.detect_grids();
    let mut texts = codes.iter().take(CODES).filter_map(|code| code.decode().ok());
    texts.find_map(|(_, text)| (text.len() <= TEXT_LIMIT).then_some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::{self, Card, Code};
    use crate::codec::jpeg::Encoder;
    use crate::frame::{PacketKind, Picture, PixelFormat};
    use crate::identity::PeerKey;
    use crate::stop::stop_pair;
    use fast_qr::qr::QRBuilder;
    use std::sync::{Arc, Mutex};

    fn text() -> String {
        let direct = vec!["192.0.2.7:22".parse().unwrap()];
        let key = PeerKey([7; 32]);
        Card { name: "Anna".to_owned(), key, meeting: Vec::new(), direct }.to_text()
    }

    /// How a code comes before a camera.
    #[derive(Clone, Copy)]
    struct View {
        /// How much smaller it is at its right end: it is held askew.
        askew: f64,
        /// Turned by so much, in radians.
        turned: f64,
        /// Light and dark, of 255.
        paper: u8,
        ink: u8,
        /// Pixels by which it is out of focus.
        blur: usize,
        /// Values are off by so much at most.
        noise: u8,
        mirrored: bool,
    }

    const PLAIN: View =
        View { askew: 0.0, turned: 0.0, paper: 235, ink: 20, blur: 0, noise: 0, mirrored: false };

    const WIDTH: usize = 640;
    const HEIGHT: usize = 480;

    /// A code as a camera sees it on a wall that is neither light nor dark.
    fn seen(text: &str, view: View) -> Vec<u8> {
        let code = QRBuilder::new(text).build().unwrap();
        let modules = code.size as f64;
        let mut random = 12_345_u32;
        let mut grey = vec![0_u8; WIDTH * HEIGHT];
        for (place, pixel) in grey.iter_mut().enumerate() {
            let (x, y) = ((place % WIDTH) as f64, (place / WIDTH) as f64);
            let x = if view.mirrored { WIDTH as f64 - 1.0 - x } else { x };
            let (dx, dy) = (x - WIDTH as f64 / 2.0, y - HEIGHT as f64 / 2.0);
            let (sin, cos) = view.turned.sin_cos();
            let (u, v) = (dx * cos + dy * sin, dy * cos - dx * sin);
            let depth = 1.0 + view.askew * u / WIDTH as f64;
            // The code and its quiet edge are 420 pixels wide.
            let scale = (modules + 8.0) / 420.0 * depth;
            let column = u * scale + modules / 2.0;
            let row = v * scale + modules / 2.0;
            let inside = |at: f64| at >= 0.0 && at < modules;
            let on_paper = |at: f64| at >= -4.0 && at < modules + 4.0;
            *pixel = if inside(column) && inside(row) {
                let dark = code[row as usize][column as usize].value();
                if dark { view.ink } else { view.paper }
            } else if on_paper(column) && on_paper(row) {
                view.paper
            } else {
                (view.paper / 2).max(view.ink)
            };
        }
        for _ in 0..view.blur {
            let sharp = grey.clone();
            for y in 1..HEIGHT - 1 {
                for x in 1..WIDTH - 1 {
                    let around = (y - 1..=y + 1).flat_map(|y| (x - 1..=x + 1).map(move |x| (x, y)));
                    let sum: u32 = around.map(|(x, y)| u32::from(sharp[y * WIDTH + x])).sum();
                    grey[y * WIDTH + x] = (sum / 9) as u8;
                }
            }
        }
        for pixel in &mut grey {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let off = (random >> 16) as u8 % (2 * view.noise + 1);
            *pixel = pixel.saturating_add(off).saturating_sub(view.noise);
        }
        grey
    }

    fn jpeg(grey: &[u8]) -> Vec<u8> {
        let size = Size::new(WIDTH as u32, HEIGHT as u32);
        let mut data = grey.to_vec();
        data.resize(PixelFormat::I420.bytes(size), 128);
        let picture = Picture { captured: Time::default(), size, format: PixelFormat::I420, data };
        Encoder::new(80).unwrap().encode(&picture).unwrap().to_vec()
    }

    #[test]
    fn a_card_is_read_askew_turned_blurred_noisy_dark_and_mirrored() {
        let views = [
            ("plain", PLAIN),
            ("askew", View { askew: 0.35, ..PLAIN }),
            ("turned", View { turned: 0.5, ..PLAIN }),
            ("out of focus", View { blur: 2, ..PLAIN }),
            ("noisy", View { noise: 25, ..PLAIN }),
            ("in the dark", View { paper: 70, ink: 25, noise: 5, ..PLAIN }),
            ("mirrored", View { mirrored: true, ..PLAIN }),
            (
                "all of it",
                View { askew: 0.2, turned: 0.2, blur: 1, noise: 10, paper: 150, ..PLAIN },
            ),
        ];
        let mut eye = Eye::new().unwrap();
        for (how, view) in views {
            let read = eye.read(&jpeg(&seen(&text(), view))).unwrap();
            assert_eq!(read.as_deref(), Some(text().as_str()), "{how}");
        }
        assert!(matches!(card::read(&text()), Ok(Code::Card(_))));
        let wall = vec![90; WIDTH * HEIGHT];
        assert_eq!(eye.read(&jpeg(&wall)).unwrap(), None);
        assert!(eye.read(b"no picture").is_err());
    }

    #[test]
    fn each_new_text_is_reported_once_and_it_ends_with_its_queue() {
        let pictures = Queue::newest_wins(8);
        let views = [text(), text(), "hello".to_owned(), text()];
        for (number, text) in (0..).zip(&views) {
            let captured = Time::default() + PAUSE * number;
            let payload = jpeg(&seen(text, PLAIN)).into();
            let (kind, sequence, after_gap) = (PacketKind::Picture, number, false);
            pictures.send(Packet { kind, sequence, captured, after_gap, payload }).unwrap();
        }
        pictures.close();
        let found = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&found);
        let (_stopper, stop) = stop_pair();
        let mut scan = Scan::new(pictures, move |text| into.lock().unwrap().push(text));
        scan.run_once(&stop).unwrap();
        assert_eq!(*found.lock().unwrap(), [text(), "hello".to_owned(), text()]);
    }
}
