//! Two nodes on loopback, joined by a static peer, and every command on them.

use crate::common::{Serving, eventually, run, run_with_input};
use serde_json::Value;

/// What every one-shot command is told.
fn with(peer: &str, args: &[&str]) -> Vec<String> {
    let more = ["--no-mdns", "--peer", peer];
    args.iter().chain(&more).map(ToString::to_string).collect()
}

fn on(peer: &str, args: &[&str]) -> crate::common::Ran {
    on_with_input(peer, args, b"")
}

fn on_with_input(peer: &str, args: &[&str], input: &[u8]) -> crate::common::Ran {
    let args = with(peer, args);
    run_with_input(&args.iter().map(String::as_str).collect::<Vec<_>>(), input)
}

#[test]
fn a_value_put_through_one_node_is_read_and_removed_through_the_other() {
    let first = Serving::start("london", &[]);
    let second = Serving::start("paris", &["--peer", &first.addr]);
    let addrs = [&*first.addr, &*second.addr];
    eventually("each node knows the other", || {
        addrs.iter().all(|addr| {
            let nodes = on(addr, &["nodes", "--json"]).exits(0).json();
            nodes["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|n| n["routable"] == true)
                .count()
                == 2
        })
    });

    let put = on(
        &first.addr,
        &[
            "put", "greeting", "hello", "--region", "london", "--ttl", "5m",
        ],
    );
    assert_eq!(put.exits(0).text(), "");
    eventually("paris has it", || {
        on(&second.addr, &["get", "greeting", "--region", "paris"]).code == 0
    });
    let got = on(&second.addr, &["get", "greeting", "--region", "paris"]).exits(0);
    assert_eq!(got.stdout, b"hello");
    let got = on(
        &second.addr,
        &["get", "greeting", "--region", "paris", "--json"],
    )
    .exits(0)
    .json();
    let wanted = r#"{"key":"greeting","found":true,"value":"hello","encoding":"utf8"}"#;
    assert_eq!(got.to_string(), wanted);

    on(&second.addr, &["del", "greeting", "--region", "paris"]).exits(0);
    eventually("london has it no more", || {
        on(&first.addr, &["get", "greeting", "--region", "london"]).code == 1
    });
    let gone = on(&first.addr, &["get", "greeting", "--region", "london"]).exits(1);
    assert_eq!((gone.text(), &*gone.stderr), ("", ""));
    let gone = on(
        &first.addr,
        &["get", "greeting", "--region", "london", "--json"],
    )
    .exits(1);
    assert_eq!(
        gone.json().to_string(),
        r#"{"key":"greeting","found":false}"#
    );
}

#[test]
fn any_bytes_go_in_and_come_out() {
    let node = Serving::start("london", &[]);
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let put = on_with_input(&node.addr, &["put", "a b/ä%", "--region", "london"], &bytes);
    put.exits(0);
    let got = on(&node.addr, &["get", "a b/ä%", "--region", "london"]).exits(0);
    assert!(got.stdout == bytes, "{} bytes came back", got.stdout.len());

    on_with_input(
        &node.addr,
        &["put", "few", "-", "--region", "london"],
        b"\xff\x00",
    )
    .exits(0);
    let got = on(&node.addr, &["get", "few", "--region", "london", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (&got["value"], &got["encoding"]),
        (&"/wA=".into(), &"base64".into())
    );

    on(&node.addr, &["put", "none", "", "--region", "london"]).exits(0);
    assert_eq!(
        on(&node.addr, &["get", "none", "--region", "london"])
            .exits(0)
            .stdout,
        b""
    );
    let put = on(
        &node.addr,
        &[
            "put", "k", "v", "--region", "london", "--ttl", "1.5", "--json",
        ],
    );
    let wanted = r#"{"key":"k","stored":true,"bytes":1,"ttl":2}"#;
    assert_eq!(put.exits(0).json().to_string(), wanted);
}

#[test]
fn a_value_that_is_too_large_is_refused_with_4_by_a_named_node() {
    let node = Serving::start("london", &["--max-value", "1KiB"]);
    on_with_input(
        &node.addr,
        &["put", "fits", "--region", "london"],
        &[b'x'; 1024],
    )
    .exits(0);
    let put = on_with_input(
        &node.addr,
        &["put", "key", "--region", "london"],
        &[b'x'; 1025],
    )
    .exits(4);
    for part in [&*node.id, "london", "413"] {
        assert!(put.stderr.contains(part), "{part}: {}", put.stderr);
    }
    assert_eq!(put.stderr.lines().count(), 1);
    on(&node.addr, &["get", "key", "--region", "london"]).exits(1);
}

#[test]
fn nodes_and_status_show_every_node_as_a_table_and_as_json() {
    let first = Serving::start("london", &["--id", "0a0b0c0d"]);
    let second = Serving::start("tokyo", &["--peer", &first.addr]);
    assert_eq!(first.id, "0a0b0c0d");
    let mut nodes = Value::Null;
    eventually("both nodes are found through either", || {
        nodes = on(&second.addr, &["nodes", "--json"]).exits(0).json()["nodes"].take();
        nodes
            .as_array()
            .unwrap()
            .iter()
            .filter(|node| node["routable"] == true)
            .count()
            == 2
    });
    assert_eq!(nodes[0]["id"], *first.id);
    assert_eq!(nodes[0]["address"], *first.addr);
    assert_eq!(nodes[0]["kind"], "zc");
    assert_eq!(
        (&nodes[0]["region"], &nodes[1]["region"]),
        (&"london".into(), &"tokyo".into())
    );
    assert!(nodes[0]["rtt_ms"].as_f64().unwrap() < 1000.0);
    let table = on(&second.addr, &["nodes"]).exits(0);
    let lines: Vec<_> = table.text().lines().collect();
    assert!(
        lines[0].starts_with("ID        REGION  ADDRESS"),
        "{}",
        table.text()
    );
    assert!(
        lines[1].starts_with(&format!("0a0b0c0d  london  {}", first.addr)),
        "{}",
        table.text()
    );
    let seen = on(&second.addr, &["nodes", "--json", "--region", "tokyo"])
        .exits(0)
        .json();
    assert_eq!(
        seen["nodes"][0]["region"], "tokyo",
        "its own region comes first"
    );

    on(&first.addr, &["put", "key", "value", "--region", "london"]).exits(0);
    let status = on(&first.addr, &["status", "--json"]).exits(0).json();
    let london = &status["nodes"][0];
    assert_eq!(london["status"]["id"], "0a0b0c0d");
    assert_eq!(london["status"]["cache"]["local"]["entries"], 1);
    let table = on(&first.addr, &["status"]).exits(0);
    let row = table.text().lines().nth(1).unwrap();
    assert!(
        row.contains("ready") && row.contains("1 of 1"),
        "{}",
        table.text()
    );
}

#[test]
fn a_node_says_that_it_is_ready_in_plain_text_too() {
    use std::io::BufRead as _;
    let mut child = crate::common::zerocache()
        .args([
            "serve",
            "--region",
            "london",
            "--no-mdns",
            "--address",
            "127.0.0.1",
            "--port",
            "0",
        ])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert!(
        matches!(words[..], ["ready", _, "london", addr] if addr.starts_with("127.0.0.1:")),
        "{line}"
    );
}

#[test]
fn a_lone_wrong_command_line_disturbs_no_node() {
    let node = Serving::start("london", &[]);
    run(&["get", "key", "--region", "lon don", "--peer", &node.addr]).exits(2);
    on(&node.addr, &["get", "key", "--region", "london"]).exits(1);
}
