use super::other::other;
use super::Outer;

pub fn inner() -> Outer {
    Outer(other())
}
