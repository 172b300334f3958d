//! Linux 5.10 to 7.x.

mod newer;
mod older;

pub use newer::*;
pub use older::*;
