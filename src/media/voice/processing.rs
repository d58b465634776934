//! Echo, noise and loudness by WebRTC's audio processing, as the crate `sonora` has it in Rust.
//!
//! ```text
//! near ─> high-pass ─> echo canceller ─> noise suppressor ─> gain, limiter ─> near
//! far ───────────────────┘
//! ```
//! It works at 32 kHz in two bands: speech has nothing above, and a third band costs a fifth more.
//! The linear filter of the canceller covers the lower one (to 8 kHz); the upper is only made quieter
//! while there is echo.

use std::time::Duration;

use sonora::config::{
    AdaptiveDigital, EchoCanceller, FixedDigital, GainController2, HighPassFilter,
    MaxProcessingRate, NoiseSuppression, NoiseSuppressionLevel, Pipeline,
};
use sonora::{AudioProcessing, Config, StreamConfig};

use super::Cleaner;
use crate::frame::{PERIOD_SAMPLES, SAMPLE_RATE};

/// Blocks of 4 ms are cancelled, with one ahead of them; measured.
const CANCELLER_DELAY: Duration = Duration::from_millis(8);
/// The overlap of the windows in which noise is suppressed; measured.
const SUPPRESSOR_DELAY: Duration = Duration::from_millis(6);

/// The chain of WebRTC, or a part of it.
pub(super) struct Processing {
    chain: AudioProcessing,
    cleaned: [i16; PERIOD_SAMPLES],
    /// What the library says is played on; it is what came in.
    played: [i16; PERIOD_SAMPLES],
    cancels_echo: bool,
}

impl Processing {
    /// Echo, noise and loudness.
    pub(super) fn full() -> Self {
        let gain = AdaptiveDigital {
            // Somebody a metre away is brought to the loudness of a handset, and a room in which
            // nobody speaks is not blown up.
            initial_gain_db: 6.0,
            max_gain_db: 24.0,
            ..AdaptiveDigital::default()
        };
        Self::new(Config {
            echo_canceller: Some(EchoCanceller::default()),
            gain_controller2: Some(GainController2 {
                input_volume_controller: false,
                adaptive_digital: Some(gain),
                fixed_digital: FixedDigital::default(),
            }),
            ..Self::quiet()
        })
    }

    /// Noise, and nothing that looks at the loudspeaker.
    pub(super) fn noise_only() -> Self {
        Self::new(Self::quiet())
    }

    fn quiet() -> Config {
        Config {
            pipeline: Pipeline {
                maximum_internal_processing_rate: MaxProcessingRate::Rate32kHz,
                ..Pipeline::default()
            },
            high_pass_filter: Some(HighPassFilter::default()),
            noise_suppression: Some(NoiseSuppression {
                level: NoiseSuppressionLevel::Moderate,
                analyze_linear_aec_output_when_available: false,
            }),
            ..Config::default()
        }
    }

    fn new(config: Config) -> Self {
        let cancels_echo = config.echo_canceller.is_some();
        let mono = StreamConfig::new(SAMPLE_RATE, 1);
        let chain = AudioProcessing::builder()
            .config(config)
            .capture_config(mono)
            .render_config(mono)
            .build();
        let silence = [0; PERIOD_SAMPLES];
        Self { chain, cleaned: silence, played: silence, cancels_echo }
    }
}

impl Cleaner for Processing {
    fn clean(&mut self, near: &mut [i16; PERIOD_SAMPLES], far: &[i16; PERIOD_SAMPLES]) {
        const WHOLE: &str = "both streams are 10 ms of 48 kHz mono, as the chain was built";
        if self.cancels_echo {
            self.chain.process_render_i16(far, &mut self.played).expect(WHOLE);
        }
        self.chain.process_capture_i16(near, &mut self.cleaned).expect(WHOLE);
        near.copy_from_slice(&self.cleaned);
    }

    fn wants_far_end(&self) -> bool {
        self.cancels_echo
    }

    fn delay(&self) -> Duration {
        if self.cancels_echo { CANCELLER_DELAY + SUPPRESSOR_DELAY } else { SUPPRESSOR_DELAY }
    }
}
