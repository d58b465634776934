//! A thread that moves sound goes before others, where the system allows it.
//!
//! Voice has gaps on an overloaded machine unless its threads are scheduled in real time. That is
//! allowed by CAP_SYS_NICE or by RLIMIT_RTPRIO (the kiosk's unit, the group `audio` on many
//! desktops). Where it is not, everything works as before.

#![allow(unsafe_code)]

use std::sync::Once;

/// Above everything that is not real time, below what an administrator would set on purpose.
const PRIORITY: libc::c_int = 5;

/// Schedule the calling thread in real time (SCHED_RR) if that is allowed. Threads and processes
/// that it starts are not.
pub fn go_before_others() {
    static SAID: Once = Once::new();
    let outcome = [PRIORITY, 1].into_iter().map(set).find(Result::is_ok);
    SAID.call_once(|| match outcome {
        Some(_) => tracing::debug!("sound is scheduled in real time"),
        None => tracing::debug!("sound is not scheduled in real time: it is not allowed here"),
    });
}

fn set(priority: libc::c_int) -> nix::Result<()> {
    let wanted = libc::sched_param { sched_priority: priority };
    // SAFETY: the parameter lives through the call, which reads it; 0 is the calling thread.
    let result = unsafe {
        libc::sched_setscheduler(0, libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, &raw const wanted)
    };
    nix::errno::Errno::result(result).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SCHED_OTHER, SCHED_RR …, with the bit that says it is not handed on.
    fn policy() -> libc::c_int {
        // SAFETY: it only asks about the calling thread.
        unsafe { libc::sched_getscheduler(0) }
    }

    #[test]
    fn a_thread_is_scheduled_in_real_time_exactly_where_that_is_allowed_and_hands_nothing_on() {
        let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let worker = named("voice").spawn(move || {
            go_before_others();
            let child = named("other").spawn(policy).unwrap().join().unwrap();
            (policy(), set(1).is_ok(), child)
        });
        let (policy, allowed, child) = worker.unwrap().join().unwrap();
        let real = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
        assert_eq!(policy, if allowed { real } else { libc::SCHED_OTHER });
        assert_eq!(child, libc::SCHED_OTHER);
    }
}
