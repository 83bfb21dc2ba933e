//! Targets, and the keys they name.

use super::Case;

/// A value stored at one spelling of a path and read at another.
fn alias(stored: &str, read: &str) -> Case {
    Case::default()
        .ask(
            format!("PUT {stored} HTTP/1.1\r\nContent-Length: 1\r\n\r\nv"),
            200,
            "",
        )
        .ask(format!("GET {read} HTTP/1.1\r\n\r\n"), 200, "v")
}

pub(crate) fn an_escape_and_what_it_stands_for_are_one_key() -> Case {
    alias("/london/A{key_of_run}", "/london/%41{key_of_run}")
}

pub(crate) fn an_escape_is_decoded_once() -> Case {
    alias("/london/%2541{key_of_run}", "/london/%2541{key_of_run}").ask(
        "GET /london/A{key_of_run} HTTP/1.1\r\n\r\n",
        404,
        "",
    )
}

pub(crate) fn a_plus_is_a_plus() -> Case {
    alias("/london/+{key_of_run}", "/london/%2B{key_of_run}").ask(
        "GET /london/%20{key_of_run} HTTP/1.1\r\n\r\n",
        404,
        "",
    )
}

pub(crate) fn signs_are_bytes_of_a_key() -> Case {
    [
        "&", "=", ";", ":", "@", ",", "%25", "%00", "%5C", "%3C", "%22", "%3F", "%23", "~", "!",
        "$",
    ]
    .into_iter()
    .fold(Case::default(), |case, sign| {
        let target = format!("/london/{{key_of_run}}{sign}");
        case.ask(
            format!("PUT {target} HTTP/1.1\r\nContent-Length: 1\r\n\r\nv"),
            200,
            "",
        )
        .ask(format!("GET {target} HTTP/1.1\r\n\r\n"), 200, "v")
    })
}

pub(crate) fn an_escaped_slash_is_a_byte_of_a_key() -> Case {
    alias("/london/a%2F{key_of_run}", "/london/a%2f{key_of_run}")
}

pub(crate) fn bytes_beyond_ascii_are_the_key() -> Case {
    alias(
        "/london/caf%C3%A9{key_of_run}",
        "/london/caf%c3%a9{key_of_run}",
    )
    .ask("GET /london/caf{key_of_run} HTTP/1.1\r\n\r\n", 404, "")
    .ask(
        "PUT /london/%E2%82%AC{key_of_run} HTTP/1.1\r\nContent-Length: 1\r\n\r\ne",
        200,
        "",
    )
    .ask(
        "GET /london/%E2%82%AC{key_of_run} HTTP/1.1\r\n\r\n",
        200,
        "e",
    )
}

pub(crate) fn a_broken_escape_is_told() -> Case {
    Case::default()
        .page("GET /london/{key_of_run}%zz HTTP/1.1\r\n\r\n", 400)
        .page(
            "PUT /london/{key_of_run}% HTTP/1.1\r\nContent-Length: 1\r\n\r\nv",
            400,
        )
        .page("GET /london/{key_of_run}%4 HTTP/1.1\r\n\r\n", 400)
        .ask("GET /london/{key_of_run} HTTP/1.1\r\n\r\n", 404, "")
}

pub(crate) fn paths_that_name_no_key_are_not_found() -> Case {
    [
        "/london",
        "/london/",
        "/london/{key_of_run}/",
        "/none/of/these",
        "/none",
    ]
    .into_iter()
    .fold(Case::default(), |case, path| {
        case.page(format!("GET {path} HTTP/1.1\r\n\r\n"), 404)
            .page(format!("DELETE {path} HTTP/1.1\r\n\r\n"), 404)
    })
}

pub(crate) fn a_key_is_one_whatever_the_region_of_the_path() -> Case {
    alias("/london/{key_of_run}", "/mars/{key_of_run}")
}

pub(crate) fn a_key_too_long_is_told() -> Case {
    Case::default()
        .ask(
            format!("GET /london/{} HTTP/1.1\r\n\r\n", "k".repeat(4096)),
            404,
            "",
        )
        .page(
            format!("GET /london/{} HTTP/1.1\r\n\r\n", "k".repeat(4097)),
            414,
        )
}

pub(crate) fn a_target_too_long_is_told() -> Case {
    let target = format!("/london/k?{}", "q".repeat(9 << 10));
    Case::default()
        .page(format!("GET {target} HTTP/1.1\r\n\r\n"), 414)
        .closed()
}
