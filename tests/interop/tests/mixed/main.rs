//! Nodes of ours and of the stock package together, on one private network each test.

mod scene;

mod client;
mod cluster;
mod faults;
