use crate::back::Stored;

pub fn show(_: &Stored) {}
