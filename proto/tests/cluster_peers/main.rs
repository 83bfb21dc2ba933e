//! Membership in virtual time, among scripted nodes.

#[path = "../checked/mod.rs"]
mod checked;
mod crowd;
mod health;
mod lan;
mod seeds;
mod table;
mod world;
