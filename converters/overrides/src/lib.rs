//! What takes more than a value to decide: the functions that decisions of the families call, over
//! the structures before and after. The decisions and their reasons stand beside this crate's
//! sources, in a folder for each family.
#![forbid(unsafe_code)]

pub mod kho;
pub mod linux_2_4;
pub mod linux_6;
