//! A recording of what comes in, as it came: one file of JPEGs back to back, or a folder of
//! numbered JPEG files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::clock::Time;
use crate::frame::{PixelFormat, Size};

use super::{DeviceError, VideoSink};

/// The sink.
pub struct FileVideo {
    path: PathBuf,
    to: To,
    buffer: Vec<u8>,
}

enum To {
    File(File),
    Folder { next: u64 },
}

impl FileVideo {
    /// Into a folder if `path` is one (or ends with a slash, then it is made), else into a new file;
    /// an existing file is added to, numbers go on after the highest there is.
    ///
    /// # Errors
    /// It can't be written to.
    pub fn open(path: &Path) -> Result<Self, DeviceError> {
        let to = To::open(path).map_err(|error| failure("open recording", path, &error))?;
        Ok(Self { path: path.to_owned(), to, buffer: Vec::new() })
    }
}

impl To {
    fn open(path: &Path) -> io::Result<Self> {
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            fs::create_dir_all(path)?;
        }
        if !path.is_dir() {
            return Ok(Self::File(OpenOptions::new().create(true).append(true).open(path)?));
        }
        let mut next = 1;
        for entry in fs::read_dir(path)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".jpg")?.parse().ok());
            next = next.max(number.map_or(1, |number: u64| number.saturating_add(1)));
        }
        Ok(Self::Folder { next })
    }
}

impl VideoSink for FileVideo {
    fn format(&self) -> PixelFormat {
        PixelFormat::Jpeg
    }

    fn lease(&mut self, _size: Size, bytes: usize) -> &mut [u8] {
        self.buffer.resize(bytes, 0);
        &mut self.buffer
    }

    fn push(&mut self, _captured: Time) -> Result<(), DeviceError> {
        let written = match &mut self.to {
            To::File(file) => file.write_all(&self.buffer),
            To::Folder { next } => {
                let path = self.path.join(format!("{next:06}.jpg"));
                *next += 1;
                fs::write(path, &self.buffer)
            }
        };
        written.map_err(|error| failure("write recording", &self.path, &error))
    }
}

fn failure(deed: &'static str, path: &Path, error: &io::Error) -> DeviceError {
    DeviceError { deed, device: path.display().to_string(), cause: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(path: &Path, pictures: &[&[u8]]) {
        let mut sink = FileVideo::open(path).unwrap();
        for picture in pictures {
            sink.lease(Size::new(2, 2), picture.len()).copy_from_slice(picture);
            sink.push(Time::default()).unwrap();
        }
    }

    #[test]
    fn pictures_go_back_to_back_into_a_file_and_numbered_into_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let film = folder.path().join("film.mjpeg");
        record(&film, &[b"one", b"three"]);
        record(&film, &[b"2"]);
        assert_eq!(fs::read(&film).unwrap(), b"onethree2");
        let mut into = folder.path().join("pictures").into_os_string();
        into.push("/");
        let into = PathBuf::from(into);
        record(&into, &[b"one", b"two"]);
        record(&into, &[b"three"]);
        for (name, bytes) in [("000001.jpg", "one"), ("000002.jpg", "two"), ("000003.jpg", "three")]
        {
            assert_eq!(fs::read_to_string(into.join(name)).unwrap(), bytes);
        }
    }

    #[test]
    fn a_full_disk_is_an_error_that_names_the_recording() {
        let mut sink = FileVideo::open(Path::new("/dev/full")).unwrap();
        sink.lease(Size::new(2, 2), 3).copy_from_slice(b"abc");
        let error = sink.push(Time::default()).unwrap_err();
        assert!(error.to_string().contains("/dev/full"), "{error}");
    }
}
