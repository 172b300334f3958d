use crate::front::Shown;

pub struct Stored(pub Shown);
