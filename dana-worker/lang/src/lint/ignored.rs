//! `# check: ignore` and `# check: ignore[N101, V103]` at the end of a line: its findings, or those of these codes, are
//! not reported. A prefix such as `N` or `V1` stands for all codes that begin with it.

use std::collections::HashMap;

use super::Finding;
use crate::style::comments;

const MARK: &str = "check: ignore";

/// Removes what the comments of the source say is to be ignored. A finding over several lines is ignored by the comment
/// of its first or of its last one.
pub(super) fn drop_ignored(source: &str, findings: &mut Vec<Finding>) {
    if findings.is_empty() || !source.contains(MARK) {
        return;
    }
    // By the offset at which the line begins.
    let mut ignored: HashMap<usize, Vec<String>> = HashMap::new();
    for (at, comment) in comments(source) {
        let Some((_, rest)) = comment.split_once(MARK) else { continue };
        let codes = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((codes, _)) => codes.split(',').map(|code| code.trim().to_owned()).collect(),
            None if rest.starts_with('[') => continue,
            None => vec![String::new()],
        };
        ignored.entry(line_start(source, at)).or_default().extend(codes);
    }
    findings.retain(|finding| {
        ![finding.span.start, finding.span.end].iter().any(|&at| {
            let codes = ignored.get(&line_start(source, at as usize));
            codes.is_some_and(|codes| codes.iter().any(|code| finding.code.name.starts_with(code.as_str())))
        })
    });
}

fn line_start(source: &str, at: usize) -> usize {
    let before = source.as_bytes().get(..at).unwrap_or_default();
    before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1)
}
