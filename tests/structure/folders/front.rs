mod show;

pub struct Shown;
