//! Bare C loops over libjpeg-turbo and libopus: the floor under the rows of `units`.
//!
//! ```text
//!  benches/bare.c ── cc ──> bare encode FILE 30 10 ──> a time per batch
//! ```
//! They run over the same picture and the same sound as ours, with the same settings, and are linked
//! with Debian's libraries. Without a compiler or the libraries there is no floor.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

use super::lab::Lab;
use super::pieces;
use super::video::SIZE;

const SOURCE: &str = include_str!("../../../benches/bare.c");

/// The compiled loops and what they run over.
pub(super) struct Bare {
    folder: PathBuf,
}

impl Bare {
    /// Compile them; none where that does not work.
    ///
    /// # Errors
    /// The bench's folder can't be written to.
    pub(super) fn compile(lab: &Lab) -> anyhow::Result<Option<Self>> {
        let folder = lab.folder("bare")?;
        fs::write(folder.join("bare.c"), SOURCE)?;
        let mut cc = Command::new("cc");
        cc.current_dir(&folder).args(["-O2", "-o", "bare", "bare.c", "-lturbojpeg", "-lopus"]);
        match cc.output() {
            Ok(out) if out.status.success() => {}
            _ => {
                eprintln!("bench: no bare loops: cc, libturbojpeg0-dev and libopus-dev are wanted");
                return Ok(None);
            }
        }
        fs::write(folder.join("picture.yuv"), pieces::picture()?.data)?;
        fs::write(folder.join("picture.jpg"), pieces::jpeg()?)?;
        let sound: Vec<u8> = pieces::sound().into_iter().flat_map(i16::to_ne_bytes).collect();
        fs::write(folder.join("sound"), sound)?;
        // Each packet with its length before it, in one byte.
        let mut packets = Vec::new();
        for packet in pieces::voice()? {
            packets.push(u8::try_from(packet.len()).context("a voice packet of over 255 bytes")?);
            packets.extend(packet);
        }
        fs::write(folder.join("packets"), packets)?;
        Ok(Some(Self { folder }))
    }

    /// The time of one turn of the loop `name`, in µs, in each of the batches of `size`.
    ///
    /// # Errors
    /// It failed.
    pub(super) fn time(&self, name: &str, batches: usize, size: usize) -> anyhow::Result<Vec<f64>> {
        let file = match name {
            "encode" => "picture.yuv",
            "decode" | "rgb" => "picture.jpg",
            "opus-encode" => "sound",
            _ => "packets",
        };
        let mut bare = Command::new(self.folder.join("bare"));
        bare.current_dir(&self.folder).args([name, file]);
        bare.args(
            [batches, size, SIZE.width as usize, SIZE.height as usize].map(|n| n.to_string()),
        );
        let out = bare.output().context("run the bare loops")?;
        if !out.status.success() {
            bail!("the bare loop {name} failed: {}", String::from_utf8_lossy(&out.stderr));
        }
        let lines = String::from_utf8(out.stdout)?;
        lines.lines().map(|line| line.parse().context("a time of the bare loops")).collect()
    }
}
