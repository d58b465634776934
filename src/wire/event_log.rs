//! A station's event log: records of 16 bytes, with the numbers and words of the Internet of Chuffs.
//!
//! ```text
//!  0        8      12          16      little-endian, one after another, nothing around them
//!  │ time   │ event │ parameter │      time: microseconds since 1970, UTC
//!
//!  2026-11-21_02-31-31_640.491:   LOG_START [3] 0 (0x0)        the same as a line of text
//! ```
//! The numbers are the original client's: its log server knows them by nothing else, so none may ever
//! move. What only ours has to say goes into USER_0 to USER_9. Pure: no files, no sockets, no clocks.

use chrono::DateTime;

/// What `twocan log-receive` says when it has all of a log on its disk, and then it shuts its end. The
/// original's log server says nothing, and the original's station hears nothing.
pub const TAKEN: u8 = 0x06;
/// Bytes of a record.
pub const RECORD_LEN: usize = 16;
/// A current time (event 2) above this one is believed: the original's second, in November 2017.
const BELIEVABLE: u32 = 1_510_827_960;

/// Makes the enum and its words of one table: a variant's place in it is its number.
macro_rules! events {
    ($($name:ident $text:literal,)*) => {
        /// What can be written down.
        #[allow(missing_docs, reason = "the names are the original's, and all there is to say")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Event {
            $($name,)*
        }

        impl Event {
            /// All there are, by number.
            pub const ALL: [Self; COUNT] = [$(Self::$name,)*];
        }

        const TEXTS: [&str; COUNT] = [$($text,)*];
    };
}

/// How many there are.
pub const COUNT: usize = 114;

