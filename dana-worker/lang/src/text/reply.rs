//! Reducing what a language model wrote to the part that was asked for.

/// The text after the last `FINAL_ANSWER:` marker (any case), trimmed; all of it when there is no marker.
pub fn final_answer(text: &str) -> &str {
    const MARK: &str = "FINAL_ANSWER:";
    let bytes = text.as_bytes();
    let found = bytes.windows(MARK.len()).rposition(|window| window.eq_ignore_ascii_case(MARK.as_bytes()));
    match found.and_then(|at| text.get(at + MARK.len()..)) {
        Some(answer) => answer.trim(),
        None => text,
    }
}

/// The inside of the first markdown fence, or the trimmed text when there is none.
pub fn unfenced(text: &str) -> &str {
    let trimmed = text.trim();
    let Some(open) = trimmed.find("```") else { return trimmed };
    let inside = trimmed.get(open + 3..).unwrap_or_default();
    // The rest of the opening line names the language, unless the content begins there.
    let label =
        inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(inside.len());
    let (named, body) = inside.split_at(label);
    let body = if named.is_empty() || body.starts_with(char::is_whitespace) { body } else { inside };
    body.split("```").next().unwrap_or_default().trim()
}
