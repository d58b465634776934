//! An X server that nobody sees, for windows.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Ended with the value.
pub(crate) struct XServer {
    server: Child,
    /// The value of DISPLAY, such as `:1`.
    pub(crate) display: String,
}

impl XServer {
    /// One on a number of its own choice; `None` where Xvfb is not installed.
    pub(crate) fn start(screen: &str) -> Option<Self> {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", screen, "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut number = String::new();
        let output = server.stdout.take().expect("it was piped");
        BufReader::new(output).read_line(&mut number).expect("Xvfb says its number");
        Some(Self { server, display: format!(":{}", number.trim()) })
    }
}

impl Drop for XServer {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
