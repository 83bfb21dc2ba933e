//! What is said on the network, and what about.

/// What an exchange over TCP is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Topic {
    Ping,
    Members,
    Sync,
    Put,
    Get,
    Other,
}

impl Topic {
    /// What a request asks for; `None` if the bytes begin none.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let starts: [(&[u8], Self); 7] = [
            (b"GET /ping ", Self::Ping),
            (b"GET /ping?", Self::Ping),
            (b"GET /_zc/1/members ", Self::Members),
            (b"GET /_zc/1/", Self::Sync),
            (b"GET ", Self::Get),
            (b"PUT ", Self::Put),
            (b"DELETE ", Self::Other),
        ];
        let of = starts
            .into_iter()
            .find(|(start, _)| bytes.starts_with(start));
        of.map(|(_, topic)| topic)
    }
}

/// Messages, and the bytes of them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Tally {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

impl Tally {
    pub(super) fn add(&mut self, messages: u64, bytes: usize) {
        self.messages += messages;
        self.bytes += bytes as u64;
    }
}

/// What a host has sent and got.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Traffic {
    /// Requests and answers, both ways.
    pub(super) tcp: Tally,
    /// Datagrams sent.
    pub(super) cast: Tally,
    /// Datagrams that reached it.
    pub(super) heard: Tally,
}

/// What all hosts have sent.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Totals {
    topics: [Tally; 6],
    /// Datagrams.
    pub(super) cast: Tally,
    /// Connections made.
    pub(super) connects: u64,
}

impl Totals {
    pub(super) fn topic(&mut self, topic: Topic) -> &mut Tally {
        &mut self.topics[topic as usize]
    }

    pub(super) const fn of(&self, topic: Topic) -> Tally {
        self.topics[topic as usize]
    }

    /// Over TCP, whatever about.
    pub(super) fn tcp(&self) -> Tally {
        let mut sum = Tally::default();
        for tally in self.topics {
            sum.messages += tally.messages;
            sum.bytes += tally.bytes;
        }
        sum
    }
}

/// The number of the key that a request is about: keys are `w` and a number.
pub(super) fn key_of(request: &[u8]) -> Option<u32> {
    let line = request.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let path = line.split([' ', '?']).nth(1)?;
    path.rsplit('/').next()?.strip_prefix('w')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_known_by_their_first_line() {
        let put = b"PUT /r1/w12?expiry=5&recurse=0 HTTP/1.1\r\n\r\nw3";
        assert_eq!((Topic::of(put), key_of(put)), (Some(Topic::Put), Some(12)));
        let topic = |text: &str| Topic::of(text.as_bytes());
        assert_eq!(topic("GET /ping HTTP/1.1"), Some(Topic::Ping));
        assert_eq!(topic("GET /_zc/1/members HTTP/1.1"), Some(Topic::Members));
        assert_eq!(topic("GET /_zc/1/digest HTTP/1.1"), Some(Topic::Sync));
        assert_eq!(topic("GET /r1/w1 HTTP/1.1"), Some(Topic::Get));
        assert_eq!(topic("HTTP/1.1 200 OK"), None);
    }
}
