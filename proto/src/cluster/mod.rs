//! Membership: who is there, who answers, how near they are.
//!
//! ```text
//! multicast --Seen--------+                        +--ping ok--> routable --> View
//! static peers --members--+--> table, one row an id+
//! other nodes --members---+    one lease a source  +--3 s of failure--> out, pinged 1 s .. 60 s
//! hellos -----------------+            |
//!                                      +--goodbye, last lease ended--> gone
//!
//! New --announce--> Announcing --announced, static peers tried--> Ready --leave--> Leaving --> Left
//! ```
//! What a source tells is a hint: a peer gets requests once it has answered a ping. The machine asks for
//! pings, members and names by [`Action`]s, and publishes an immutable [`View`] whenever it changes.

mod config;
mod event;
mod health;
mod machine;
mod members;
mod mourning;
mod peer;
mod probe;
mod rank;
mod rumours;
mod sample;
mod seeds;
mod table;
mod trial;
mod view;
mod work;

pub use config::{
    Config, FAILING_FOR, FAR_PING_DEADLINE, InvalidStaticPeer, LEASE, MAX_EVENTS, MAX_MEMBERS,
    MAX_MEMBERS_BODY, MAX_PEERS, MAX_PINGS, MAX_POLLS, MAX_REGIONS, MAX_SEED_ADDRS, MAX_SEEDS, Me,
    PING_DEADLINE, PING_EVERY, POLL_EVERY, RESOLVE_EVERY, SAMPLE, StaticPeer, sample,
};
pub use event::{Action, Down, Event, Outcome, Pong, members_body, members_request};
pub use health::State;
pub use machine::Cluster;
pub use peer::{Peer, PeerInfo, Source};
pub use rumours::MAX_MISSING;
pub(crate) use rumours::missing;
pub use view::{RegionView, View};
