//! The stock Python node as the oracle: it answers each request as the cases say, on a connection of
//! its own and with HTTP/1.0, but for the differences that are listed here because they are intended.

use crate::sockets::{Answer, raw};
use crate::wire::{Case, compare};
use std::net::SocketAddr;
use std::time::Duration;
use zerocache_interop::{Failure, Outcome, StockServer, on_a_lab};

/// Where the stock node listens, in the process that is run beside it.
const ADDR: &str = "ZEROCACHE_CONFORMANCE_STOCK";

/// One answer of the stock node that is not as the case says.
struct Difference {
    case: &'static str,
    /// Which of the case's requests, from 0.
    requests: &'static [usize],
    /// What the stock node answers.
    status: u16,
    why: &'static str,
}

const fn differs(
    case: &'static str,
    requests: &'static [usize],
    status: u16,
    why: &'static str,
) -> Difference {
    Difference {
        case,
        requests,
        status,
        why,
    }
}

/// What is intended.
const DIFFERENCES: &[Difference] = &[
    differs(
        "bodies::a_chunk_size_beyond_all_bounds_is_refused",
        &[0],
        400,
        CHUNKED,
    ),
    differs(
        "bodies::a_chunk_too_large_is_refused_unread",
        &[0],
        400,
        CHUNKED,
    ),
    differs("bodies::chunks_make_one_value", &[0], 400, CHUNKED),
    differs("bodies::chunks_make_one_value", &[1], 404, CHUNKED),
    differs(
        "bodies::chunks_may_have_extensions_and_trailers",
        &[0],
        400,
        CHUNKED,
    ),
    differs(
        "bodies::chunks_may_have_extensions_and_trailers",
        &[1],
        404,
        CHUNKED,
    ),
    differs("bodies::no_chunks_make_an_empty_value", &[0], 400, CHUNKED),
    differs("bodies::no_chunks_make_an_empty_value", &[1], 404, CHUNKED),
    differs("bodies::both_lengths_are_refused", &[0], 200, SMUGGLED),
    differs("bodies::two_lengths_are_refused", &[0], 200, SMUGGLED),
    differs(
        "bodies::a_length_that_is_no_number_is_refused",
        &[0],
        200,
        SMUGGLED,
    ),
    differs(
        "bodies::who_expects_something_else_is_told",
        &[0],
        200,
        "RFC 9110 §10.1.1",
    ),
    differs("framing::a_bare_line_feed_is_refused", &[1], 200, SMUGGLED),
    differs("framing::a_folded_field_is_refused", &[1], 200, SMUGGLED),
    differs("framing::a_nul_is_refused", &[1], 200, SMUGGLED),
    differs(
        "framing::a_space_before_the_colon_is_refused",
        &[1],
        200,
        SMUGGLED,
    ),
    differs("framing::a_head_too_long_is_refused", &[1], 200, BOUNDED),
    differs(
        "framing::more_fields_than_fit_are_refused",
        &[1],
        200,
        BOUNDED,
    ),
    differs(
        "framing::empty_lines_before_a_request_are_ignored",
        &[0, 1],
        NONE,
        "RFC 9112 §2.2",
    ),
    differs(
        "framing::http_2_is_told_what_there_is",
        &[1],
        NONE,
        "an answer in HTTP/1.1",
    ),
    differs(
        "framing::tls_is_refused",
        &[1],
        NONE,
        "an answer in HTTP/1.1",
    ),
    differs("paths::a_broken_escape_is_told", &[0, 2], 404, ESCAPES),
    differs("paths::a_broken_escape_is_told", &[1], 200, ESCAPES),
    differs(
        "paths::a_key_is_one_whatever_the_region_of_the_path",
        &[1],
        404,
        ONE_MAP,
    ),
    differs("paths::a_key_too_long_is_told", &[1], 404, BOUNDED),
    differs("paths::a_target_too_long_is_told", &[0], 404, BOUNDED),
    differs(
        "paths::an_escaped_slash_is_a_byte_of_a_key",
        &[0, 1],
        404,
        KEYS,
    ),
    differs("paths::bytes_beyond_ascii_are_the_key", &[2], 200, KEYS),
    differs("paths::bytes_beyond_ascii_are_the_key", &[3, 4], 500, KEYS),
    differs(
        "semantics::the_newest_value_wins_whoever_wrote_it",
        &[2],
        200,
        ONE_MAP,
    ),
    differs(
        "semantics::the_own_regions_delete_is_for_what_others_wrote_too",
        &[1],
        404,
        ONE_MAP,
    ),
    differs(
        "semantics::the_own_regions_delete_is_for_what_others_wrote_too",
        &[2],
        200,
        ONE_MAP,
    ),
    differs(
        "semantics::our_own_pages_are_there",
        &[0, 1, 2, 3, 4, 5],
        404,
        "pages of ours",
    ),
];

