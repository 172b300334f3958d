//! Linux 2.4: every decision is a value, and no function is needed.
