//! What nodes and clients do, whatever they run on.

pub(crate) mod cancel;
pub(crate) mod fickle;
pub(crate) mod insert;
pub(crate) mod ladder;
pub(crate) mod life;
pub(crate) mod limits;
pub(crate) mod load;
pub(crate) mod spread;

use std::time::Duration;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
