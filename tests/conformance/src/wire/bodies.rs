//! Bodies, by length and in chunks.

use super::Case;

const GET: &str = "GET /london/{key_of_run} HTTP/1.1\r\n\r\n";
const CHUNKED: &str = "PUT /london/{key_of_run} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";

fn chunked(body: &str, value: &str) -> Case {
    Case::default()
        .ask(format!("{CHUNKED}{body}"), 200, "")
        .ask(GET, 200, value)
}

pub(crate) fn chunks_make_one_value() -> Case {
    chunked("3\r\nval\r\n2\r\nue\r\n0\r\n\r\n", "value")
}

pub(crate) fn no_chunks_make_an_empty_value() -> Case {
    chunked("0\r\n\r\n", "")
}

pub(crate) fn chunks_may_have_extensions_and_trailers() -> Case {
    chunked(
        "005;a=b;c=\"d\"\r\nvalue\r\n0;last\r\nTrailer: x\r\nOther: y\r\n\r\n",
        "value",
    )
}

pub(crate) fn a_chunk_of_no_size_is_refused() -> Case {
    Case::default()
        .page(format!("{CHUNKED}zz\r\nvalue\r\n0\r\n\r\n"), 400)
        .closed()
}

pub(crate) fn a_chunk_longer_than_it_said_is_refused() -> Case {
    Case::default()
        .page(format!("{CHUNKED}3\r\nvalue\r\n0\r\n\r\n"), 400)
        .closed()
}

pub(crate) fn a_chunk_size_beyond_all_bounds_is_refused() -> Case {
    Case::default()
        .page(format!("{CHUNKED}fffffffffffffffff\r\n"), 413)
        .closed()
}

pub(crate) fn both_lengths_are_refused() -> Case {
    let head = "PUT /london/{key_of_run} HTTP/1.1\r\nContent-Length: 5\r\n";
    Case::default()
        .page(
            format!("{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400,
        )
        .closed()
}

pub(crate) fn two_lengths_are_refused() -> Case {
    let head = "PUT /london/{key_of_run} HTTP/1.1\r\nContent-Length: 1\r\n";
    Case::default()
        .page(format!("{head}Content-Length: 2\r\n\r\nxy"), 400)
        .closed()
}

pub(crate) fn a_length_that_is_no_number_is_refused() -> Case {
    let head = "PUT /london/{key_of_run} HTTP/1.1\r\n";
    Case::default()
        .page(format!("{head}Content-Length: +1\r\n\r\nx"), 400)
        .closed()
}

pub(crate) fn a_value_too_large_is_refused_unread() -> Case {
    let head = "PUT /london/{key_of_run} HTTP/1.1\r\n";
    Case::default()
        .page(format!("{head}Content-Length: 16777217\r\n\r\n"), 413)
        .closed()
}

pub(crate) fn a_chunk_too_large_is_refused_unread() -> Case {
    Case::default()
        .page(format!("{CHUNKED}1000001\r\n"), 413)
        .closed()
}

pub(crate) fn who_expects_to_be_told_to_go_on_is_served() -> Case {
    let head = "PUT /london/{key_of_run} HTTP/1.1\r\nContent-Length: 5\r\n";
    Case::default()
        .ask(format!("{head}Expect: 100-continue\r\n\r\nvalue"), 200, "")
        .ask(GET, 200, "value")
}

pub(crate) fn who_expects_too_much_is_told_in_advance() -> Case {
    let head = "PUT /london/{key_of_run} HTTP/1.1\r\nContent-Length: 16777217\r\n";
    Case::default()
        .page(format!("{head}Expect: 100-continue\r\n\r\n"), 413)
        .closed()
}

pub(crate) fn who_expects_something_else_is_told() -> Case {
    let head = "PUT /london/{key_of_run} HTTP/1.1\r\nContent-Length: 5\r\n";
    Case::default()
        .page(format!("{head}Expect: miracles\r\n\r\nvalue"), 417)
        .closed()
}

pub(crate) fn a_body_of_a_get_is_read_and_ignored() -> Case {
    Case::default()
        .ask(
            "GET /london/{key_of_run} HTTP/1.1\r\nContent-Length: 5\r\n\r\nvalue",
            404,
            "",
        )
        .ask("GET /ping HTTP/1.1\r\n\r\n", 200, "pong")
}
