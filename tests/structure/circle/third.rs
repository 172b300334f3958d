pub struct Third;

pub fn third() -> usize {
    use crate::First as Beginning;
    size_of::<Beginning>()
}
