//! The known names nearest to one that is not known, for error messages.

/// The name among `known` that differs least from `unknown`; `None` if none is close.
///
/// Close means at most a third of the characters (and always two) inserted, deleted, replaced,
/// or swapped with their neighbour. Of equally close names the first is taken.
///
/// ```
/// use kernel_structs::nearest::nearest;
/// assert_eq!(nearest("task_strcut", ["mm_struct", "task_struct"]), Some("task_struct"));
/// assert_eq!(nearest("inode", ["mm_struct", "task_struct"]), None);
/// ```
pub fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_few(unknown, known, 1).first().copied()
}

/// The names among `known` that are close to `unknown` as for [`nearest`], the closest first,
/// `count` at most.
pub fn nearest_few<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
    count: usize,
) -> Vec<&'a str> {
    let unknown: Vec<char> = unknown.chars().take(MAX_LENGTH).collect();
    let allowed = (unknown.len() / 3).max(2);
    let mut close = Vec::new();
    for name in known {
        let length = name.chars().count();
        if length > MAX_LENGTH || length.abs_diff(unknown.len()) > allowed {
            continue;
        }
        let distance = distance(&unknown, &name.chars().collect::<Vec<_>>());
        // A name with nothing in common is no suggestion, however short both are.
        if distance <= allowed && distance < length.max(unknown.len()) {
            close.push((distance, name));
        }
    }
    close.sort_by_key(|(distance, _)| *distance);
    close
        .into_iter()
        .take(count)
        .map(|(_, name)| name)
        .collect()
}

/// Longer names are cut or passed over: the work grows with the square of the length.
const MAX_LENGTH: usize = 256;

/// Restricted Damerau-Levenshtein distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = last;
        last = row;
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(a: &str, b: &str) -> usize {
        distance(
            &a.chars().collect::<Vec<_>>(),
            &b.chars().collect::<Vec<_>>(),
        )
    }

    #[test]
    fn distances_count_single_edits() {
        assert_eq!(between("blocked", "blocked"), 0);
        assert_eq!(between("blocked", "bloked"), 1);
        assert_eq!(between("blocked", "blokced"), 1);
        assert_eq!(between("", "mm"), 2);
    }

    #[test]
    fn the_nearest_name_wins_and_strangers_are_not_suggested() {
        assert_eq!(
            nearest("sigmask", ["signal", "sigmask_lock", "sigmaks"]),
            Some("sigmaks")
        );
        assert_eq!(nearest("fs", ["mm"]), None);
        assert_eq!(nearest("scm_work_list", ["mm", "pending"]), None);
    }
}