// Words as the original prints them: an asterisk before those that are trouble.
#[rustfmt::skip]
events! {
    Nothing "  EMPTY",
    BuildTimeUnixFormat "  BUILD_TIME_UNIX_FORMAT",
    CurrentTimeUtc "  CURRENT_TIME_UTC",
    LogStart "  LOG_START",
    LogStop "  LOG_STOP",
    LogFilesToUpload "  LOG_FILES_TO_UPLOAD",
    LogUploadStarting "  LOG_UPLOAD_STARTING",
    LogFileByteCount "  LOG_FILE_BYTE_COUNT",
    LogFileUploadCompleted "  LOG_FILE_UPLOAD_COMPLETED",
    LogUploadTaskCompleted "  LOG_UPLOAD_TASK_COMPLETED",
    LogFileOpen "  LOG_FILE_OPEN",
    LogFileOpenFailure "* LOG_FILE_OPEN_FAILURE",
    LogFileClose "  LOG_FILE_CLOSE",
    FileOpen "  FILE_OPEN",
    FileOpenFailure "* FILE_OPEN_FAILURE",
    FileClose "  FILE_CLOSE",
    FileDeleted "  FILE_DELETED",
    FileDeleteFailure "* FILE_DELETE_FAILURE",
    DirOpen "  DIR_OPEN",
    DirOpenFailure "  DIR_OPEN_FAILURE",
    DirSize "  DIR_SIZE",
    DnsLookup "  DNS_LOOKUP",
    DnsLookupFailure "* DNS_LOOKUP_FAILURE",
    SocketOpening "  SOCKET_OPENING",
    SocketOpeningFailure "* SOCKET_OPENING_FAILURE",
    SocketOpened "  SOCKET_OPENED",
    SocketClosing "  SOCKET_CLOSING",
    SocketClosed "  SOCKET_CLOSED",
    SocketConnecting "  SOCKET_CONNECTING",
    SocketConnectFailure "* SOCKET_CONNECT_FAILURE",
    SocketConnected "  SOCKET_CONNECTED",
    SocketConfigured "  SOCKET_CONFIGURED",
    SocketConfigurationFailure "* SOCKET_CONFIGURATION_FAILURE",
    SendStart "  SEND_START",
    SendStop "  SEND_STOP",
    SendFailure "* SEND_FAILURE",
    ReceiveStart "  RECEIVE_START",
    ReceiveStop "  RECEIVE_STOP",
    ReceiveFailure "* RECEIVE_FAILURE",
    SocketBad "* SOCKET_GONE_BAD",
    SocketErrorsForTooLong "* SOCKET_ERRORS_FOR_TOO_LONG",
    TcpSendTimeout "* TCP_SEND_TIMEOUT",
    User0 "  USER_0",
    User1 "  USER_1",
    User2 "  USER_2",
    User3 "  USER_3",
    User4 "  USER_4",
    User5 "  USER_5",
    User6 "  USER_6",
    User7 "  USER_7",
    User8 "  USER_8",
    User9 "  USER_9",
    SystemStart "  SYSTEM_START",
    SystemStop "  SYSTEM_STOP",
    SystemUpFor "  SYSTEM_UP_FOR",
    NetworkConnecting "  NETWORK_CONNECTING",
    NetworkConnectionFailure "* NETWORK_CONNECT_FAILURE",
    NetworkConnected "  NETWORK_CONNECTED",
    NetworkDisconnecting "  NETWORK_DISCONNECTING",
    NetworkDisconnected "  NETWORK_DISCONNECTED",
    AudioStreamingStart "  AUDIO_STREAMING_START",
    AudioStreamingStartFailure "* AUDIO_STREAMING_START_FAILURE",
    AudioStreamingStop "  AUDIO_STREAMING_STOP",
    AudioStreamingConnectionStart "  AUDIO_STREAMING_CONNECTION_START",
    AudioStreamingConnectionStartFailure "* AUDIO_STREAMING_CONNECTION_START_FAILURE",
    AudioStreamingConnectionStop "  AUDIO_STREAMING_CONNECTION_STOP",
    PcmStart "  PCM_START",
    PcmStartFailure "* PCM_START_FAILURE",
    PcmStop "  PCM_STOP",
    PcmOverrun "* PCM_OVERRUN",
    PcmUnderrun "* PCM_UNDERRUN",
    PcmError "* PCM_ERROR",
    ContainerStateEmpty "  CONTAINER_STATE_EMPTY",
    ContainerStateWriting "  CONTAINER_STATE_WRITING",
    ContainerStateReadyToRead "  CONTAINER_STATE_READY_TO_READ",
    ContainerStateReading "  CONTAINER_STATE_READING",
    ContainerStateRead "  CONTAINER_STATE_READ",
    DatagramNumSamples "  DATAGRAM_NUM_SAMPLES",
    DatagramSize "  DATAGRAM_SIZE",
    DatagramOverflowBegins "* DATAGRAM_OVERFLOW_BEGINS",
    DatagramNumOverflows "* DATAGRAM_NUM_OVERFLOWS",
    RawAudioData0 "  RAW_AUDIO_DATA_0",
    RawAudioData1 "  RAW_AUDIO_DATA_1",
    RawAudioPossibleRotation "  RAW_AUDIO_POSSIBLE_ROTATION",
    RawAudioRotationVote "  RAW_AUDIO_ROTATION_VOTE",
    RawAudioDataRotation "  RAW_AUDIO_DATA_ROTATION",
    RawAudioDataRotationNotFound "  RAW_AUDIO_DATA_ROTATION_NOT_FOUND",
    StreamMonoSampleData "  STREAM_MONO_SAMPLE_DATA",
    MonoSampleUnusedBits "  MONO_SAMPLE_UNUSED_BITS",
    MonoSampleUnusedBitsMin "  MONO_SAMPLE_UNUSED_BITS_MIN",
    MonoSampleAudioShift "  MONO_SAMPLE_AUDIO_SHIFT",
    StreamMonoSampleProcessedData "  STREAM_MONO_SAMPLE_PROCESSED_DATA",
    UnicamMaxAbsValue "  UNICAM_MAX_ABS_VALUE",
    UnicamMaxValueUsedBits "  UNICAM_MAX_VALUE_USED_BITS",
    UnicamShiftValue "  UNICAM_SHIFT_VALUE",
    UnicamCodedShiftValue "  UNICAM_CODED_SHIFT_VALUE",
    UnicamCodedShiftsByte "  UNICAM_CODED_SHIFTS_BYTE",
    UnicamSample "  UNICAM_SAMPLE",
    UnicamCompressedSample "  UNICAM_COMPRESSED_SAMPLE",
    Unicam10BitCodedSample "  UNICAM_10_BIT_CODED_SAMPLE",
    UnicamBlocksCoded "  UNICAM_BLOCKS_CODED",
    UnicamBytesCoded "  UNICAM_BYTES_CODED",
    SendSeq "  SEND_SEQ",
    SendDurationGreaterThanBlockDuration "* SEND_DURATION_GREATER_THAN_BLOCK_DURATION",
    SendDuration "  SEND_DURATION",
    NewPeakSendDuration "  NEW_PEAK_SEND_DURATION",
    NumDatagramsFree "  NUM_DATAGRAMS_FREE",
    NumDatagramsQueued "  NUM_DATAGRAMS_QUEUED",
    ThroughputBitsS "  THROUGHPUT_BITS_S",
    TimingDatagramReceived "  TIMING_DATAGRAM_RECEIVED",
    NoTimingDatagramReceived "  NO_TIMING_DATAGRAM_RECEIVED",
    TimingDatagramTimeout "  TIMING_DATAGRAM_TIMEOUT",
    RoundtripDelayMicroseconds "  ROUNDTRIP_DELAY_MICROSECONDS",
    AudioServerConnected "  AUDIO_SERVER_CONNECTED",
}

