//! What holds however messages are delivered, cut, moved, doubled or damaged, and whoever is in
//! between.

use proptest::prelude::*;

use super::stories::{JOIN, OFFER, OTHERS, Two, WORDS, body, card};
use super::talk::{Input, Output, Talk};
use super::{News, Refusal};
use crate::clock::Time;

/// What is done to the messages on their way, one of these at each step.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Deliver,
    Drop,
    Double,
    Last,
    Cut(usize),
    Same(usize, bool),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        20 => Just(Deed::Deliver),
        1 => Just(Deed::Drop),
        1 => Just(Deed::Double),
        1 => Just(Deed::Last),
        1 => (0..2_usize).prop_map(Deed::Cut),
        4 => (0..2_usize, any::<bool>()).prop_map(|(end, same)| Deed::Same(end, same)),
    ]
}

fn two() -> Two {
    Two::new(&WORDS, &WORDS, [card("Anna", 1), card("Bert", 2)])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nobody_is_paired_unless_both_persons_said_the_same_and_saw_it(
        deeds in proptest::collection::vec(deed(), 1..40),
    ) {
        let mut two = two();
        let mut yes = [false; 2];
        for deed in deeds {
            match deed {
                Deed::Cut(end) => two.tell(end, Input::Cut),
                Deed::Same(end, same) => {
                    yes[end] |= same && two.compared(end).is_some();
                    two.tell(end, Input::Same(same));
                }
                _ if two.waiting.is_empty() => {}
                Deed::Drop => drop(two.waiting.remove(0)),
                Deed::Deliver | Deed::Double | Deed::Last => {
                    let from = if matches!(deed, Deed::Last) { two.waiting.len() - 1 } else { 0 };
                    let (to, bytes) = two.waiting.remove(from);
                    if matches!(deed, Deed::Double) {
                        two.waiting.insert(0, (to, bytes.clone()));
                    }
                    two.tell(to, Input::Message(&bytes));
                }
            }
        }
        for end in [OFFER, JOIN] {
            prop_assert!(!two.paired(end) || yes == [true; 2]);
        }
        if let (Some((_, one)), Some((_, other))) = (two.compared(OFFER), two.compared(JOIN)) {
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn any_flipped_bit_ends_it_and_nobody_is_paired(
        message in 0..9_usize, bit in any::<prop::sample::Index>(),
    ) {
        let mut two = two();
        let mut count = 0;
        loop {
            while !two.waiting.is_empty() {
                let (to, mut bytes) = two.waiting.remove(0);
                if count == message {
                    let bit = bit.index(bytes.len() * 8);
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
                count += 1;
                two.tell(to, Input::Message(&bytes));
                if two.ends.iter().any(Talk::is_over) {
                    two.tell(OFFER, Input::Cut);
                    two.tell(JOIN, Input::Cut);
                }
            }
            if count > 8 || two.ends.iter().any(Talk::is_over) {
                break;
            }
            two.tell(OFFER, Input::Same(true));
            two.tell(JOIN, Input::Same(true));
        }
        // A `Same` that is lost at the last moment is lost to one of them only.
        let harmed = if message >= 7 { 1 } else { 2 };
        let paired = [OFFER, JOIN].into_iter().filter(|end| two.paired(*end)).count();
        prop_assert!(paired <= 2 - harmed, "{message}: {:?}", two.shown);
    }

    #[test]
    fn garbage_at_any_moment_never_panics(
        steps in 0..8_usize, end in 0..2_usize, bytes in any::<Vec<u8>>(),
    ) {
        let mut two = two();
        for _ in 0..steps.min(two.waiting.len()) {
            let (to, bytes) = two.waiting.remove(0);
            two.tell(to, Input::Message(&bytes));
        }
        two.tell(end, Input::Message(&bytes));
        prop_assert!(two.ends[end].is_over() && !two.paired(end));
    }

    #[test]
    fn who_is_in_between_without_the_words_never_gets_to_the_pictures(guess in 0..2048_usize) {
        let now = Time::from_micros(1);
        let guess = bip39::Language::English.word_list()[guess];
        let guessed = [WORDS[0], WORDS[1], WORDS[2], guess];
        prop_assume!(guessed != WORDS);
        // To Anna it joins, to Bert it offers.
        for words in [guessed, OTHERS] {
            let mut at_anna = Two::new(&WORDS, &words, [card("Anna", 1), card("Eve", 3)]);
            let mut at_bert = Two::new(&words, &WORDS, [card("Eve", 3), card("Bert", 2)]);
            at_anna.run();
            at_bert.run();
            prop_assert_eq!(at_anna.wrong, 1);
            prop_assert!(at_anna.compared(OFFER).is_none());
            prop_assert_eq!(&at_bert.shown[JOIN], &[News::Failed(Refusal::WrongWords)]);
        }
        // It carries what they say from one to the other, and puts in a word of its own.
        let (mut joins, first) = Talk::join(&WORDS, &card("Bert", 2), now);
        let mut offers = Talk::offer(&WORDS, &card("Anna", 1), now);
        let (eve, eves) = Talk::join(&guessed, &card("Eve", 3), now);
        let sent = |outputs: &[Output]| match &outputs[0] {
            Output::Send(bytes) => body(bytes).to_vec(),
            other => panic!("{other:?}"),
        };
        let answer = offers.handle(Input::Message(&sent(&eves)), now);
        let proof = joins.handle(Input::Message(&sent(&answer)), now);
        let said = offers.handle(Input::Message(&sent(&proof)), now);
        prop_assert!(said.contains(&Output::WrongTry));
        drop((eve, first));
    }
}

#[test]
fn who_overheard_the_words_makes_two_screens_that_differ() {
    let mut differ = 0;
    for _ in 0..20 {
        let mut at_anna = Two::new(&WORDS, &WORDS, [card("Anna", 1), card("Eve", 3)]);
        let mut at_bert = Two::new(&WORDS, &WORDS, [card("Eve", 3), card("Bert", 2)]);
        at_anna.run();
        at_bert.run();
        differ +=
            usize::from(at_anna.compared(OFFER).unwrap().1 != at_bert.compared(JOIN).unwrap().1);
    }
    // One in a million is the same.
    assert!(differ >= 19);
}
