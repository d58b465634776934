//! What a kiosk says aloud in a call: Ogg Opus files built into the program, made by
//! `kiosk/prompts/make.sh`, decoded when they are wanted.
//!
//! ```text
//! line-gone.opus ──ogg──> OpusHead, OpusTags, packets ──opus──> 48 kHz mono ──> announce::Announcer
//! ```

use std::io::Cursor;
use std::sync::Arc;

use ogg::reading::PacketReader;

use crate::codec::opus::{VoiceDecoder, VoiceError};

/// "The line is gone. Please wait, it comes back by itself."
pub const LINE_GONE: &[u8] = include_bytes!("../../kiosk/prompts/line-gone.opus");

/// Longer than anything is said: 30 s, in samples.
const LONGEST: usize = 30 * 48_000;

/// Why a prompt can't be said.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// The container is broken.
    #[error("read the prompt: {0}")]
    Ogg(#[from] ogg::OggReadError),
    /// There is something else in it.
    #[error("read the prompt: not one channel of Opus")]
    Head,
    /// A packet is broken.
    #[error("decode the prompt: {0}")]
    Opus(#[from] VoiceError),
}

/// The sound of an Ogg Opus file with one channel, 48 kHz, at most 30 s of it (RFC 7845).
///
/// # Errors
/// It is no such file.
pub fn decode(file: &[u8]) -> Result<Arc<[i16]>, PromptError> {
    let mut reader = PacketReader::new(Cursor::new(file));
    let head = reader.read_packet()?.ok_or(PromptError::Head)?.data;
    let one_channel = head.starts_with(b"OpusHead") && head.get(9) == Some(&1);
    let (Some(&[low, high]), true) =
        (head.get(10..12).and_then(|two| two.first_chunk()), one_channel)
    else {
        return Err(PromptError::Head);
    };
    let skipped = usize::from(u16::from_le_bytes([low, high]));
    let mut decoder = VoiceDecoder::new()?;
    let (mut sound, mut end) = (Vec::new(), None);
    // The one behind the head holds the tags.
    reader.read_packet()?;
    while let Some(packet) = reader.read_packet()? {
        sound.extend_from_slice(decoder.decode(&packet.data)?);
        if packet.last_in_stream() {
            end = usize::try_from(packet.absgp_page()).ok();
        }
        if sound.len() > LONGEST {
            break;
        }
    }
    // What the last packet holds too much, the position of its page says.
    sound.truncate(end.unwrap_or(LONGEST).min(LONGEST));
    sound.drain(..skipped.min(sound.len()));
    Ok(sound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prompt_is_some_seconds_of_speech_that_neither_clips_nor_clicks() {
        let sound = decode(LINE_GONE).unwrap();
        let seconds = sound.len() as f32 / 48_000.0;
        assert!((2.0..6.0).contains(&seconds), "{seconds} s");
        let loudest = sound.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!((8_000..32_000).contains(&loudest), "{loudest}");
        let ends = sound[..480].iter().chain(&sound[sound.len() - 480..]);
        assert!(ends.map(|sample| sample.unsigned_abs()).max().unwrap() < 2_000);
    }

    #[test]
    fn what_is_no_such_file_is_refused_and_a_torn_one_ends_early_or_is() {
        assert!(decode(b"").is_err());
        assert!(decode(b"RIFF and so on, a wave file perhaps").is_err());
        let whole = decode(LINE_GONE).unwrap().len();
        for cut in (0..LINE_GONE.len()).step_by(97) {
            if let Ok(sound) = decode(&LINE_GONE[..cut]) {
                assert!(sound.len() <= whole);
            }
        }
    }
}
