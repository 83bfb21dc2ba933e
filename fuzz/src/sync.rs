//! `sync_round`: a round whose answers are whatever the input says. It ends, what it asks reads back,
//! and the shard keeps its bounds and its digest.

use std::net::SocketAddr;
use std::sync::Arc;

use zerocache_proto::cache::{Bounds, Config, Digest, Position, Shards, Unsharded, key_hash};
use zerocache_proto::cluster::Peer;
use zerocache_proto::http::Reply;
use zerocache_proto::sync::{Ask, DigestBody, Limits, MAX_PICKED, PageBody, Query, Round, Verdict};
use zerocache_proto::{Duration, Instant, NodeId, Now, Region};

use crate::checked::Checked;

/// More answers than these a round does not take.
const LIMITS: Limits = Limits {
    answer: Duration::from_secs(10),
    round: Duration::from_secs(300),
    bytes: 1 << 20,
    records: 200,
    rate: 1 << 20,
};
const ENTRIES: usize = 8;

/// The input, cut at its 0xfe bytes into answers; then the last one again and again.
pub(crate) fn round(data: &[u8]) {
    let _ = Query::records(data);
    let answers: Vec<&[u8]> = data.split(|byte| *byte == 0xfe).collect();
    for answer in &answers {
        read(answer);
    }
    let region = Region::new("london").expect("a name");
    let bounds = Bounds {
        entries: ENTRIES,
        weight: 4 << 10,
    };
    let shards = Unsharded::new(Config {
        local: bounds,
        remote: bounds,
        tombstones: bounds,
        ..Config::new(region.clone(), NodeId::from_bits(1))
    });
    let peer = Arc::new(Peer {
        id: NodeId::from_bits(2),
        region,
        addr: SocketAddr::from(([10, 0, 0, 2], 6789)),
        capable: true,
    });
    let mut now = Now {
        mono: Instant::from_millis(1000),
        unix_ms: 1_700_000_000_000,
    };
    let mut round = Checked::new(Round::new(now.mono, peer, LIMITS));
    let mut turn = 0;
    let ended = loop {
        round.handle_timeout(now.mono);
        if let Some(Ask { query, deadline }) = round.poll_transmit(now.mono) {
            assert!(deadline >= now.mono);
            reads_back(&query);
            // All that differs is in every bucket, so that the first answer rarely ends it.
            let digest = digest_of(data);
            let answer = match (&query, answers.get(turn).or(answers.last())) {
                (Query::Digest, _) if data.len() % 8 > 0 => &digest[..],
                (_, answer) => answer.copied().unwrap_or_default(),
            };
            turn += 1;
            now.mono = now.mono + Duration::from_millis(1);
            now.unix_ms += 1;
            round.handle_answer(now, &shards, Ok((200, answer)));
        }
        if let Some(ended) = round.poll_event() {
            break ended;
        }
        if let Some(due) = round.poll_timeout() {
            now.mono = now.mono.max(due);
        }
    };
    assert!(ended.tally.answers <= LIMITS.records + 1);
    assert!(ended.verdict != Verdict::Equal || ended.tally.merged == 0);
    holds(&shards);
}

fn digest_of(data: &[u8]) -> Vec<u8> {
    let mut digest = Digest::new();
    digest.buckets_mut().fill(1);
    let body = DigestBody {
        settled: data.len() % 2 == 0,
        records: data.len() as u64 % 16,
        weight: 1,
        digest,
    };
    body.encode()
}

/// Any bytes are read or refused, and what is read keeps its word.
pub(crate) fn read(body: &[u8]) {
    let _ = DigestBody::decode(body);
    if let Ok(page) = PageBody::decode(body) {
        let mut last = None;
        let mut count = 0;
        for record in page.records() {
            assert!(last < Some(record.position));
            assert!(page.next.is_none_or(|next| record.position < next));
            assert!(!record.key.is_empty() && Region::is_valid(record.origin));
            last = Some(record.position);
            count += 1;
        }
        assert_eq!(count, page.len);
    }
}

pub(crate) fn reads_back(query: &Query) {
    let path = query.path();
    if let Query::Picked { at } = query {
        assert!((1..=MAX_PICKED).contains(&at.len()) && at.is_sorted());
    }
    match path.split_once('?') {
        None => assert_eq!(query, &Query::Digest),
        Some((_, text)) => assert_eq!(Query::records(text.as_bytes()).as_ref(), Some(query)),
    }
}

fn holds(shards: &Unsharded) {
    shards.for_each(|shard| {
        let mut digest = Digest::new();
        let mut from = Some(Position::default());
        while let Some(at) = from {
            // At the beginning of time nothing is over.
            from = shard.walk(Now::default(), at, u32::MAX, |_, key, record| {
                digest.toggle(key_hash(key), record.version);
                true
            });
        }
        assert!(&digest == shard.digest());
        assert!(shard.held().0 <= 3 * ENTRIES as u64);
    });
    // What it holds, it can tell.
    let Reply::Page(_, _, body) = Query::Picked {
        at: vec![0, 1 << 32],
    }
    .answer(Now::default(), shards, true) else {
        unreachable!("a page");
    };
    read(&body);
}