/// No answer that is HTTP/1.
const NONE: u16 = 0;
const CHUNKED: &str = "chunked bodies are accepted";
const SMUGGLED: &str = "framing that two readers may read in two ways is refused";
const BOUNDED: &str = "heads, targets and keys have bounds";
const ESCAPES: &str = "an escape that is none is told, not taken as it is";
const KEYS: &str = "any bytes are a key, once decoded";
const ONE_MAP: &str = "one record a key, the newest, whichever region the path names";

/// Cases the stock node is not asked, and why.
const UNASKED: &[(&str, &str)] = &[
    ("bodies::a_value_too_large_is_refused_unread", UNREAD),
    ("bodies::who_expects_too_much_is_told_in_advance", UNREAD),
];

const UNREAD: &str = "without a bound on values it waits for the body";

/// Asks the stock node everything in one case.
pub(crate) fn ask(name: &str, case: &Case) {
    let addr: SocketAddr = std::env::var(ADDR).unwrap().parse().unwrap();
    if let Some((_, why)) = UNASKED.iter().find(|(unasked, _)| *unasked == name) {
        println!("not asked: {why}");
        return;
    }
    let case = case.fresh();
    let mut wrong = Vec::new();
    for (i, exchange) in case.exchanges.iter().enumerate() {
        let bytes = raw(addr, &exchange.request);
        let none = Answer {
            status: NONE,
            head: String::from_utf8_lossy(&bytes).into_owned(),
            body: Vec::new(),
        };
        let parsed = Answer::parse(&bytes, exchange.is_head());
        let answer = parsed.map_or(none, |(answer, _)| answer);
        let mut expected = exchange.clone();
        expected.fields.retain(|(name, _)| *name != "connection");
        let as_ours = compare(&answer, &expected);
        let listed = DIFFERENCES
            .iter()
            .find(|listed| listed.case == name && listed.requests.contains(&i));
        match (listed, as_ours) {
            (None, Ok(())) => {}
            (None, Err(how)) => wrong.push(format!("{i}: {how}")),
            (Some(listed), Ok(())) => wrong.push(format!("{i}: no difference: {}", listed.why)),
            (Some(listed), Err(_)) if listed.status == answer.status => {}
            (Some(listed), Err(how)) => {
                wrong.push(format!("{i}: not {} either: {how}", listed.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{name}\n{}", wrong.join("\n"));
}

/// Runs the tests of [`ask`] beside a stock node, on a network of their own.
#[test]
fn the_stock_node_differs_as_intended_and_not_else() -> Outcome {
    on_a_lab("conformance", |lab| {
        let host = lab.host()?;
        let mut node = StockServer::start(&host, "london")?;
        // Until it has seen itself it answers writes with 500.
        let itself = [node.site.clone()];
        node.sees(&itself, Duration::from_secs(15))?;
        let mut command = host.command(std::env::current_exe()?);
        command.args(["--ignored", "--test-threads=4", "suite::stock::"]);
        command.env(ADDR, format!("{}:6789", host.address()));
        let output = command.output()?;
        let told = String::from_utf8_lossy(&output.stdout);
        if output.status.success() && !told.contains(" 0 passed") {
            return Ok(());
        }
        Err(Failure(told.into_owned()))
    })
}
