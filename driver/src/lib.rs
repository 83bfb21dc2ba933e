//! The loops between the protocol core and an async runtime.
