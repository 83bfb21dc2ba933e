//! The hot path makes no allocation: from the bytes of a GET through the connection, the service and the
//! store to the bytes of its answer.

use zerocache_proto::cache::{Config, Unsharded};
use zerocache_proto::cluster::View;
use zerocache_proto::http::{Limits, ServerConn};
use zerocache_proto::op::Ack;
use zerocache_proto::service::{self, Context, Outcome, Stage};
use zerocache_proto::{Instant, NodeId, Now, Region};

#[test]
fn a_warm_hit_allocates_nothing() {
    let (region, id) = (Region::new("london").unwrap(), NodeId::from_bits(1));
    let shards = Unsharded::new(Config::new(region.clone(), id));
    let view = View::empty(region, Some(id));
    let mut http = ServerConn::new(Instant::ORIGIN, Limits::default());
    let mut exchange = |bytes: &[u8]| {
        let now = Now {
            mono: Instant::from_millis(1),
            unix_ms: 1_700_000_000_000,
        };
        http.read_buf()[..bytes.len()].copy_from_slice(bytes);
        http.handle_read(now.mono, bytes.len());
        let mut answered = 0;
        while let Some((request, responder)) = http.poll_request(now.mono) {
            let (stage, ack) = (Stage::Ready, Ack::Region);
            let context = Context {
                now,
                shards: &shards,
                view: &view,
                stage,
                ack,
                warming: false,
            };
            assert!(matches!(
                service::call(context, request, responder),
                Outcome::Answered
            ));
            answered += 1;
        }
        let hit = http.write_buf().starts_with(b"HTTP/1.1 200 OK");
        let written = http.write_buf().len();
        http.handle_written(now.mono, written);
        (answered, hit)
    };
    let value = "v".repeat(100);
    let put = format!("PUT /london/key HTTP/1.1\r\nContent-Length: 100\r\n\r\n{value}");
    let one = "GET /london/key HTTP/1.1\r\nHost: cache\r\nAccept: */*\r\n\r\n";
    let sixteen = one.repeat(16);
    assert_eq!(exchange(put.as_bytes()), (1, true));
    for (requests, count) in [(one, 1), (&*sixteen, 16)] {
        // Warm: the buffers have grown to what this takes.
        assert_eq!(exchange(requests.as_bytes()), (count, true));
        let seen = allocation_counter::measure(|| {
            for _ in 0..100 {
                assert_eq!(exchange(requests.as_bytes()), (count, true));
            }
        });
        assert_eq!(seen.count_total, 0, "{count} at once: {seen:?}");
    }
}
