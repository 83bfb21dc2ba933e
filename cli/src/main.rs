//! The `zerocache` command.
fn main() {}
