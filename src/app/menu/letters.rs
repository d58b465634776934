//! Four words put in a letter at a time: after at most four letters a word is one of four.

use crate::pairing::words::{next_letters, remaining};
use crate::pairing::{WORDS, Words};

/// Words that are shown to choose from, at most.
const CHOICES: usize = 4;

/// What has been put in.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Letters {
    words: Vec<&'static str>,
    letters: String,
}

impl Letters {
    /// A letter more, where a word goes on with it.
    pub(super) fn push(&mut self, letter: char) {
        if self.next() & bit(letter) != 0 {
            self.letters.push(letter.to_ascii_lowercase());
        }
    }

    /// The last letter away; where there is none, the last word.
    pub(super) fn erase(&mut self) {
        if self.letters.pop().is_none() {
            self.words.pop();
        }
    }

    /// One of [`Letters::choices`]; all four when it was the last one.
    pub(super) fn choose(&mut self, place: u8) -> Option<Words> {
        let word = *self.choices().get(usize::from(place))?;
        self.words.push(word);
        self.letters.clear();
        self.words.as_slice().try_into().ok()
    }

    /// Those that are complete.
    pub(super) fn words(&self) -> &[&'static str] {
        &self.words
    }

    /// The beginning of the next one.
    pub(super) fn letters(&self) -> &str {
        &self.letters
    }

    /// The letters that may come next, `a` in bit 0.
    pub(super) fn next(&self) -> u32 {
        if self.words.len() < WORDS { next_letters(&self.letters) } else { 0 }
    }

    /// The words that it may become, where they are few; and the one that is complete in any case.
    pub(super) fn choices(&self) -> Vec<&'static str> {
        let open = self.open();
        let shown = if open.len() > CHOICES { open.get(..1).unwrap_or(open) } else { open };
        let whole = |word: &&&str| open.len() <= CHOICES || **word == self.letters;
        shown.iter().filter(whole).copied().collect()
    }

    fn open(&self) -> &'static [&'static str] {
        if self.words.len() >= WORDS {
            return &[];
        }
        remaining(&self.letters)
    }
}

fn bit(letter: char) -> u32 {
    match letter.to_ascii_lowercase() {
        letter @ 'a'..='z' => 1 << (u32::from(letter) - u32::from('a')),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bip39::Language;

    #[test]
    fn every_word_of_the_list_can_be_put_in_with_at_most_four_letters() {
        for word in Language::English.word_list() {
            let mut letters = Letters::default();
            let mut chosen = None;
            for letter in word.chars().take(4) {
                letters.push(letter);
                chosen = letters.choices().iter().position(|choice| choice == word);
                if chosen.is_some() {
                    break;
                }
            }
            let place = u8::try_from(chosen.unwrap_or_else(|| panic!("{word}"))).unwrap();
            assert!(letters.choices().len() <= CHOICES);
            letters.choose(place);
            assert_eq!(letters.words(), [*word]);
        }
    }

    #[test]
    fn letters_that_no_word_has_are_not_taken_and_erase_goes_back_over_words() {
        let mut letters = Letters::default();
        // No English word of the list begins with x, and nothing but letters is taken.
        for letter in ['x', 'é', '7', ' '] {
            letters.push(letter);
        }
        assert_eq!(letters.letters(), "");
        for letter in "Zoo".chars() {
            letters.push(letter);
        }
        assert_eq!((letters.letters(), letters.choices()), ("zoo", vec!["zoo"]));
        assert_eq!(letters.choose(7), None);
        assert_eq!(letters.choose(0), None);
        letters.erase();
        assert_eq!(letters.words(), [""; 0]);
        let mut all = None;
        for _ in 0..WORDS {
            assert_eq!(all, None);
            letters.push('z');
            letters.push('o');
            all = letters.choose(1);
        }
        assert_eq!(all, Some(["zoo"; 4]));
        assert_eq!(letters.next(), 0, "a fifth word is none");
    }
}
