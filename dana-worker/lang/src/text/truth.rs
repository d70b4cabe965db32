//! Fuzzy truth: what a text means in a condition.
//!
//! Decides on the whole text, or on a first word that is set off by punctuation ("Yes, because ..."). Never on a word
//! found somewhere inside.

const TRUE: &[&str] = &[
    "true",
    "yes",
    "y",
    "on",
    "enabled",
    "active",
    "yeah",
    "yep",
    "sure",
    "absolutely",
    "of course",
    "certainly",
    "indeed",
    "1",
    "positive",
    "good",
    "ok",
    "okay",
    "fine",
    "correct",
    "right",
];
const FALSE: &[&str] = &[
    "false",
    "no",
    "n",
    "off",
    "disabled",
    "inactive",
    "nah",
    "nope",
    "never",
    "definitely not",
    "no way",
    "not really",
    "hardly",
    "0",
    "0.0",
    "0.00",
    "zero",
    "none",
    "null",
    "empty",
    "blank",
];
const OPENS_TRUE: &[&str] =
    &["yes", "yeah", "yep", "true", "sure", "absolutely", "certainly", "definitely", "correct", "right"];
const OPENS_FALSE: &[&str] = &["no", "nope", "nah", "false", "never", "incorrect", "wrong"];

/// Longer texts cannot be in the table, and their first word is at their beginning.
const LONGEST: usize = 32;

/// Truth of a text in `if`, `elif`, `while`, `bool()` and coercion to `bool`.
pub fn fuzzy_truth(text: &str) -> bool {
    let trimmed = text.trim();
    let start = trimmed
        .char_indices()
        .nth(LONGEST)
        .map_or(trimmed, |(end, _)| trimmed.get(..end).unwrap_or_default());
    let lowered = start.to_lowercase();
    if start.len() == trimmed.len() {
        if TRUE.contains(&lowered.as_str()) {
            return true;
        }
        if FALSE.contains(&lowered.as_str()) {
            return false;
        }
    }
    let word = lowered.find(|c: char| !c.is_alphanumeric()).unwrap_or(lowered.len());
    let (word, rest) = lowered.split_at(word);
    let goes_on = rest.chars().next().is_some_and(|c| !c.is_whitespace() && c != '_');
    if goes_on && OPENS_FALSE.contains(&word) {
        return false;
    }
    if goes_on && OPENS_TRUE.contains(&word) {
        return true;
    }
    !trimmed.is_empty()
}

#[cfg(test)]
mod tests {
    use super::{FALSE, TRUE, fuzzy_truth};

    #[test]
    fn the_whole_text_decides_when_it_is_in_the_table() {
        for word in TRUE {
            assert!(fuzzy_truth(word), "{word}");
            assert!(fuzzy_truth(&format!("  {}\n", word.to_uppercase())), "{word}");
        }
        for word in FALSE {
            assert!(!fuzzy_truth(word), "{word}");
            assert!(!fuzzy_truth(&format!("\t{} ", word.to_uppercase())), "{word}");
        }
    }

    #[test]
    fn a_first_word_decides_only_before_punctuation() {
        let no = [
            "No.",
            "no, never",
            "Nope!",
            "Nah, thanks",
            "FALSE: it is not",
            "Never.",
            "Incorrect.",
            "wrong!",
            "No\u{2014}because",
            "no-one",
        ];
        let yes = [
            "Yes.",
            "yes, because",
            "Yeah!",
            "True.",
            "Sure, no problem",
            "Absolutely. Not wrong.",
            "Definitely!",
            "Right: so",
        ];
        no.iter().for_each(|text| assert!(!fuzzy_truth(text), "{text}"));
        yes.iter().for_each(|text| assert!(fuzzy_truth(text), "{text}"));
    }

    #[test]
    fn words_inside_a_text_mean_nothing() {
        let texts = [
            "I know",
            "cannot",
            "norway",
            "nothing",
            "another",
            "notebook",
            "maybe",
            "-1",
            "no idea",
            "wrong",
            "nono",
            "false alarm",
            "bad",
            "terrible",
            "f",
            "nil",
            "-0",
            "0.000",
            "no_value",
            "x",
            "not",
        ];
        texts.iter().for_each(|text| assert!(fuzzy_truth(text), "{text}"));
    }

    #[test]
    fn nothing_is_false() {
        ["", " ", "   ", "\n\t"].iter().for_each(|text| assert!(!fuzzy_truth(text), "{text:?}"));
    }

    #[test]
    fn a_long_text_is_judged_by_its_beginning() {
        assert!(!fuzzy_truth(&format!("No, {}", "x".repeat(1_000_000))));
        assert!(fuzzy_truth(&"no ".repeat(1_000_000)));
    }
}
