//! `http_split`: wherever a stream is cut in two, what is understood of it is the same, by a server, by a
//! client, and by a client whose requests do not wait for each other.

use zerocache_proto::http::{ClientLimits, End, Pipeline};

use crate::http::{exchange, outgoing, serve};

/// No more places than this are tried of one input.
const PLACES: usize = 128;
/// Requests under way in a pipeline.
const REQUESTS: usize = 5;

/// The first byte says whose stream the others are.
pub(crate) fn run(data: &[u8]) {
    let Some((whose, bytes)) = data.split_first() else {
        return;
    };
    match whose % 5 {
        0 => same(bytes, |bytes, cut| serve(bytes, &[0xff; 64], cut)),
        1 => same(bytes, answers),
        how => same(bytes, |bytes, cut| exchange(bytes, outgoing(how), cut)),
    }
}

/// Whether `read` finds the same in the whole and in any two parts of it.
fn same<T>(bytes: &[u8], read: impl Fn(&[u8], &mut dyn FnMut() -> usize) -> T)
where
    T: PartialEq + std::fmt::Debug,
{
    let whole = read(bytes, &mut || usize::MAX);
    let step = bytes.len().div_ceil(PLACES).max(1);
    for place in (1..bytes.len()).step_by(step) {
        let mut first = Some(place);
        let parts = read(bytes, &mut || first.take().unwrap_or(usize::MAX));
        assert_eq!(parts, whole, "cut at {place}");
    }
}

/// What came of the requests of a pipeline: the answers, the end, and who is left.
type Answers = (Vec<(usize, u16)>, Option<End>, Vec<usize>);

fn answers(bytes: &[u8], cut: &mut dyn FnMut() -> usize) -> Answers {
    let mut pipeline = Pipeline::new(ClientLimits {
        max_head: 600,
        max_headers: 8,
        max_body: 1_500,
        read_buffer: 256,
    });
    for n in 0..REQUESTS {
        let unsent = pipeline.push(n, |_, out| out.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n"));
        assert_eq!(unsent, None);
    }
    pipeline.handle_written(pipeline.unsent());
    let mut rest = bytes;
    let mut got = Vec::new();
    loop {
        let room = pipeline.read_buf();
        if room.is_empty() {
            break;
        }
        let count = cut().clamp(1, room.len()).min(rest.len());
        room[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        // Nothing left: the peer has closed.
        pipeline.handle_read(count);
        while let Some(answer) = pipeline.poll_answer() {
            got.push(answer);
        }
        assert!(pipeline.buffered() <= 4_096, "{} held", pipeline.buffered());
    }
    let end = pipeline.end();
    let left: Vec<usize> = pipeline.take_unanswered().collect();
    let order = got.iter().map(|(n, _)| *n).chain(left.iter().copied());
    assert!(order.eq(0..REQUESTS), "answers out of order");
    (got, end, left)
}
