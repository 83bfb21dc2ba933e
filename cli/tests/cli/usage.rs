//! Arguments that make no sense, and how the program says so.

use crate::common::{run, zerocache};
use std::net::TcpListener;

#[test]
fn arguments_that_make_no_sense_end_with_2_and_a_reason() {
    let long = "k".repeat(4097);
    let cases: &[(&[&str], &str)] = &[
        (&[], "Usage:"),
        (&["fly"], "fly"),
        (&["serve"], "--region"),
        (&["serve", "--region", "a/b"], "a region is 1 to 64 bytes"),
        (&["serve", "--region", ""], "--region"),
        (
            &["serve", "--region", "london", "--id", "xyz"],
            "8 hex digits",
        ),
        (
            &["serve", "--region", "london", "--port", "70000"],
            "--port",
        ),
        (
            &["serve", "--region", "london", "--address", "here"],
            "--address",
        ),
        (
            &["serve", "--region", "london", "--peer", "here"],
            "HOST:PORT",
        ),
        (
            &["serve", "--region", "london", "--peer", "a/b@here:1"],
            "cannot name a region",
        ),
        (
            &["serve", "--region", "london", "--local-bytes", "much"],
            "256MiB",
        ),
        (
            &["serve", "--region", "london", "--max-value", "0"],
            "256MiB",
        ),
        (
            &["serve", "--region", "london", "--local-entries", "0"],
            "above 0",
        ),
        (
            &["serve", "--region", "london", "--shards", "0"],
            "1 to 1024",
        ),
        (
            &["serve", "--region", "london", "--ack", "some"],
            "possible values: none, region, all",
        ),
        (&["get", "key"], "--region"),
        (&["get", "--region", "london"], "<KEY>"),
        (&["get", "", "--region", "london"], "1 to 4096 bytes"),
        (&["get", &long, "--region", "london"], "1 to 4096 bytes"),
        (
            &["put", "key", "value", "--region", "london", "--ttl", "0"],
            "1 to 99999999 seconds",
        ),
        (
            &["put", "key", "value", "--region", "london", "--ttl", "soon"],
            "a time is",
        ),
        (&["nodes", "--wait=-1"], "a time is"),
        (&["bench"], "soak"),
        (&["bench", "soak", "--minutes", "0"], "at least 0.2"),
        (&["bench", "soak", "--nodes", "1"], "2..=64"),
        (&["nodes", "--log", "a=b=c", "--wait", "0"], "is no filter"),
    ];
    for (args, reason) in cases {
        let ran = run(args).exits(2);
        assert!(ran.stderr.contains(reason), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.text(), "", "{args:?}");
    }
}

#[test]
fn help_and_version_end_with_0() {
    let help = run(&["--help"]).exits(0);
    for command in [
        "serve",
        "get",
        "put",
        "del",
        "nodes",
        "status",
        "demo",
        "bench",
        "Exit codes:",
    ] {
        assert!(help.text().contains(command), "{command}: {}", help.text());
    }
    assert!(
        run(&["serve", "--help"])
            .exits(0)
            .text()
            .contains("[env: ZEROCACHE_REGION=]")
    );
    let version = run(&["--version"]).exits(0);
    assert_eq!(
        version.text(),
        concat!("zerocache ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn flags_can_be_variables() {
    let ran = zerocache()
        .args(["get", "key"])
        .env("ZEROCACHE_REGION", "london")
        .env("ZEROCACHE_PEER", "127.0.0.1:1,london@127.0.0.1:2")
        .env("ZEROCACHE_NO_MDNS", "1")
        .env("ZEROCACHE_WAIT", "0.1")
        .output()
        .unwrap();
    let stderr = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(3), "{stderr}");
    assert!(
        stderr.contains("(asked 127.0.0.1:1, london@127.0.0.1:2)"),
        "{stderr}"
    );
}

#[test]
fn without_a_node_the_code_is_3_and_the_error_says_where_it_was_looked_for() {
    let nobody = ["--no-mdns", "--peer", "127.0.0.1:1", "--wait", "200ms"];
    let cases: &[&[&str]] = &[
        &["get", "key", "--region", "london"],
        &["put", "key", "value", "--region", "london"],
        &["del", "key", "--region", "london"],
        &["nodes"],
        &["status"],
    ];
    for args in cases {
        let ran = run(&[args, &nobody[..]].concat()).exits(3);
        assert_eq!(
            ran.stderr,
            "zerocache: no node found within 200ms (asked 127.0.0.1:1)\n"
        );
        assert_eq!(ran.text(), "");
        let ran = run(&[args, &nobody[..], &["--json"]].concat()).exits(3);
        assert_eq!(ran.json()["exit"], 3);
    }
    let ran = run(&["nodes", "--no-mdns", "--wait", "0"]).exits(3);
    assert!(ran.stderr.contains("nowhere to look"), "{}", ran.stderr);
}

#[test]
fn a_port_in_use_is_a_clear_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let args = [
        "serve",
        "--region",
        "london",
        "--no-mdns",
        "--address",
        "127.0.0.1",
    ];
    let ran = run(&[&args[..], &["--port", &port, "--log", "off"]].concat()).exits(1);
    assert!(
        ran.stderr
            .contains(&format!("can not listen on 127.0.0.1:{port}")),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stderr.lines().count(), 1);
    assert_eq!(ran.text(), "");
}
