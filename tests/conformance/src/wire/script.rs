//! A case as data: what is sent, what must come back.

use std::sync::atomic::{AtomicU64, Ordering};

/// Stands for a key that nobody else uses; as long as what replaces it.
pub(crate) const KEY: &str = "{key_of_run}";

/// Requests on one connection, each with its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    pub(crate) exchanges: Vec<Exchange>,
    /// The last answer is the connection's last.
    pub(crate) closes: bool,
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) request: Vec<u8>,
    pub(crate) status: u16,
    /// `None`: whatever it is.
    pub(crate) body: Option<Vec<u8>>,
    /// Header fields that must be there, names in lower case.
    pub(crate) fields: Vec<(&'static str, &'static str)>,
}

impl Exchange {
    /// Whether it asks for a head only.
    pub(crate) fn is_head(&self) -> bool {
        self.request.starts_with(b"HEAD ")
    }
}

impl Case {
    /// A request, the status of its answer, and its body.
    pub(crate) fn ask(
        mut self,
        request: impl Into<Vec<u8>>,
        status: u16,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        self.exchanges.push(Exchange {
            request: request.into(),
            status,
            body: Some(body.into()),
            fields: Vec::new(),
        });
        self
    }

    /// A request whose answer has a body that is of no concern here.
    pub(crate) fn page(mut self, request: impl Into<Vec<u8>>, status: u16) -> Self {
        self.exchanges.push(Exchange {
            request: request.into(),
            status,
            body: None,
            fields: Vec::new(),
        });
        self
    }

    /// The last answer has this field too.
    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        if let Some(exchange) = self.exchanges.last_mut() {
            exchange.fields.push((name, value));
        }
        self
    }

    /// The connection is closed after the last answer.
    pub(crate) fn closed(mut self) -> Self {
        self.closes = true;
        self
    }

    /// The same on a key of its own.
    pub(crate) fn fresh(&self) -> Self {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let key = format!("k{run:011x}");
        let mut case = self.clone();
        for exchange in &mut case.exchanges {
            replace(&mut exchange.request, KEY.as_bytes(), key.as_bytes());
        }
        case
    }

    /// All requests, one behind the other.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let requests = self.exchanges.iter().map(|exchange| &exchange.request[..]);
        requests.collect::<Vec<_>>().concat()
    }
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len(), "no length must change");
    for at in 0..bytes.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
}
