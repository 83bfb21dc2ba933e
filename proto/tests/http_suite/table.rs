//! The case table, played on the core alone: in one piece, byte by byte, and with the end of the input.

use crate::cases::{self, Case, End, KEY};
use crate::node::Node;

/// Must never be seen where it is sent to a connection that is over.
const HIDDEN: &[u8] = b"PUT /london/hidden HTTP/1.1\r\nContent-Length: 1\r\n\r\nx";

fn play(case: &Case, size: usize) {
    let how = format!("{} in pieces of {size}", case.name);
    let mut node = Node::sent(&case.bytes(KEY), size);
    let answers = node.answers();
    let statuses: Vec<_> = answers.iter().map(|answer| answer.0).collect();
    assert_eq!(statuses, case.statuses(), "{how}");
    for ((_, body), expected) in answers.iter().zip(&case.answers) {
        if let Some(expected) = &expected.body {
            assert_eq!(body, expected, "{how}");
        }
    }
    assert_eq!(node.peer.is_over(), case.end == End::Close, "{how}");
    match case.end {
        End::Open => {
            node.peer.send("GET /ping HTTP/1.1\r\n\r\n");
            let last = node.answers().pop().unwrap();
            assert_eq!(last, (200, b"pong".to_vec()), "{how}");
            node.peer.eof();
            assert_eq!(node.answers().len(), answers.len() + 1, "{how}");
        }
        End::Close => {
            assert!(says_close(&node), "{how}");
            node.peer.send(HIDDEN);
            node.peer.eof();
            assert_eq!(node.answers(), answers, "{how}");
        }
        End::Cut => {
            let seen = node.peer.seen.len();
            node.peer.eof();
            assert_eq!(node.answers().last().unwrap().0, 400, "{how}");
            assert_eq!(node.peer.seen.len(), seen, "{how}: carried out");
        }
    }
    assert!(node.peer.conn.is_closed(), "{how}");
    if !case.stores() {
        assert_eq!(node.stored(), 0, "{how}");
    }
}

/// Whether the last answer says that it is the last.
fn says_close(node: &Node) -> bool {
    let answers = node.peer.answers();
    answers.last().unwrap().field("Connection") == Some("close")
}

#[test]
fn every_case_in_one_piece() {
    let cases = cases::all();
    assert!(cases.len() >= 300, "{} cases", cases.len());
    for case in &cases {
        play(case, usize::MAX);
    }
}

#[test]
fn every_case_byte_by_byte() {
    for case in &cases::all() {
        play(case, 1);
    }
}

#[test]
fn every_case_in_pieces_of_seven() {
    for case in &cases::all() {
        play(case, 7);
    }
}

#[test]
fn a_case_is_of_its_files_family() {
    let mut families: Vec<_> = cases::all().iter().map(Case::family).collect();
    families.dedup();
    let expected = [
        "cl", "te", "chunk", "header", "line", "version", "target", "method", "conn", "pipe",
    ];
    assert_eq!(families, expected);
}
