//! What the HTTP core reads out of bytes beside what hyper reads out of the same bytes.
//!
//! Both are given the case table and many changes of it, each followed by one more request; what they
//! take for requests (method, target, body) has to be the same, to the end. Where one of them refuses
//! what the other takes, `differences` says why. That both take a request and it is not the same one
//! is never right: it is how requests are smuggled past whoever stands between them.
//!
//! `DIFFERENTIAL_MUTATIONS=1000000 cargo test --release -p zerocache-differential` takes longer than
//! the 10,000 of each run, `DIFFERENTIAL_SEED` other ones.

#[cfg(test)]
#[expect(dead_code, reason = "here only the bytes of a case matter")]
#[path = "../../../proto/tests/http_cases/cases.rs"]
mod cases;
#[cfg(test)]
mod compare;
#[cfg(test)]
mod differences;
#[cfg(test)]
#[path = "../../../proto/tests/http_cases/mutate.rs"]
mod mutate;
#[cfg(test)]
mod ours;
#[cfg(test)]
mod theirs;

/// A request as it was read, whole.
#[cfg(test)]
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Message {
    /// `None`: one that a node does not serve.
    pub(crate) method: Option<&'static str>,
    pub(crate) path: Vec<u8>,
    pub(crate) query: Option<Vec<u8>>,
    pub(crate) body: Vec<u8>,
}
