//! Whatever is asked: one answer or one thing left to do, nothing held that must not be.

use crate::support::Bench;
use proptest::prelude::*;
use zerocache_proto::cache::Shards;
use zerocache_proto::http::Target;
use zerocache_proto::op::Ack;
use zerocache_proto::service::{Outcome, Stage};

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-c]{0,2}",
        1 => Just("london".to_owned()),
        1 => Just("paris".to_owned()),
        1 => Just("_zc".to_owned()),
        1 => Just("1".to_owned()),
        1 => prop::sample::select(vec!["members", "digest", "records"]).prop_map(str::to_owned),
        1 => Just("status".to_owned()),
        1 => "(%[0-9a-fA-F]{2}|[a-z%.~&;=:@,+-]){0,4}",
    ]
}

fn target() -> impl Strategy<Value = String> {
    let path = prop::collection::vec(segment(), 0..4).prop_map(|all| format!("/{}", all.join("/")));
    let query = prop::option::of(
        "(expiry=[0-9]{0,3}|recurse=[01]|what=values|at=[0-9]|from=|&|=|a|%20|\\+){0,4}",
    );
    (path, query).prop_map(|(path, query)| match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    })
}

fn method() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["GET", "HEAD", "PUT", "DELETE", "POST", "OPTIONS"])
}

fn fields() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "Zc-Version: 018bcfe568000000-000000b2\r\n",
        "Zc-Version: 018bcfe568000001-000000b2\r\n",
        "Zc-Version: ffffffffffffffff-ffffffff\r\n",
        "Zc-Node: 000000b2 paris 6789\r\n",
    ])
}

proptest! {
    #[test]
    fn every_request_gets_one_answer(
        asked in prop::collection::vec((method(), target(), fields()), 1..30),
        peers: bool,
        ack in prop::sample::select(vec![Ack::None, Ack::Region, Ack::All]),
    ) {
        let mut bench = if peers { Bench::with_peers() } else { Bench::new() };
        bench.ack = ack;
        for (method, target, fields) in asked {
            let line = format!("{method} {target}");
            let (outcome, answer) = bench.send(&line, fields, b"value");
            let deferred = match &outcome {
                Outcome::Answered | Outcome::Pinged { .. } => false,
                Outcome::Spread { write, reply } => {
                    prop_assert!(peers && (write.scope.local || write.scope.remote), "{}", line);
                    prop_assert!(matches!(method, "PUT" | "DELETE"));
                    reply.is_some()
                }
                Outcome::Page(_)
                | Outcome::Members { .. }
                | Outcome::Sync { .. }
                | Outcome::LookUp { .. } => {
                    prop_assert!(matches!(method, "GET" | "HEAD"));
                    true
                }
            };
            prop_assert_eq!(answer.status == 0, deferred, "{}", line);
            let known = [0, 200, 400, 403, 404, 405, 409, 414];
            prop_assert!(known.contains(&answer.status), "{} {}", line, answer.status);
            if method == "HEAD" && !deferred {
                prop_assert!(answer.body.is_empty());
            }
            // What is stored is found again under the same target.
            if method == "PUT" && matches!(answer.status, 0 | 200) {
                let held = bench.ask(&format!("GET {target}"));
                let newest = fields.is_empty() || held.0 == 404;
                prop_assert!(newest || held.1 == "value");
                let target = target.split('?').next().unwrap_or_default();
                let parsed = Target::parse(target.as_bytes(), None).expect("stored");
                prop_assert!(parsed.key().expect("a fit key").is_some());
            }
        }
        let mut keys = 0;
        bench.shards.for_each(|shard| keys += shard.stats(bench.now).local.entries);
        prop_assert!(keys <= 30);
        prop_assert_eq!(bench.stage, Stage::Ready);
    }
}
