use crate::below::Below;

pub fn other() -> Below {
    Below
}
