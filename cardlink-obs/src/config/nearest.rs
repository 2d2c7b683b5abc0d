//! The known word that an unknown one was most likely meant to be.

/// The nearest of the candidates, if any is near enough.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let leaf = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let most = (word.chars().count() / 3).clamp(2, 5);
    candidates
        .map(|candidate| {
            // The right name in the wrong table is as near as a slip of the finger.
            let moved = if leaf(candidate) == leaf(word) { 1 } else { usize::MAX };
            (distance(word, candidate).min(moved), candidate)
        })
        .filter(|(steps, _)| *steps <= most)
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions, and swaps of neighbours (optimal string alignment).
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let width = to.len() + 1;
    let mut rows: Vec<Vec<usize>> = vec![(0..width).collect()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let above = |back: usize, column: usize| {
                rows.len().checked_sub(back).and_then(|at| rows.get(at)).and_then(|row| row.get(column)).copied()
            };
            let changed = above(1, j).unwrap_or(0) + usize::from(a != b);
            let removed = above(1, j + 1).unwrap_or(0) + 1;
            let added = row.last().copied().unwrap_or(0) + 1;
            let mut least = changed.min(removed).min(added);
            let swapped = i > 0 && j > 0 && from.get(i - 1) == Some(b) && to.get(j - 1) == Some(a);
            if swapped {
                least = least.min(above(2, j - 1).unwrap_or(0) + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn slips_of_the_finger() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("listen", "listen"), 0);
        assert_eq!(distance("lsiten", "listen"), 1, "neighbours swapped");
        assert_eq!(distance("listn", "listen"), 1);
        let known = ["metrics.listen", "metrics.path", "sessions.psk_file", "log.level"];
        let near = |word| nearest(word, known.into_iter());
        assert_eq!(near("metrics.lsiten"), Some("metrics.listen"));
        assert_eq!(near("limits.psk_file"), Some("sessions.psk_file"));
        assert_eq!(near("metric.listen"), Some("metrics.listen"));
        assert_eq!(near("entirely.different"), None);
    }
}
