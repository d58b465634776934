//! Names of people and kiosks, made fit to show. A name may come from a stranger (the first signal
//! of a session), from a file or from a command line: it is cleaned the same way everywhere.

pub use crate::caps::NAME_LIMIT;

/// A name made fit to show: control characters and bidirectional overrides gone, blanks at the ends
/// gone, at most [`NAME_LIMIT`] characters.
pub fn clean_name(name: &str) -> String {
    let shown = name.chars().filter(|c| {
        !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    });
    let name: String = shown.collect();
    name.trim().chars().take(NAME_LIMIT).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_name_is_short_and_without_controls_afterwards(name in any::<String>()) {
            let name = clean_name(&name);
            prop_assert!(name.chars().count() <= NAME_LIMIT);
            prop_assert!(!name.chars().any(char::is_control));
            prop_assert_eq!(clean_name(&name), name);
        }
    }

    #[test]
    fn names_lose_what_could_fool_a_reader() {
        assert_eq!(clean_name(" An\u{202e}na\u{0}\n "), "Anna");
        assert_eq!(clean_name(&"x".repeat(100)).len(), 64);
    }
}
