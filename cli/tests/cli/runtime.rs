//! `serve --runtime`: the same node, whatever runs it.

use crate::common::{Serving, eventually, run};

#[test]
fn nodes_of_both_runtimes_are_one_cluster() {
    let tokio = Serving::start("london", &["--runtime", "tokio"]);
    let smol = ["--runtime", "smol", "--workers", "2", "--peer", &tokio.addr];
    let smol = Serving::start("paris", &smol);
    for (writer, reader) in [(&tokio, &smol), (&smol, &tokio)] {
        let put = ["put", "key", &writer.id, "--region", "london", "--no-mdns"];
        eventually("a write at one is read at the other", || {
            run(&[&put[..], &["--peer", &writer.addr]].concat()).exits(0);
            get(&reader.addr).ends_with(&writer.id)
        });
    }
}

/// The raw answer of the node at `addr`, and of no other.
fn get(addr: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(addr).expect("it listens");
    stream
        .write_all(b"GET /london/key HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[cfg(target_os = "linux")]
#[test]
fn a_node_on_smol_has_no_thread_but_its_workers_and_async_ios() {
    let node = Serving::start("london", &["--runtime", "smol", "--workers", "2"]);
    assert!(get(&node.addr).starts_with("HTTP/1.1 404"));
    let tasks = format!("/proc/{}/task", node.child.id());
    let mut names: Vec<String> = std::fs::read_dir(tasks)
        .expect("a process")
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect();
    names.sort();
    // The main one, which waits, and two workers.
    assert_eq!(names, ["async-io", "zerocache", "zerocache", "zerocache"]);
}
