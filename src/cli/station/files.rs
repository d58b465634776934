//! `twocan station encode` and `decode`: the codec on files, for whoever wants to see or hear what is sent.
//!
//! ```text
//!  IN.s32 ──> left word, 24 bits ──> Encoder ──> OUT.urtp     datagrams back to back, as by TCP
//!  IN.urtp ──> Cutter ──> Decoder ──> OUT.wav                 16 bits, mono, 16 kHz
//! ```
//! Files may be of any length; a block is held of them.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::max_gain;
use crate::config::{ConfigError, MaxGain, StationCoding};
use crate::device::station_mic::Sample;
use crate::device::wav;
use crate::wire::urtp::{BLOCK, BLOCK_US, Cutter, DATAGRAM_LIMIT, Decoder, Encoder, RATE};

/// Bytes of a frame of the microphone: two words of 32 bits.
const FRAME: usize = 8;
/// Lost datagrams in a row that are silence in the file, five seconds; more are another stream.
const GAP: u16 = 250;

/// What is done with files.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Work {
    /// Make of a recorded microphone what a station would send
    Encode(EncodeArgs),
    /// Make sound of what a station sent
    Decode(DecodeArgs),
}

/// `twocan station encode`.
#[derive(Clone, Debug, clap::Args)]
pub struct EncodeArgs {
    /// Sound as `arecord -t raw -f S32_LE -c 2 -r 16000` writes it; the left channel is taken
    #[arg(value_name = "IN.s32")]
    pub from: PathBuf,
    /// The datagrams, one after another; what is there is written over
    #[arg(value_name = "OUT.urtp")]
    pub to: PathBuf,
    /// `unicam` or `pcm`
    #[arg(long, default_value_t)]
    pub coding: StationCoding,
    /// The most bits that quiet sound is shifted up by, 0 to 12
    #[arg(long, value_name = "BITS", default_value = "12", value_parser = max_gain)]
    pub max_gain: MaxGain,
    /// When the first sample was captured, in microseconds since 1970
    #[arg(long, value_name = "T", default_value_t = 0)]
    pub start_us: u64,
}

/// `twocan station decode`.
#[derive(Clone, Debug, clap::Args)]
pub struct DecodeArgs {
    /// Datagrams, one after another
    #[arg(value_name = "IN.urtp")]
    pub from: PathBuf,
    /// 16 bits, mono, 16 kHz; what is there is written over
    #[arg(value_name = "OUT.wav")]
    pub to: PathBuf,
}

/// Do it, and say what there was.
///
/// # Errors
/// A file can't be read or written, or there is no sound in it.
pub fn run(work: &Work) -> anyhow::Result<ExitCode> {
    let said = match work {
        Work::Encode(args) => encode(args)?,
        Work::Decode(args) => decode(args)?,
    };
    crate::cli::print(&format!("{said}\n"))
}

fn encode(args: &EncodeArgs) -> anyhow::Result<String> {
    let mut from = open(&args.from, &args.to)?;
    let wrote = || format!("write {}", args.to.display());
    let mut to = BufWriter::new(File::create(&args.to).with_context(wrote)?);
    let mut encoder = Encoder::new(args.coding.into(), args.max_gain.get());
    let (mut frames, mut out) = ([0; FRAME * BLOCK], [0; DATAGRAM_LIMIT]);
    let mut blocks = 0_u64;
    let rest = loop {
        let got = fill(&mut from, &mut frames)
            .with_context(|| format!("read {}", args.from.display()))?;
        if got < frames.len() {
            break got;
        }
        let mut sound = Sample::S32.frames(2, &frames);
        let left = std::array::from_fn(|_| sound.next().map_or(0, |[left, _]| left));
        let captured = args.start_us.wrapping_add(blocks * BLOCK_US);
        let length = encoder.encode(&left, blocks as u16, captured, &mut out);
        to.write_all(&out[..length]).with_context(wrote)?;
        blocks += 1;
    };
    to.flush().with_context(wrote)?;
    let left_out = match rest {
        0 => String::new(),
        _ => format!("; {} frames at the end were no whole 20 ms", rest.div_ceil(FRAME)),
    };
    Ok(format!("{}{left_out}", summary(blocks, blocks * BLOCK as u64)))
}

fn decode(args: &DecodeArgs) -> anyhow::Result<String> {
    let mut from = open(&args.from, &args.to)?;
    let wrote = || format!("write {}", args.to.display());
    let mut to = BufWriter::new(File::create(&args.to).with_context(wrote)?);
    to.write_all(&wav::header(0, RATE)).with_context(wrote)?;
    let (mut cutter, mut decoder) = (Cutter::default(), Decoder::default());
    let mut out = [0; BLOCK];
    let mut put = |block: &[i16; BLOCK]| {
        let bytes: Vec<u8> = block.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        to.write_all(&bytes).with_context(wrote)
    };
    let (mut blocks, mut lost, mut next) = (0_u64, 0_u64, None);
    loop {
        let mut piece = from.fill_buf().with_context(|| format!("read {}", args.from.display()))?;
        let length = piece.len();
        if length == 0 {
            break;
        }
        while let Some((header, datagram)) = cutter.cut(&mut piece) {
            let gap = next.map_or(0, |next: u16| header.sequence.wrapping_sub(next));
            if gap <= GAP {
                (0..gap).try_for_each(|_| put(&[0; BLOCK]))?;
                lost += u64::from(gap);
            }
            decoder.decode(datagram, &mut out)?;
            put(&out)?;
            blocks += 1;
            next = Some(header.sequence.wrapping_add(1));
        }
        from.consume(length);
    }
    let samples = (blocks + lost) * BLOCK as u64;
    let header = wav::header(u32::try_from(samples).unwrap_or(u32::MAX), RATE);
    to.seek(SeekFrom::Start(0)).and_then(|_| to.write_all(&header)).with_context(wrote)?;
    to.flush().with_context(wrote)?;
    if blocks == 0 {
        bail!("{} has no datagram of a station in it", args.from.display());
    }
    let skipped = cutter.skipped();
    let said = summary(blocks, samples);
    Ok(match (lost, skipped) {
        (0, 0) => said,
        _ => format!("{said}; {lost} lost, {skipped} bytes skipped"),
    })
}

fn summary(datagrams: u64, samples: u64) -> String {
    let plural = if datagrams == 1 { "" } else { "s" };
    format!("{datagrams} datagram{plural}, {:.2} s", samples as f64 / f64::from(RATE))
}

/// The file to read, which is not the one to write.
fn open(from: &Path, to: &Path) -> anyhow::Result<BufReader<File>> {
    let file = File::open(from).with_context(|| format!("read {}", from.display()))?;
    if fs::canonicalize(to).is_ok_and(|to| fs::canonicalize(from).is_ok_and(|from| from == to)) {
        let sentence = format!("{} can't be read and written at once", from.display());
        return Err(ConfigError::Asked(sentence).into());
    }
    Ok(BufReader::new(file))
}

/// As many bytes as there are, to the end of the file.
fn fill(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < bytes.len() {
        match from.read(&mut bytes[got..]) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}
