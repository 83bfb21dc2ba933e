//! How a node stops.
#![cfg(unix)]

use crate::common::{Serving, eventually, run, zerocache};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A node without work ends within this time.
const QUICK: Duration = Duration::from_secs(2);

#[test]
fn every_signal_ends_a_node_quickly_and_with_0() {
    for runtime in ["tokio", "smol"] {
        for signal in ["INT", "TERM", "QUIT", "HUP"] {
            let mut node = Serving::start("london", &["--runtime", runtime]);
            let began = Instant::now();
            node.signal(signal);
            assert_eq!(node.ends().code(), Some(0), "{runtime}: {signal}");
            let took = began.elapsed();
            assert!(took < QUICK, "{runtime}: {signal}: {took:?}");
        }
    }
}

#[test]
fn a_node_hears_signals_that_its_parent_ignored() {
    // As `nohup` and a script's `&` leave them.
    let mut shell = Command::new("sh");
    let serve = "serve --json --no-mdns --region london --address 127.0.0.1 --port 0 --log warn";
    let script = format!(
        "trap '' INT HUP; exec '{}' {serve}",
        env!("CARGO_BIN_EXE_zerocache")
    );
    shell.args(["-c", &script]).stdin(Stdio::null());
    let mut node = Serving::of(shell);
    node.signal("INT");
    assert_eq!(node.ends().code(), Some(0));
}

#[test]
fn a_leaving_node_is_left_alone_by_the_others_at_once() {
    let first = Serving::start("london", &[]);
    let mut second = Serving::start("london", &["--peer", &first.addr]);
    let list = || run(&["nodes", "--json", "--no-mdns", "--peer", &first.addr]).json();
    let knows_second = || {
        let nodes = list();
        let nodes = nodes["nodes"].as_array().unwrap();
        nodes
            .iter()
            .any(|node| node["id"] == *second.id && node["routable"] == true)
    };
    eventually("the first node knows the second", knows_second);
    second.signal("TERM");
    assert_eq!(second.ends().code(), Some(0));
    let nodes = list();
    let nodes = nodes["nodes"].as_array().unwrap();
    let left = |node: &&serde_json::Value| node["id"] == *second.id && node["routable"] == true;
    assert!(!nodes.iter().any(|node| left(&node)), "{nodes:?}");
}

#[test]
fn a_request_under_way_is_finished_and_a_second_signal_does_not_wait_for_it() {
    let mut node = Serving::start("london", &[]);
    let mut peer = TcpStream::connect(&node.addr).unwrap();
    peer.write_all(b"PUT /london/key HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
        .unwrap();
    // The answer to a request on another connection: by then the first has been read.
    run(&[
        "get",
        "none",
        "--region",
        "london",
        "--no-mdns",
        "--peer",
        &node.addr,
    ])
    .exits(1);
    node.signal("TERM");
    std::thread::sleep(Duration::from_millis(100));
    peer.write_all(b"llo").unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(node.ends().code(), Some(0));

    let mut node = Serving::start("london", &[]);
    let mut peer = TcpStream::connect(&node.addr).unwrap();
    peer.write_all(b"PUT /london/key HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
        .unwrap();
    run(&[
        "get",
        "none",
        "--region",
        "london",
        "--no-mdns",
        "--peer",
        &node.addr,
    ])
    .exits(1);
    let began = Instant::now();
    node.signal("TERM");
    std::thread::sleep(Duration::from_millis(100));
    node.signal("INT");
    assert_eq!(node.ends().code(), Some(130));
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_node_serves_on_when_nobody_reads_what_it_prints() {
    let mut node = Serving::of({
        let mut command = zerocache();
        command.args([
            "serve",
            "--json",
            "--no-mdns",
            "--address",
            "127.0.0.1",
            "--port",
            "0",
        ]);
        command.args(["--region", "london"]);
        command
    });
    // Its end of the pipe is closed by now for good.
    node.stdout = std::io::BufReader::new(
        Command::new("true")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
            .stdout
            .take()
            .unwrap(),
    );
    run(&[
        "put",
        "key",
        "value",
        "--region",
        "london",
        "--no-mdns",
        "--peer",
        &node.addr,
    ])
    .exits(0);
    node.signal("TERM");
    assert_eq!(node.ends().code(), Some(0));
}
