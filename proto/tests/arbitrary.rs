//! What the feature `arbitrary` makes of bytes can be what the type says, and meets its like.

#![cfg(feature = "arbitrary")]

use std::collections::BTreeSet;

use arbitrary::{Arbitrary, Unstructured};
use zerocache_proto::cluster::{self, Config, StaticPeer};
use zerocache_proto::node::{self, Input, Node};
use zerocache_proto::sync::Query;
use zerocache_proto::{Duration, Instant, NodeId, Now, Region, Rng, Version};

/// What a thousand rolls of noise make, those that make nothing left out.
fn made<T: for<'a> Arbitrary<'a>>() -> Vec<T> {
    let mut rng = Rng::new(1);
    let roll = |_| {
        let noise: Vec<u8> = (0..512).map(|_| rng.next_u32() as u8).collect();
        T::arbitrary(&mut Unstructured::new(&noise)).ok()
    };
    (0..1_000).filter_map(roll).collect()
}

#[test]
fn what_is_made_reads_back_as_it_is_written() {
    for version in made::<Version>() {
        assert_eq!(version.to_string().parse(), Ok(version));
    }
    for peer in made::<StaticPeer>() {
        assert_eq!(peer.to_string().parse(), Ok(peer));
    }
    for query in made::<Query>() {
        let path = query.path();
        let text = path.split_once('?').map(|(_, text)| text.as_bytes());
        let read = text.map_or(Some(Query::Digest), Query::records);
        assert_eq!(read, Some(query));
    }
}

#[test]
fn some_meet_and_some_are_rare() {
    let ids = made::<NodeId>();
    let different: BTreeSet<_> = ids.iter().collect();
    assert!((300..700).contains(&different.len()), "{}", different.len());
    let regions = made::<Region>();
    let different: BTreeSet<_> = regions.iter().collect();
    assert!(different.contains(&Region::new("oslo").expect("a name")));
    assert!((5..500).contains(&different.len()), "{}", different.len());
}

#[test]
fn a_configuration_announces_the_node_that_it_is_of() {
    let configs = made::<Config>();
    let services = configs.iter().filter_map(|config| {
        let service = config.mdns.as_ref()?.service.as_ref()?;
        Some((config.me.unwrap(), &config.region, service))
    });
    let mut count = 0;
    for (me, region, service) in services {
        assert_eq!((service.id, service.port), (me.id, me.port));
        assert_eq!(&service.region, region);
        count += 1;
    }
    assert!(count > 50, "{count}");
}

#[test]
fn every_input_of_a_node_can_come() {
    let mut rng = Rng::new(2);
    let mut kinds = BTreeSet::new();
    for _ in 0..1_000 {
        let noise: Vec<u8> = (0..64).map(|_| rng.next_u32() as u8).collect();
        if let Ok(input) = Input::arbitrary(&mut Unstructured::new(&noise)) {
            let text = format!("{input:?}");
            kinds.insert(text.split([' ', '(']).next().unwrap().to_owned());
        }
    }
    assert_eq!(kinds.len(), 14, "{kinds:?}");
}

/// As docs/fuzzing.md has it.
fn run(data: &[u8]) -> arbitrary::Result<u32> {
    let mut bytes = Unstructured::new(data);
    let mut outputs = 0;
    let mut now = Now {
        mono: Instant::from_millis(1),
        unix_ms: 1_700_000_000_000,
    };
    let config = cluster::Config::arbitrary(&mut bytes)?;
    let mut node = Node::new(now, node::Config::new(config, 1));
    while !bytes.is_empty() {
        now.mono = now.mono + Duration::from_millis(bytes.arbitrary::<u16>()?.into());
        node.handle(now, Input::arbitrary(&mut bytes)?);
        while let Some(_output) = node.poll_output() {
            outputs += 1;
        }
    }
    Ok(outputs)
}

#[test]
fn an_embedding_is_fuzzed_by_a_loop() {
    let mut rng = Rng::new(3);
    let mut outputs = 0;
    for _ in 0..200 {
        let noise: Vec<u8> = (0..512).map(|_| rng.next_u32() as u8).collect();
        outputs += run(&noise).unwrap_or_default();
    }
    assert!(outputs > 200, "{outputs}");
}
