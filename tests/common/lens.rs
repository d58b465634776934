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
        let dark = match (place(x, left), place(y, top)) {
            (Some(column), Some(row)) => {
                column < code.size && row < code.size && code[row][column].value()
            }
            _ => false,
        };
        if dark { 20 } else { 220 }
    })
}

/// A kiosk's screen, as its screenshot (a PNG) has it, as large in the view as it can be.
pub fn of_screen(png: &[u8]) -> Vec<u8> {
    let (wide, high, rgb) = pixels(png);
    // Pixels of the screen a pixel of the camera: the same both ways.
    let scale = (wide as f64 / WIDTH as f64).max(high as f64 / HEIGHT as f64);
    let grey = |x: f64, y: f64| {
        let (x, y) = ((x * scale + wide as f64 / 2.0), (y * scale + high as f64 / 2.0));
        let inside = x >= 0.0 && y >= 0.0 && x < wide as f64 && y < high as f64;
        if !inside {
            return 25;
        }
        let pixel = &rgb[(y as usize * wide + x as usize) * 3..][..3];
        pixel.iter().map(|part| u32::from(*part)).sum::<u32>() / 3
    };
    jpeg(|x, y| {
        let (x, y) = (x as f64 - WIDTH as f64 / 2.0, y as f64 - HEIGHT as f64 / 2.0);
        // The mean of four places within the camera's pixel.
        let sum: u32 = [0.25, 0.75]
            .iter()
            .flat_map(|dx| [0.25, 0.75].iter().map(move |dy| (dx, dy)))
            .map(|(dx, dy)| grey(x + dx, y + dy))
            .sum();
        u8::try_from(sum / 4).unwrap()
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

/// Something green, ...
pub fn green() -> Vec<u8> {
    coloured(|_, _| 110, [90, 70])
}

/// ... and something blue: whose picture is on which screen is to be seen.
pub fn blue() -> Vec<u8> {
    coloured(|_, _| 90, [190, 110])
}

/// Pixels of a screenshot that are that green, and that blue.
pub fn green_and_blue(png: &[u8]) -> [usize; 2] {
    let rgb = pixels(png).2;
    let count = |is: fn([i32; 3]) -> bool| {
        rgb.chunks_exact(3).filter(|pixel| is([0, 1, 2].map(|part| i32::from(pixel[part])))).count()
    };
    [
        count(|[red, green, blue]| green > red + 90 && green > blue + 90),
        count(|[red, green, blue]| blue > red + 90 && blue > green + 90),
    ]
}

/// The camera's picture with this grey at (x, y).
fn jpeg(grey: impl Fn(usize, usize) -> u8) -> Vec<u8> {
    coloured(grey, [128, 128])
}

/// With this brightness there, and this colour (U and V) everywhere.
fn coloured(grey: impl Fn(usize, usize) -> u8, [u, v]: [u8; 2]) -> Vec<u8> {
    let size = Size::new(WIDTH as u32, HEIGHT as u32);
    let mut data: Vec<u8> =
        (0..WIDTH * HEIGHT).map(|place| grey(place % WIDTH, place / WIDTH)).collect();
    data.resize(WIDTH * HEIGHT * 5 / 4, u);
    data.resize(PixelFormat::I420.bytes(size), v);
    let picture = Picture { captured: Time::default(), size, format: PixelFormat::I420, data };
    Encoder::new(85).unwrap().encode(&picture).unwrap().to_vec()
}
