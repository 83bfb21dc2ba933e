//! zerocache on tokio.