impl Event {
    /// Its number.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Its words, behind an asterisk and a blank (trouble) or two blanks.
    pub const fn text(self) -> &'static str {
        TEXTS[self as usize]
    }

    /// Its words alone.
    pub fn name(self) -> &'static str {
        self.text().trim_start_matches(['*', ' '])
    }

    /// Whether it is trouble.
    pub fn is_trouble(self) -> bool {
        self.text().starts_with('*')
    }

    /// Whether it is a reading, which comes again and again, and not something that happened.
    pub fn is_reading(self) -> bool {
        let number = self.number();
        let is_in = |first: Self, last: Self| (first.number()..=last.number()).contains(&number);
        !self.is_trouble()
            && (is_in(Self::ContainerStateEmpty, Self::ThroughputBitsS)
                || is_in(Self::TimingDatagramReceived, Self::RoundtripDelayMicroseconds)
                || matches!(self, Self::LogFileByteCount | Self::SystemUpFor))
    }
}

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Microseconds since 1970, UTC.
    pub timestamp_us: u64,
    /// [`Event::number`]; other programs may have others.
    pub event: u32,
    /// What the event says it is.
    pub parameter: u32,
}

impl Record {
    /// As bytes.
    pub fn encode(self) -> [u8; RECORD_LEN] {
        let mut bytes = [0; RECORD_LEN];
        bytes[..8].copy_from_slice(&self.timestamp_us.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.event.to_le_bytes());
        bytes[12..].copy_from_slice(&self.parameter.to_le_bytes());
        bytes
    }

    /// From bytes; any are a record.
    pub fn decode(bytes: &[u8; RECORD_LEN]) -> Self {
        let [t0, t1, t2, t3, t4, t5, t6, t7, e0, e1, e2, e3, p0, p1, p2, p3] = *bytes;
        Self {
            timestamp_us: u64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
            event: u32::from_le_bytes([e0, e1, e2, e3]),
            parameter: u32::from_le_bytes([p0, p1, p2, p3]),
        }
    }
}

/// Puts records together again, wherever the stream was cut.
#[derive(Debug, Default)]
pub struct Splitter {
    begun: [u8; RECORD_LEN],
    filled: usize,
}

impl Splitter {
    /// `bytes` came: each record that is whole now goes to `each`.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Record)) {
        if self.filled > 0 {
            let taken = bytes.len().min(RECORD_LEN - self.filled);
            self.begun[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            (self.filled, bytes) = (self.filled + taken, &bytes[taken..]);
            if self.filled < RECORD_LEN {
                return;
            }
            each(Record::decode(&self.begun));
        }
        let (whole, rest) = bytes.as_chunks();
        whole.iter().for_each(|record| each(Record::decode(record)));
        self.begun[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
    }

    /// Bytes of a record that has not all come.
    pub fn begun(&self) -> usize {
        self.filled
    }
}

/// Writes a log's records as lines, in order.
///
/// A machine without a clock counts from its start, and says with event 2 what time it is: from there
/// on its times are moved. Only the first of these counts, as in the original.
#[derive(Debug, Default)]
pub struct Lines {
    /// The second, and the timestamp that had it.
    base: Option<(u32, u64)>,
}

impl Lines {
    /// The line of the next record, with its line feed.
    pub fn line(&mut self, record: Record) -> String {
        let Record { timestamp_us, event, parameter } = record;
        if event == Event::CurrentTimeUtc.number() && parameter > BELIEVABLE {
            self.base.get_or_insert((parameter, timestamp_us));
        }
        let time = self.time(timestamp_us);
        match usize::try_from(event).ok().and_then(|number| TEXTS.get(number)) {
            Some(text) => format!("{time}: {text} [{event}] {parameter} ({parameter:#x})\n"),
            None => {
                format!("{time}: unknown ({event:#x}) [{event}] {parameter} ({parameter:#x})\n")
            }
        }
    }

