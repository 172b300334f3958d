//! Three modules, each of which needs the next.

mod first;
mod second;
mod third;

pub use first::First;
pub use second::made as make_second;
