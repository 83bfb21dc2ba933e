//! Membership in virtual time, among scripted nodes.

mod health;
mod seeds;
mod table;
mod world;
