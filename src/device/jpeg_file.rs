//! Recorded pictures: a file of JPEGs back to back, or a folder of JPEG files in the order of their
//! names; over and over, at a steady rate, untouched.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::frame::{Picture, PixelFormat, Size};
use crate::stop::Stop;
use crate::wire::mjpeg::{Splitter, picture_size};
use crate::wire::packet::PICTURE_LIMIT;

use super::ticker::Ticker;
use super::{DeviceError, VideoSource};

/// The player.
pub struct JpegFile {
    path: PathBuf,
    reel: Reel,
    size: Size,
    ticker: Ticker,
    /// The first picture, read at the opening and not shown yet.
    first: Option<Bytes>,
}

enum Reel {
    File { file: File, splitter: Option<Splitter> },
    Folder { pictures: Vec<PathBuf>, next: usize },
}

impl JpegFile {
    /// Open `path` to play `fps` pictures a second.
    ///
    /// # Errors
    /// It can't be read, or holds no JPEG.
    pub fn open(path: &Path, fps: f64) -> Result<Self, DeviceError> {
        let failed = |cause: String| failure("open pictures", path, cause);
        let reel = Reel::open(path).map_err(failed)?;
        let ticker = Ticker::new(fps).map_err(|error| failed(error.to_string()))?;
        let mut file =
            Self { path: path.to_owned(), reel, size: Size::default(), ticker, first: None };
        let first = file.reel.next().map_err(failed)?;
        let none = || failed("its first picture is not a JPEG".to_owned());
        file.size = picture_size(&first).ok_or_else(none)?;
        file.first = Some(first);
        Ok(file)
    }
}

impl VideoSource for JpegFile {
    fn shape(&self) -> (Size, PixelFormat) {
        (self.size, PixelFormat::Jpeg)
    }

    fn read(&mut self, into: &mut Picture, stop: &Stop) -> Result<bool, DeviceError> {
        let failed = |cause: String| failure("read pictures from", &self.path, cause);
        let jpeg = match self.first.take() {
            Some(first) => first,
            None => self.reel.next().map_err(failed)?,
        };
        let size = picture_size(&jpeg);
        into.size = size.ok_or_else(|| failed("a picture is not a JPEG".to_owned()))?;
        let tick = self.ticker.tick(stop).map_err(|error| failed(error.to_string()))?;
        let Some(tick) = tick else { return Ok(false) };
        into.captured = tick;
        into.format = PixelFormat::Jpeg;
        into.data.clear();
        into.data.extend_from_slice(&jpeg);
        Ok(true)
    }
}

impl Reel {
    fn open(path: &Path) -> Result<Self, String> {
        let text = |error: std::io::Error| error.to_string();
        if !path.is_dir() {
            let file = File::open(path).map_err(text)?;
            return Ok(Self::File { file, splitter: None });
        }
        let mut pictures = Vec::new();
        for entry in fs::read_dir(path).map_err(text)? {
            let path = entry.map_err(text)?.path();
            let extension = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
            if ["jpg", "jpeg"].contains(&extension.to_ascii_lowercase().as_str()) {
                pictures.push(path);
            }
        }
        if pictures.is_empty() {
            return Err("the folder holds no .jpg or .jpeg file".to_owned());
        }
        pictures.sort();
        Ok(Self::Folder { pictures, next: 0 })
    }

    /// The next picture; after the last one, the first again.
    fn next(&mut self) -> Result<Bytes, String> {
        match self {
            Self::Folder { pictures, next } => {
                let path = &pictures[*next];
                *next = (*next + 1) % pictures.len();
                let name = path.display();
                let mut bytes = Vec::new();
                let read = File::open(path)
                    .and_then(|file| file.take(PICTURE_LIMIT as u64 + 1).read_to_end(&mut bytes));
                read.map_err(|error| format!("{name}: {error}"))?;
                if bytes.len() > PICTURE_LIMIT {
                    return Err(format!("{name} has more than {PICTURE_LIMIT} bytes"));
                }
                Ok(bytes.into())
            }
            Self::File { file, splitter } => {
                let mut rewound = false;
                let mut bytes = [0; 16 * 1024];
                loop {
                    let cutter = splitter.get_or_insert_with(|| Splitter::new(PICTURE_LIMIT));
                    if let Some(picture) = cutter.next_picture().map_err(|e| e.to_string())? {
                        return Ok(picture);
                    }
                    let length = file.read(&mut bytes).map_err(|error| error.to_string())?;
                    if length > 0 {
                        cutter.push(&bytes[..length]);
                        continue;
                    }
                    let last = splitter.take().and_then(Splitter::finish);
                    file.rewind().map_err(|error| error.to_string())?;
                    if let Some(picture) = last {
                        return Ok(picture);
                    }
                    if rewound {
                        return Err("it holds no JPEG pictures".to_owned());
                    }
                    rewound = true;
                }
            }
        }
    }
}

fn failure(deed: &'static str, path: &Path, cause: String) -> DeviceError {
    DeviceError { deed, device: path.display().to_string(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::jpeg::Encoder;
    use crate::stop::stop_pair;

    fn jpeg(luma: u8) -> Vec<u8> {
        let size = Size::new(32, 16);
        let data = vec![luma; PixelFormat::I420.bytes(size)];
        let picture = Picture { size, format: PixelFormat::I420, data, ..Picture::default() };
        Encoder::new(75).unwrap().encode(&picture).unwrap().to_vec()
    }

    fn play(path: &Path, pictures: usize) -> Vec<Vec<u8>> {
        let mut file = JpegFile::open(path, 1000.0).unwrap();
        assert_eq!(file.shape(), (Size::new(32, 16), PixelFormat::Jpeg));
        let (_stopper, stop) = stop_pair();
        let mut picture = Picture::default();
        let mut seen = Vec::new();
        for _ in 0..pictures {
            assert!(file.read(&mut picture, &stop).unwrap());
            seen.push(picture.data.clone());
        }
        seen
    }

    #[test]
    fn a_file_and_a_folder_play_over_and_over_with_every_byte_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (dark, light) = (jpeg(20), jpeg(200));
        let film = folder.path().join("film.mjpeg");
        fs::write(&film, [dark.clone(), light.clone()].concat()).unwrap();
        let wanted = [dark.clone(), light.clone(), dark.clone(), light.clone(), dark.clone()];
        assert_eq!(play(&film, 5), wanted);
        fs::write(folder.path().join("2.JPG"), &light).unwrap();
        fs::write(folder.path().join("1.jpeg"), &dark).unwrap();
        assert_eq!(play(folder.path(), 5), wanted);
    }

    #[test]
    fn what_holds_no_pictures_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.mjpeg");
        fs::write(&empty, b"").unwrap();
        let text = folder.path().join("text.mjpeg");
        fs::write(&text, "no pictures\n".repeat(1000)).unwrap();
        let missing = folder.path().join("missing");
        for path in [folder.path(), &empty, &text, &missing] {
            let error = JpegFile::open(path, 30.0).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }
}
