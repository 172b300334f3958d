//! What [`crate::outer`] uses.

pub struct Below;

#[cfg(test)]
mod tests {
    use crate::outer::outer;

    #[test]
    fn a_test_may_use_what_is_above() {
        outer();
    }
}