    fn time(&self, timestamp_us: u64) -> String {
        let micros = match self.base {
            None => i64::try_from(timestamp_us).ok(),
            Some((second, at)) => timestamp_us
                .checked_signed_diff(at)
                .and_then(|since| since.checked_add(i64::from(second) * 1_000_000)),
        };
        match micros.and_then(DateTime::from_timestamp_micros) {
            Some(time) => {
                let micros = time.timestamp_subsec_micros();
                let day = time.format("%Y-%m-%d_%H-%M-%S");
                format!("{day}_{:03}.{:03}", micros / 1000, micros % 1000)
            }
            None => "????-??-??_??-??-??_???.???".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ORIGINAL: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/station/log_events.tsv"));

    fn line(timestamp_us: u64, event: u32, parameter: u32) -> String {
        Lines::default().line(Record { timestamp_us, event, parameter })
    }

    #[test]
    fn every_number_and_every_word_is_the_original_s() {
        assert_eq!(ORIGINAL.lines().count(), COUNT);
        for (row, event) in ORIGINAL.lines().zip(Event::ALL) {
            let [number, name, text] = row.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{row}")
            };
            assert_eq!(event.number().to_string(), number);
            assert_eq!(event.text(), text, "{name}");
            let name: String = name.trim_start_matches("EVENT_").split('_').collect();
            let ours = format!("{event:?}").to_uppercase();
            assert!(ours == name || (ours == "NOTHING" && name == "NONE"), "{ours} {name}");
        }
    }

    #[test]
    fn recorded_bytes_are_read_and_written_as_they_are() {
        let bytes = [0xab, 0x2c, 0x9d, 0x28, 0xc0, 0x60, 6, 0, 3, 0, 0, 0, 0, 0, 0, 0];
        let record = Record::decode(&bytes);
        assert_eq!(record, Record { timestamp_us: 0x0006_60c0_289d_2cab, event: 3, parameter: 0 });
        assert_eq!(record.encode(), bytes);
        let bytes = [0xf8, 0x2c, 0x9d, 0x28, 0xc0, 0x60, 6, 0, 0x34, 0, 0, 0, 0x83, 2, 1, 0x6b];
        let record = Record::decode(&bytes);
        assert_eq!((record.event, record.parameter), (Event::SystemStart.number(), 1_795_228_291));
    }

    #[test]
    fn lines_read_as_the_original_s_do() {
        let at = 1_795_228_291_640_491;
        assert_eq!(line(at, 3, 0), "2026-11-21_02-31-31_640.491:   LOG_START [3] 0 (0x0)\n");
        assert_eq!(line(at, 69, 5), "2026-11-21_02-31-31_640.491: * PCM_OVERRUN [69] 5 (0x5)\n");
        assert_eq!(
            line(5, 114, 255),
            "1970-01-01_00-00-00_000.005: unknown (0x72) [114] 255 (0xff)\n"
        );
        assert!(line(u64::MAX, 3, 0).starts_with("????-"));
    }

    #[test]
    fn after_the_first_current_time_the_lines_say_it_and_not_the_time_since_the_start() {
        let mut lines = Lines::default();
        let mut line =
            |timestamp_us, event, parameter| lines.line(Record { timestamp_us, event, parameter });
        assert!(line(4_000_000, 3, 0).starts_with("1970-01-01_00-00-04_000.000"));
        assert!(line(4_500_000, 2, BELIEVABLE).starts_with("1970-01-01_00-00-04_500.000"));
        assert!(line(5_250_000, 2, 1_795_228_291).starts_with("2026-11-21_02-31-31_000.000"));
        assert!(line(6_250_001, 3, 0).starts_with("2026-11-21_02-31-32_000.001"));
        assert!(line(7_250_000, 2, 1_895_228_291).starts_with("2026-11-21_02-31-33_000.000"));
        assert!(line(5_000_000, 3, 0).starts_with("2026-11-21_02-31-30_750.000"), "before it");
    }

    #[test]
    fn readings_are_told_from_what_happens() {
        assert!(Event::ThroughputBitsS.is_reading() && Event::TimingDatagramReceived.is_reading());
        assert!(!Event::AudioServerConnected.is_reading() && !Event::PcmStart.is_reading());
        assert!(!Event::DatagramOverflowBegins.is_reading());
        assert!(Event::DatagramOverflowBegins.is_trouble() && !Event::PcmStart.is_trouble());
        assert_eq!(Event::PcmOverrun.name(), "PCM_OVERRUN");
    }

    proptest! {
        #[test]
        fn records_come_out_whole_however_the_stream_is_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            cuts in prop::collection::vec(0usize..24, 0..40),
        ) {
            let (mut splitter, mut got, mut rest) = (Splitter::default(), Vec::new(), &bytes[..]);
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (piece, more) = rest.split_at(cut.min(rest.len()));
                splitter.push(piece, |record| got.extend(record.encode()));
                prop_assert_eq!(got.len() + splitter.begun(), bytes.len() - more.len());
                rest = more;
            }
            prop_assert_eq!(&got[..], &bytes[..bytes.len() / RECORD_LEN * RECORD_LEN]);
        }

        #[test]
        fn no_record_is_without_a_line(timestamp_us: u64, event: u32, parameter: u32, base: u64) {
            let mut lines = Lines::default();
            lines.line(Record { timestamp_us: base, event: 2, parameter: u32::MAX });
            let line = lines.line(Record { timestamp_us, event, parameter });
            prop_assert!(line.ends_with(")\n") && line.len() < 200);
        }
    }
}
