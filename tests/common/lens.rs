//! What is held up before a kiosk's synthetic camera: codes on paper, screens, terminals.
//!
//! ```text
//!  text ─────────── photographed ─┐
//!  PNG of a screen ─ of_screen ───┼─> JPEG of 640x480 ──> Lens: the folder that `camera.source` names
//!  lines of a terminal ───────────┘
//! ```
//! The camera reads its file anew for every picture, so what is before it changes while it looks.

use std::fs;
use std::path::{Path, PathBuf};

use fast_qr::QRBuilder;
use twocan::clock::Time;
use twocan::codec::jpeg::Encoder;
use twocan::frame::{Picture, PixelFormat, Size};

const WIDTH: usize = 640;
const HEIGHT: usize = 480;

/// A camera's view.
pub struct Lens {
    folder: PathBuf,
}

impl Lens {
    /// A wall, in a folder that is made.
    pub fn at(folder: &Path) -> Lens {
        fs::create_dir_all(folder).unwrap();
        let lens = Lens { folder: folder.to_owned() };
        lens.sees(&wall());
        lens
    }

    /// The value of `camera.source`.
    pub fn source(&self) -> String {
        self.folder.display().to_string()
    }

    /// From now on this JPEG.
    pub fn sees(&self, jpeg: &[u8]) {
        let new = self.folder.join("new");
        fs::write(&new, jpeg).unwrap();
        fs::rename(new, self.folder.join("view.jpg")).unwrap();
    }
}

/// Nothing to be read.
pub fn wall() -> Vec<u8> {
    jpeg(|_, y| u8::try_from(90 + y / 8).unwrap())
}

/// A sheet with the text as a QR code in its middle.
pub fn photographed(text: &str) -> Vec<u8> {
    let code = QRBuilder::new(text).build().unwrap();
    let module = 440 / (code.size + 8);
    let (left, top) = ((WIDTH - code.size * module) / 2, (HEIGHT - code.size * module) / 2);
    jpeg(|x, y| {
        let place = |at: usize, start: usize| at.checked_sub(start).map(|at| at / module);
        match (place(x, left), place(y, top)) {
            (Some(column), Some(row)) if column < code.size && row < code.size => {
                if code[row][column].value() { 20 } else { 220 }
            }
            _ => 220,
        }
    })
}

/// A kiosk's screen, as its screenshot (a PNG) has it, that fills the view.
pub fn of_screen(png: &[u8]) -> Vec<u8> {
    let (wide, high, rgb) = pixels(png);
    jpeg(|x, y| {
        // The mean of four places of the screen, which no pixel of a camera falls between.
        let at = |dx: usize, dy: usize| {
            let (sx, sy) = ((2 * x + dx) * wide / (2 * WIDTH), (2 * y + dy) * high / (2 * HEIGHT));
            let pixel = &rgb[(sy * wide + sx) * 3..][..3];
            pixel.iter().map(|part| u32::from(*part)).sum::<u32>() / 3
        };
        u8::try_from((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1)) / 4).unwrap()
    })
}

/// A window of a terminal in which this was printed, photographed so that its code fills the view.
/// Light letters on a dark ground, but where it says otherwise.
pub fn of_terminal(said: &str) -> Vec<u8> {
    const COLOURED: &str = "\x1b[30;107m";
    let coloured = |line: &str| {
        let inside = line.strip_prefix(COLOURED)?.strip_suffix("\x1b[0m")?;
        Some(inside.chars().collect::<Vec<_>>())
    };
    let lines: Vec<Vec<char>> = said.lines().filter_map(coloured).collect();
    assert!(lines.len() > 10, "no code is printed: {said}");
    assert!(lines[0].len() <= 80, "{} columns of a terminal", lines[0].len());
    let cell = (WIDTH / (lines[0].len() + 2)).min(HEIGHT / (2 * (lines.len() + 1)));
    jpeg(|x, y| {
        let (column, row) = (x / cell, y / (2 * cell));
        let upper = y % (2 * cell) < cell;
        match lines.get(row).and_then(|line| line.get(column)) {
            None => 25,
            Some('█') => 25,
            Some('▀') if upper => 25,
            Some('▄') if !upper => 25,
            Some(_) => 235,
        }
    })
}

/// Width, height, and red, green and blue of every pixel of a PNG.
pub fn pixels(png: &[u8]) -> (usize, usize, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgb).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    (info.width as usize, info.height as usize, rgb)
}

/// The camera's picture with this grey at (x, y).
fn jpeg(grey: impl Fn(usize, usize) -> u8) -> Vec<u8> {
    let size = Size::new(WIDTH as u32, HEIGHT as u32);
    let mut data: Vec<u8> =
        (0..WIDTH * HEIGHT).map(|place| grey(place % WIDTH, place / WIDTH)).collect();
    data.resize(PixelFormat::I420.bytes(size), 128);
    let picture = Picture { captured: Time::default(), size, format: PixelFormat::I420, data };
    Encoder::new(85).unwrap().encode(&picture).unwrap().to_vec()
}
