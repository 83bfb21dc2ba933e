//! Malformed messages by the thousand: each is answered well-formed, and none is stored.

use std::collections::BTreeSet;

use crate::cases;
use crate::mutate::Mutants;
use crate::node::Node;

const SEED: u64 = 9110;
const DRAWN: usize = 6000;
/// Distinct ones of them that a node refuses, at least.
const MALFORMED: usize = 500;

/// Plays it; whether some of it was refused as malformed.
fn play(bytes: &[u8]) -> bool {
    let shown = bytes.escape_ascii();
    let mut node = Node::sent(bytes, usize::MAX);
    // Taking them apart asserts that they are well-formed.
    let answers = node.answers();
    let seen = node.peer.seen.len();
    let refused = answers.len() > seen;
    assert!(answers.len() <= seen + 1, "{shown}: two refusals");
    for (status, _) in &answers {
        assert!(*status < 500 || *status == 505, "{shown}: {status}");
    }
    // After a refusal nobody knows where the next request would begin.
    assert!(!refused || node.peer.is_over(), "{shown}: it goes on");
    let last = answers.last().map(|answer| answer.0);
    assert!(!refused || last.is_some_and(|last| last >= 400), "{shown}");
    // Only what was acknowledged is stored.
    let kept = answers.iter().filter(|answer| answer.0 < 300).count() as u64;
    assert!(node.stored() <= kept, "{shown}: stored what it refused");
    let again = Node::sent(bytes, 1);
    assert_eq!(again.answers(), answers, "{shown}, byte by byte");
    assert_eq!(again.peer.seen, node.peer.seen, "{shown}, byte by byte");
    node.peer.eof();
    assert_eq!(node.peer.seen.len(), seen, "{shown}: the end completes it");
    assert!(node.peer.conn.is_closed(), "{shown}");
    refused
}

#[test]
fn malformed_messages_are_refused_and_nothing_of_them_is_stored() {
    let mutants = Mutants::new(&cases::all(), 300, SEED).take(DRAWN);
    let distinct: BTreeSet<_> = mutants.collect();
    let refused = distinct.iter().filter(|bytes| play(bytes)).count();
    assert!(refused >= MALFORMED, "{refused} of {}", distinct.len());
}
