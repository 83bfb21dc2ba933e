//! Where a request ends, and where a connection does.

use super::Case;

const PING: &str = "GET /ping HTTP/1.1\r\n\r\n";

pub(crate) fn many_requests_are_answered_in_order() -> Case {
    (0..40).fold(Case::default(), |case, i| {
        let target = format!("/london/{{key_of_run}}{}", i % 4);
        let head = format!("PUT {target} HTTP/1.1\r\nContent-Length: 2\r\n\r\n");
        case.ask(format!("{head}{i:02}"), 200, "").ask(
            format!("GET {target} HTTP/1.1\r\n\r\n"),
            200,
            format!("{i:02}"),
        )
    })
}

pub(crate) fn empty_lines_before_a_request_are_ignored() -> Case {
    Case::default()
        .ask(format!("\r\n\r\n{PING}"), 200, "pong")
        .ask(format!("\r\n{PING}"), 200, "pong")
}

pub(crate) fn a_connection_ends_when_asked_to() -> Case {
    Case::default()
        .ask(PING, 200, "pong")
        .ask(
            "GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n",
            200,
            "pong",
        )
        .with("connection", "close")
        .closed()
}

pub(crate) fn names_of_fields_are_of_any_case() -> Case {
    Case::default()
        .ask(
            "PUT /london/{key_of_run} HTTP/1.1\r\ncOnTeNt-LeNgTh:5  \r\n\r\nvalue",
            200,
            "",
        )
        .ask(
            "GET /london/{key_of_run} HTTP/1.1\r\nCONNECTION: Close\r\n\r\n",
            200,
            "value",
        )
        .closed()
}

pub(crate) fn http_1_0_closes() -> Case {
    Case::default()
        .ask(
            "PUT /london/{key_of_run} HTTP/1.0\r\nContent-Length: 5\r\n\r\nvalue",
            200,
            "",
        )
        .closed()
}

pub(crate) fn http_1_0_needs_no_fields() -> Case {
    Case::default()
        .ask("GET /ping HTTP/1.0\r\n\r\n", 200, "pong")
        .with("content-length", "4")
        .closed()
}

pub(crate) fn http_1_0_is_kept_alive_when_it_asks() -> Case {
    let kept = "GET /ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    Case::default()
        .ask(kept, 200, "pong")
        .with("connection", "keep-alive")
        .ask(kept, 200, "pong")
        .ask("GET /ping HTTP/1.0\r\n\r\n", 200, "pong")
        .closed()
}

pub(crate) fn what_follows_the_last_request_is_not_answered() -> Case {
    let last = "GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n";
    Case::default()
        .ask(format!("{last}{PING}{PING}"), 200, "pong")
        .closed()
}

fn refused(request: impl Into<Vec<u8>>, status: u16) -> Case {
    Case::default()
        .ask(PING, 200, "pong")
        .page(request, status)
        .with("connection", "close")
        .closed()
}

pub(crate) fn a_bare_line_feed_is_refused() -> Case {
    refused("GET /ping HTTP/1.1\nHost: x\n\n", 400)
}

pub(crate) fn a_folded_field_is_refused() -> Case {
    refused("GET /ping HTTP/1.1\r\nH: a\r\n folded\r\n\r\n", 400)
}

pub(crate) fn a_nul_is_refused() -> Case {
    refused("GET /ping HTTP/1.1\r\nH: a\0b\r\n\r\n", 400)
}

pub(crate) fn a_space_before_the_colon_is_refused() -> Case {
    refused("GET /ping HTTP/1.1\r\nContent-Length : 1\r\n\r\n", 400)
}

pub(crate) fn tls_is_refused() -> Case {
    refused(
        &b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n"[..],
        400,
    )
}

pub(crate) fn http_2_is_told_what_there_is() -> Case {
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)
}

pub(crate) fn more_fields_than_fit_are_refused() -> Case {
    let many: String = (0..65).map(|i| format!("H{i}: x\r\n")).collect();
    refused(format!("GET /ping HTTP/1.1\r\n{many}\r\n"), 431)
}

pub(crate) fn a_head_too_long_is_refused() -> Case {
    let long = "x".repeat(17 << 10);
    refused(format!("GET /ping HTTP/1.1\r\nH: {long}\r\n\r\n"), 431)
}
