//! Membership in virtual time, among scripted nodes.

mod health;
mod lan;
mod seeds;
mod table;
mod world;
