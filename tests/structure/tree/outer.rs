mod inner;
mod other;

use crate::below::Below;

pub struct Outer(Below);

pub fn outer() -> Outer {
    inner::inner()
}
