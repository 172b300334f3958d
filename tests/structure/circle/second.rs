use super::third;

pub fn made() -> usize {
    // In a macro.
    assert!(size_of::<third::Third>() == 0);
    0
}
