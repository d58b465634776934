//! Sound to MP3 for listeners of a station: 16 kHz mono, 24 kbit/s, in segments that stand alone.
//!
//! ```text
//!  samples ──> frames of 576 ──> LAME ──> 27 frames of 108 bytes: a segment of 0.972 s
//! ```
//! A frame may use what the one before it saved, within a segment and not across its end: LAME is flushed
//! there, so that whoever begins with a segment misses nothing. LAME holds back one frame; it is fed one
//! of silence first, and gives one for each from then on.

use mp3lame_encoder::{
    Bitrate, BuildError, Builder, EncodeError, Encoder, FlushNoGap, Mode, MonoPcm, Quality,
    max_required_buffer_size,
};

/// Samples a second.
pub const RATE: u32 = 16_000;
/// Samples of a frame (MPEG-2 Layer III).
pub const FRAME: usize = 576;
/// Bytes of a frame: 24 kbit/s of 36 ms.
pub const FRAME_LEN: usize = 108;
/// Frames of a segment: as many as fit into a second.
pub const SEGMENT_FRAMES: usize = 27;

/// Why there is no MP3.
#[derive(Debug, thiserror::Error)]
pub enum Mp3Error {
    /// No memory.
    #[error("LAME has no memory")]
    Memory,
    /// It was asked for what it does not do.
    #[error("set LAME up: {0}")]
    Build(BuildError),
    /// It refused sound.
    #[error("encode MP3: {0}")]
    Encode(EncodeError),
    /// A segment is not as long as its frames.
    #[error("a segment of {0} bytes from LAME, expected {expected}", expected = SEGMENT_FRAMES * FRAME_LEN)]
    Segment(usize),
}

impl From<BuildError> for Mp3Error {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl From<EncodeError> for Mp3Error {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

/// See the top of the file.
pub struct Mp3Encoder {
    lame: Encoder,
    /// Less than a frame that waits for the rest.
    waiting: Vec<i16>,
    /// The segment so far.
    segment: Vec<u8>,
    frames: usize,
}

impl Mp3Encoder {
    /// With no past.
    ///
    /// # Errors
    /// See [`Mp3Error`].
    pub fn new() -> Result<Self, Mp3Error> {
        let lame = Builder::new()
            .ok_or(Mp3Error::Memory)?
            .with_num_channels(1)?
            .with_mode(Mode::Mono)?
            .with_sample_rate(RATE)?
            .with_brate(Bitrate::Kbps24)?
            .with_quality(Quality::Good)?
            .with_to_write_vbr_tag(false)?
            .build()?;
        let (waiting, segment) = (Vec::with_capacity(2 * FRAME), Vec::new());
        let mut encoder = Self { lame, waiting, segment, frames: 0 };
        encoder.feed(&[0; FRAME])?;
        Ok(encoder)
    }

    /// Go on with less than a segment of sound; the segment that it completes, if it does.
    ///
    /// # Errors
    /// See [`Mp3Error`].
    pub fn push(&mut self, samples: &[i16]) -> Result<Option<Vec<u8>>, Mp3Error> {
        debug_assert!(samples.len() < SEGMENT_FRAMES * FRAME, "two segments at once");
        let mut whole = None;
        self.waiting.extend_from_slice(samples);
        while let Some(frame) = self.waiting.first_chunk().copied() {
            self.waiting.drain(..FRAME);
            self.feed(&frame)?;
            self.frames += 1;
            if self.frames == SEGMENT_FRAMES {
                whole = Some(self.finish()?);
            }
        }
        Ok(whole)
    }

    fn feed(&mut self, frame: &[i16; FRAME]) -> Result<(), Mp3Error> {
        self.segment.reserve(max_required_buffer_size(FRAME));
        self.lame.encode_to_vec(MonoPcm(frame), &mut self.segment)?;
        Ok(())
    }

    fn finish(&mut self) -> Result<Vec<u8>, Mp3Error> {
        self.segment.reserve(max_required_buffer_size(0));
        self.lame.flush_to_vec::<FlushNoGap>(&mut self.segment)?;
        self.frames = 0;
        let segment = std::mem::take(&mut self.segment);
        if segment.len() != SEGMENT_FRAMES * FRAME_LEN {
            return Err(Mp3Error::Segment(segment.len()));
        }
        // Without the room that LAME wanted.
        Ok(segment.as_slice().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_segment_has_27_frames_of_the_header_that_an_ioc_server_sends_and_borrows_from_none() {
        let mut encoder = Mp3Encoder::new().unwrap();
        let mut segments = Vec::new();
        let mut noise = 1_u32;
        for block in 0..250 {
            let samples: Vec<i16> = (0..320)
                .map(|i| {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    // Loud and silent by turns: that is when a reservoir fills and empties.
                    if block / 20 % 2 == 0 { (noise >> 18) as i16 } else { i % 3 }
                })
                .collect();
            segments.extend(encoder.push(&samples).unwrap());
        }
        assert_eq!(segments.len(), 250 * 320 / (27 * 576));
        for segment in &segments {
            for frame in segment.chunks(FRAME_LEN) {
                assert_eq!(frame[..3], [0xff, 0xf3, 0x38], "MPEG-2 Layer III, 24 kbit/s, 16 kHz");
            }
            assert_eq!(segment[4], 0, "main data begins in the segment itself");
        }
        assert!(segments[0].chunks(FRAME_LEN).any(|frame| frame[4] != 0), "and is borrowed inside");
    }
}
