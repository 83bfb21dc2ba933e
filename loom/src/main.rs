//! Plays what threads share by hand in every order the threads' steps may come in (loom): no wake-up is
//! lost, nothing old is seen after something newer. What is tried are the files of the crates themselves.

#![expect(dead_code, reason = "the models need a part of each module")]

mod sync {
    pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
    pub(crate) use std::sync::PoisonError;
}

#[path = "../../driver/src/budget.rs"]
mod budget;
#[path = "../../blocking/src/doze.rs"]
mod doze;
#[path = "../../driver/src/published.rs"]
mod published;
#[path = "../../driver/src/signal.rs"]
mod signal;

mod models;

fn main() {
    for (name, model) in models::ALL {
        let mut builder = loom::model::Builder::new();
        // Threads that lose the processor more often find nothing that those do not.
        builder.preemption_bound = Some(3);
        builder.check(model);
        println!("{name}");
    }
}
