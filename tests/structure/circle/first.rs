pub struct First;

/// By the name under which the crate hands it on.
pub fn first() -> usize {
    crate::make_second()
}
