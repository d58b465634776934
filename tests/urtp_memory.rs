//! Neither end of URTP asks for memory once it is there: it would do so fifty times a second, for
//! five hundred stations.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(unsafe_code, reason = "an allocator that counts is an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use twocan::wire::urtp::{BLOCK, Coding, Cutter, DATAGRAM_LIMIT, Decoder, Encoder};

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: all of it is the system's allocator, called with what we were called with; the counter is
// plain memory of the thread, which needs none.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn urtp_encodes_cuts_and_decodes_without_asking_for_memory() {
    for coding in [Coding::Unicam, Coding::Pcm] {
        let before = ASKED.get();
        assert_eq!(drop_of(vec![1, 2, 3]), 3);
        assert!(ASKED.get() > before, "the counter counts");

        let before = ASKED.get();
        let (mut encoder, mut decoder) = (Encoder::new(coding, 12), Decoder::default());
        let (mut cutter, mut out) = (Cutter::default(), [0; DATAGRAM_LIMIT]);
        let (mut sound, mut heard) = ([0; BLOCK], 0);
        for sequence in 0..100 {
            let left = std::array::from_fn(|at| (at as i32 - 160) * 1000);
            let length = encoder.encode(&left, sequence, 0, &mut out);
            for mut piece in out[..length].chunks(100) {
                while let Some((_, datagram)) = cutter.cut(&mut piece) {
                    heard += u32::from(decoder.decode(datagram, &mut sound).is_ok());
                }
            }
        }
        assert_eq!(ASKED.get(), before);
        assert_eq!(heard, 100);
    }
}

fn drop_of(bytes: Vec<u8>) -> usize {
    std::hint::black_box(bytes).len()
}
