//! The four words: chosen, read back from what a person typed or heard, and found letter by letter.
//!
//! The list is the English one of BIP 39: 2048 words, no two of which begin with the same four
//! letters, so that four letters name a word. Four of them are 44 bits, which nobody guesses in the
//! three tries that there are.

use super::{WORDS, Words};

/// Letters after which a word is no other.
pub const ENOUGH: usize = 4;
/// Places at a relay where an offer can wait; which one follows from its first word.
pub const SLOTS: u8 = 8;

/// Why a text is not four words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// More or fewer.
    #[error("a code has {WORDS} words, not {0}")]
    Count(usize),
    /// One that nobody can have read out.
    #[error("`{0}` is none of the words that codes are made of")]
    Unknown(String),
}

fn list() -> &'static [&'static str] {
    bip39::Language::English.word_list()
}

/// Four words from the kernel's random numbers.
pub fn random() -> Words {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the kernel gives random numbers once it has booted");
    let bits = u64::from_be_bytes(bytes);
    std::array::from_fn(|word| list()[(bits >> (word * 11)) as usize % list().len()])
}

/// From what a person typed: any case, any blanks, commas or dashes between the words, and of each
/// word its first four letters at least (or all of a shorter one).
///
/// # Errors
/// See [`WordsError`].
pub fn parse(text: &str) -> Result<Words, WordsError> {
    let between = |c: char| c.is_whitespace() || matches!(c, ',' | '-' | '.' | ';');
    let typed: Vec<&str> = text.split(between).filter(|word| !word.is_empty()).collect();
    let typed: [&str; WORDS] =
        typed.as_slice().try_into().map_err(|_| WordsError::Count(typed.len()))?;
    let mut words = [""; WORDS];
    for (place, typed) in typed.into_iter().enumerate() {
        words[place] = word(typed).ok_or_else(|| {
            WordsError::Unknown(typed.chars().filter(|c| !c.is_control()).take(20).collect())
        })?;
    }
    Ok(words)
}

/// The word that begins as `typed` does: the whole word, or its first four letters, whatever is
/// behind them.
pub fn word(typed: &str) -> Option<&'static str> {
    let typed = typed.to_lowercase();
    if let Ok(place) = list().binary_search(&typed.as_str()) {
        return Some(list()[place]);
    }
    let beginning: String = typed.chars().take(ENOUGH).collect();
    match remaining(&beginning) {
        [only] if beginning.chars().count() == ENOUGH => Some(only),
        _ => None,
    }
}

/// The words that begin so, in the order of the alphabet.
pub fn remaining(beginning: &str) -> &'static [&'static str] {
    let list = list();
    let from = list.partition_point(|word| *word < beginning);
    let count = list[from..].partition_point(|word| word.starts_with(beginning));
    &list[from..from + count]
}

/// The letters that may follow a beginning, `a` in bit 0.
pub fn next_letters(beginning: &str) -> u32 {
    let next = |word: &&str| word.as_bytes().get(beginning.len()).map(|letter| letter - b'a');
    remaining(beginning).iter().filter_map(next).fold(0, |bits, letter| bits | 1 << letter)
}

/// Where an offer with these words waits, below [`SLOTS`]. Whoever sees the place knows three of the
/// words' 44 bits.
pub fn slot(words: &Words) -> u8 {
    let place = list().binary_search(&words[0]).unwrap_or_default();
    u8::try_from(place % usize::from(SLOTS)).expect("below eight")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn four_letters_name_a_word_and_the_list_is_in_order() {
        assert!(list().is_sorted() && list().len() == 2048);
        for known in list() {
            assert!(known.bytes().all(|letter| letter.is_ascii_lowercase()));
            assert_eq!(word(known), Some(*known));
            assert_eq!(word(&known[..known.len().min(ENOUGH)]), Some(*known));
        }
    }

    #[test]
    fn what_people_type_is_understood() {
        let words = ["abandon", "zoo", "act", "monkey"];
        for typed in [
            "abandon zoo act monkey",
            "  ABANDON\tZoo  act\nMONKEY ",
            "aban zoo act monk",
            "abandoned-zoo-act-monkeys",
            "Abandon, zoo, act, monkey.",
        ] {
            assert_eq!(parse(typed), Ok(words), "{typed}");
        }
        assert_eq!(parse("abandon zoo act"), Err(WordsError::Count(3)));
        assert_eq!(parse("abandon zoo act monkey act"), Err(WordsError::Count(5)));
        let unknown = |word: &str| Err(WordsError::Unknown(word.to_owned()));
        assert_eq!(parse("abandon zoo act zzzz"), unknown("zzzz"));
        // `ab` could be many.
        assert_eq!(parse("ab zoo act monkey"), unknown("ab"));
    }

    #[test]
    fn a_word_is_found_letter_by_letter() {
        let letters = |beginning| {
            let bits = next_letters(beginning);
            (b'a'..=b'z')
                .filter(|letter| bits >> (letter - b'a') & 1 == 1)
                .map(char::from)
                .collect::<String>()
        };
        assert_eq!(letters("zo"), "no");
        assert_eq!(remaining("zo"), ["zone", "zoo"]);
        assert_eq!(letters("zoo"), "");
        assert_eq!(remaining("zz"), [""; 0]);
        assert!(!letters("").contains('x') && letters("").contains('y'));
        assert_eq!(remaining("").len(), 2048);
    }

    #[test]
    fn codes_differ_and_wait_at_different_places() {
        let codes: HashSet<Words> = (0..200).map(|_| random()).collect();
        assert_eq!(codes.len(), 200);
        let slots: HashSet<u8> = codes.iter().map(slot).collect();
        assert_eq!(slots.len(), usize::from(SLOTS));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(text in any::<String>(), beginning in any::<String>()) {
            let _ = parse(&text);
            let _ = word(&beginning);
            let _ = next_letters(&beginning);
        }
    }
}
