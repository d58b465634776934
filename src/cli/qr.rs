//! A QR code in the terminal, for a kiosk's camera: tickets and cards.
//!
//! ```text
//!  text ──> modules ──> ▀ ▄ █, two rows of modules a line, black on white
//! ```
//! The colours are said, since a terminal's own may be light on dark, which no camera reads as a code.
//! Of error correction there is the least: the code is larger then, and nothing tears a terminal.

use fast_qr::{ECL, QRBuilder};

/// Light modules around it: more is good, but the lines of a terminal are few.
const EDGE: usize = 2;

/// The lines, or none where no code holds so much.
pub(super) fn drawn(text: &str) -> Option<String> {
    let code = QRBuilder::new(text).ecl(ECL::L).build().ok()?;
    let size = code.size + 2 * EDGE;
    let is_dark = |row: usize, column: usize| {
        let inside = EDGE..EDGE + code.size;
        inside.contains(&row) && inside.contains(&column) && code[row - EDGE][column - EDGE].value()
    };
    let mut text = String::new();
    for row in (0..size).step_by(2) {
        text += "\x1b[30;107m";
        text.extend((0..size).map(|column| {
            match (is_dark(row, column), is_dark(row + 1, column)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            }
        }));
        text += "\x1b[0m\n";
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_drawn_two_rows_a_line_with_an_edge() {
        let text = drawn("TWOCAN1:AAAA").unwrap();
        let first = text.lines().next().unwrap();
        assert!(first.contains(&" ".repeat(25)), "the edge is light: {first:?}");
        assert_eq!(text.lines().count(), 13, "21 modules and two at each edge");
    }
}
