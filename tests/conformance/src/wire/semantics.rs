//! What requests mean.

use super::Case;

const GET: &str = "GET /london/{key_of_run} HTTP/1.1\r\n\r\n";

pub(crate) fn a_value_is_stored_read_and_deleted() -> Case {
    let put =
        "PUT /london/{key_of_run}?expiry=60 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nvalue";
    let delete = "DELETE /london/{key_of_run} HTTP/1.1\r\nHost: x\r\n\r\n";
    Case::default()
        .ask(GET, 404, "")
        .ask(put, 200, "")
        .ask(GET, 200, "value")
        .ask(delete, 200, "")
        .ask(GET, 404, "")
        .ask(delete, 404, "")
}

pub(crate) fn a_put_replaces_what_was_there() -> Case {
    Case::default()
        .ask(
            "PUT /london/{key_of_run} HTTP/1.1\r\nContent-Length: 3\r\n\r\none",
            200,
            "",
        )
        .ask(
            "PUT /london/{key_of_run} HTTP/1.1\r\nContent-Length: 5\r\n\r\nother",
            200,
            "",
        )
        .ask(GET, 200, "other")
}

pub(crate) fn an_empty_value_is_a_hit() -> Case {
    Case::default()
        .ask(
            "PUT /london/{key_of_run} HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
            200,
            "",
        )
        .ask(GET, 200, "")
        .with("content-length", "0")
}

pub(crate) fn a_put_that_says_no_length_stores_an_empty_value() -> Case {
    Case::default()
        .ask("PUT /london/{key_of_run} HTTP/1.1\r\n\r\n", 200, "")
        .ask(GET, 200, "")
}

pub(crate) fn head_answers_without_the_body() -> Case {
    Case::default()
        .ask(
            "PUT /london/{key_of_run} HTTP/1.1\r\nContent-Length: 5\r\n\r\nvalue",
            200,
            "",
        )
        .ask("HEAD /london/{key_of_run} HTTP/1.1\r\n\r\n", 200, "")
        .with("content-length", "5")
        .ask("HEAD /ping HTTP/1.1\r\n\r\n", 200, "")
        .with("content-length", "4")
        .ask(GET, 200, "value")
}

pub(crate) fn another_regions_value_is_that_regions() -> Case {
    Case::default()
        .ask(
            "PUT /mars/{key_of_run} HTTP/1.1\r\nContent-Length: 5\r\n\r\nvalue",
            200,
            "",
        )
        .ask("GET /mars/{key_of_run} HTTP/1.1\r\n\r\n", 200, "value")
        .ask(GET, 200, "value")
        .ask("DELETE /mars/{key_of_run} HTTP/1.1\r\n\r\n", 200, "")
        .ask("DELETE /mars/{key_of_run} HTTP/1.1\r\n\r\n", 200, "")
        .ask(GET, 404, "")
}

pub(crate) fn the_own_regions_delete_is_for_what_others_wrote_too() -> Case {
    Case::default()
        .ask(
            "PUT /mars/{key_of_run} HTTP/1.1\r\nContent-Length: 5\r\n\r\nvalue",
            200,
            "",
        )
        .ask("DELETE /london/{key_of_run} HTTP/1.1\r\n\r\n", 200, "")
        .ask(GET, 404, "")
}

pub(crate) fn the_newest_value_wins_whoever_wrote_it() -> Case {
    Case::default()
        .ask(
            "PUT /london/{key_of_run} HTTP/1.1\r\nContent-Length: 3\r\n\r\nold",
            200,
            "",
        )
        .ask(
            "PUT /mars/{key_of_run} HTTP/1.1\r\nContent-Length: 3\r\n\r\nnew",
            200,
            "",
        )
        .ask(GET, 200, "new")
}

pub(crate) fn a_life_of_any_spelling_is_taken() -> Case {
    let lives = [
        "5",
        "0",
        "-5",
        "%205%20",
        "+5",
        "007",
        "1_000",
        "1.5",
        "abc",
        "",
        "99999999999999999999999999",
    ];
    lives.into_iter().fold(Case::default(), |case, life| {
        let head = format!("PUT /london/{{key_of_run}}?expiry={life} HTTP/1.1\r\n");
        case.ask(format!("{head}Content-Length: 1\r\n\r\nv"), 200, "")
            .ask(GET, 200, "v")
    })
}

pub(crate) fn a_query_of_any_kind_is_taken() -> Case {
    let queries = [
        "recurse=0",
        "recurse=2",
        "recurse",
        "a=b&&=;c",
        "%",
        "expiry=1&expiry=60",
        "?",
    ];
    queries.into_iter().fold(Case::default(), |case, query| {
        let target = format!("/london/{{key_of_run}}?{query}");
        case.ask(
            format!("PUT {target} HTTP/1.1\r\nContent-Length: 1\r\n\r\nv"),
            200,
            "",
        )
        .ask(format!("GET {target} HTTP/1.1\r\n\r\n"), 200, "v")
        .ask(format!("DELETE {target} HTTP/1.1\r\n\r\n"), 200, "")
    })
}

pub(crate) fn the_pages_are_there() -> Case {
    Case::default()
        .ask("GET /ping HTTP/1.1\r\n\r\n", 200, "pong")
        .page("GET /local_cache_info HTTP/1.1\r\n\r\n", 200)
        .with("content-type", "application/json")
        .page("GET /remote_cache_info HTTP/1.1\r\n\r\n", 200)
        .with("content-type", "application/json")
}

pub(crate) fn our_own_pages_are_there() -> Case {
    [
        "/",
        "/healthz",
        "/readyz",
        "/status",
        "/metrics",
        "/_zc/1/members",
    ]
    .into_iter()
    .fold(Case::default(), |case, page| {
        case.page(format!("GET {page} HTTP/1.1\r\n\r\n"), 200)
    })
}

pub(crate) fn other_methods_are_told_which_there_are() -> Case {
    Case::default()
        .page(
            "POST /london/{key_of_run} HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
            405,
        )
        .page("PUT /ping HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 405)
        .page("OPTIONS /london/{key_of_run} HTTP/1.1\r\n\r\n", 405)
        .ask(GET, 404, "")
}
