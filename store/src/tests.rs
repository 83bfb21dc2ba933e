//! Each rule of the semantics by name, then what the structure adds to them.

use crate::Tlru;

#[test]
fn types_can_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<Tlru<u32>>();
}
