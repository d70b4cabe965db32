//! The known name nearest to a mistaken one.

/// The candidate with the fewest edits (insert, delete, replace, swap neighbours), if it is near enough: one edit for
/// short names, up to three for long ones. Names above 64 bytes are not compared.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = match name.len() {
        0..=1 | 65.. => return None,
        2..=4 => 1,
        5..=9 => 2,
        _ => 3,
    };
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    let near = candidates
        .into_iter()
        .filter(|candidate| {
            *candidate != name && candidate.len().abs_diff(name.len()) <= allowed && candidate.len() > 1
        })
        .map(|candidate| (edits(&wanted, &candidate.to_lowercase().chars().collect::<Vec<_>>()), candidate))
        .filter(|&(distance, _)| distance <= allowed);
    near.min_by_key(|&(distance, candidate)| (distance, candidate)).map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant() {
        let names = ["print", "range", "total", "customer_name", "x", "len"];
        let near = |name| nearest(name, names);
        assert_eq!(near("pirnt"), Some("print"));
        assert_eq!(near("Print"), Some("print"));
        assert_eq!(near("totl"), Some("total"));
        assert_eq!(near("custmer_nmae"), Some("customer_name"));
        assert_eq!(near("length"), None);
        assert_eq!(near("y"), None);
        assert_eq!(near(""), None);
        assert_eq!(near("banana"), None);
    }
}
