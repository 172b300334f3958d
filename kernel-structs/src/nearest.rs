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
    let known: Vec<&str> = known.into_iter().collect();
    nearest_of(unknown, &known, count)
}

fn nearest_of<'a>(unknown: &str, known: &[&'a str], count: usize) -> Vec<&'a str> {
    // Nobody types so much: what is longer is compared by its beginning, or passed over.
    let shown = unknown.char_indices().nth(MAX_LENGTH);
    let unknown = &unknown[..shown.map_or(unknown.len(), |(end, _)| end)];
    let asked = unknown.chars().count();
    let allowed = (asked / 3).max(2);
    let mut close = Vec::new();
    for name in known {
        let length = name.chars().count();
        if length > MAX_LENGTH || length.abs_diff(asked) > allowed {
            continue;
        }
        let distance = strsim::osa_distance(unknown, name);
        // A name with nothing in common is no suggestion, however short both are.
        if distance <= allowed && distance < length.max(asked) {
            close.push((distance, *name));
        }
    }
    close.sort_by_key(|(distance, _)| *distance);
    close.truncate(count);
    close.into_iter().map(|(_, name)| name).collect()
}

/// Characters. The work grows with the square of the length.
const MAX_LENGTH: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_of_neighbours_is_one_edit() {
        let known = ["blackced", "blocked"];
        assert_eq!(nearest_few("blokced", known, 2), ["blocked", "blackced"]);
    }

    #[test]
    fn what_is_longer_than_names_are_is_cut_between_characters() {
        let long = "ä".repeat(300);
        let cut = "ä".repeat(256);
        assert_eq!(nearest(&long, [cut.as_str(), "mm"]), Some(cut.as_str()));
        assert_eq!(nearest(&long, [long.as_str()]), None);
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
