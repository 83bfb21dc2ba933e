//! What threads share things by. `loom/` compiles the modules that use this with a model of it instead.

pub(crate) use std::sync::atomic;
