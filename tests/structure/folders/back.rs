mod store;

pub use store::Stored;
