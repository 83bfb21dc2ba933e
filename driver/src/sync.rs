//! What tasks share things by. `loom/` compiles the modules that use this with a model of it instead.

pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError, atomic};
