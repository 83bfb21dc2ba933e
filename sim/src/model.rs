//! The reference: what clients asked for, and so what may be read.

use std::collections::BTreeMap;

use bytes::Bytes;
use zerocache_proto::op::Kind;
use zerocache_proto::{Rng, Version};

/// An operation of a client.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    pub(crate) key: u32,
    pub(crate) size: u32,
    /// In seconds.
    pub(crate) ttl: u32,
    pub(crate) started: u64,
    pub(crate) ended: Option<u64>,
    /// It was told to be done.
    pub(crate) acknowledged: bool,
    /// The true time at which the last copy anywhere ends.
    pub(crate) expires: u64,
}

/// All operations so far, and the versions they were given.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) operations: Vec<Operation>,
    /// Which write each version of a key is.
    pub(crate) versions: BTreeMap<(u32, Version), u64>,
    /// The write of each key that was told last to be done.
    pub(crate) latest: BTreeMap<u32, u64>,
    /// The newest version of each key that a node has ever held.
    pub(crate) newest: BTreeMap<u32, Version>,
}

impl Model {
    pub(crate) fn begin(&mut self, operation: Operation) -> u64 {
        self.operations.push(operation);
        self.operations.len() as u64 - 1
    }

    /// How long ago a read, begun at `since`, of what `written` wrote was told of something newer: the
    /// time at which that was done.
    pub(crate) fn outdated(&self, written: &Operation, since: u64) -> Option<u64> {
        let latest = self.operation(*self.latest.get(&written.key)?)?;
        let newer = latest.started > written.ended?;
        latest.ended.filter(|ended| newer && *ended < since)
    }

    pub(crate) fn operation(&self, op: u64) -> Option<&Operation> {
        self.operations.get(op as usize)
    }

    pub(crate) fn operation_mut(&mut self, op: u64) -> Option<&mut Operation> {
        self.operations.get_mut(op as usize)
    }
}

/// The value that operation `op` writes: it names the operation, and no two are alike.
pub(crate) fn value(op: u64, size: u32) -> Bytes {
    let mut value = format!("w{op};").into_bytes();
    let mut noise = Rng::new(op);
    while value.len() < size as usize {
        value.extend_from_slice(&noise.next_u64().to_be_bytes());
    }
    let least = format!("w{op};").len();
    value.truncate(least.max(size as usize));
    value.into()
}

/// The operation that wrote a value, read off its beginning.
pub(crate) fn writer(value: &[u8]) -> Option<u64> {
    let end = value.iter().take(24).position(|byte| *byte == b';')?;
    let digits = value.get(..end)?.strip_prefix(b"w")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_names_its_writer() {
        for (op, size) in [(0, 0), (7, 3), (123_456, 20_000)] {
            let value = value(op, size);
            assert!(value.len() >= size as usize);
            assert_eq!(writer(&value), Some(op));
        }
        assert_eq!(writer(b"x1;"), None);
        assert_eq!(writer(b"w1"), None);
    }
}
