//! What must hold once all is calm.

use super::abuse::UNFINISHED;
use super::ledger::{Found, Ledger};
use super::load::{Shared, Tally, name, serial_of};
use super::node::{Node, Recipe, Usage, ask, usage};
use crate::link::Link;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long copies may take to be the same everywhere.
const CONVERGENCE: Duration = Duration::from_secs(30);
/// How long a node keeps a connection that nobody uses, and some more.
const IDLE: Duration = Duration::from_secs(75);
/// What memory may have grown beyond a tenth: allocators keep what they once had.
pub(super) const SLACK_KIB: u64 = 8 << 10;
/// How many connections beyond those at the start a node may hold to and from each other node.
const KEPT_PER_PEER: usize = 4;
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What the nodes hold, against what was written.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) compared: usize,
    /// Until every node had everything.
    pub(super) took: Duration,
    pub(super) late: usize,
    pub(super) wrong: Vec<String>,
}

/// Asks every node for every key, again where it does not fit, until all does or time is up.
pub(super) async fn values(nodes: &[Node], tallies: &[Tally], shared: &Shared) -> Values {
    let began = Instant::now();
    let mut values = Values::default();
    for node in nodes {
        let recipe = &node.recipe;
        let mut link = Link::new(recipe.addr);
        for tally in tallies {
            let killed = shared.killed(tally.region);
            for key in tally.ledger.keys() {
                values.compared += 1;
                match settle(&mut link, recipe, key, &tally.ledger, &killed, began).await {
                    Ok(Found::Right) => {}
                    Ok(_) => values.late += 1,
                    Err(why) => values.wrong.push(why),
                }
            }
        }
        match ask(&mut link, recipe, UNFINISHED).await {
            Ok(answer) if answer.status == 404 => {}
            _ => values
                .wrong
                .push(format!("{}: a PUT that never ended", recipe.addr)),
        }
    }
    values.took = began.elapsed();
    values
}

/// Asks until the answer fits, or time is up.
async fn settle(
    link: &mut Link,
    recipe: &Recipe,
    key: usize,
    ledger: &Ledger,
    killed: &[Instant],
    began: Instant,
) -> Result<Found, String> {
    loop {
        let answer = ask(link, recipe, &name(key)).await;
        let serial = match &answer {
            Ok(answer) if answer.status == 404 => Some(None),
            Ok(answer) if answer.status == 200 => serial_of(key, &answer.body).map(Some),
            _ => None,
        };
        let found = serial.map_or(Found::Wrong, |serial| ledger.judge(key, serial, killed));
        if found != Found::Wrong {
            return Ok(found);
        }
        if began.elapsed() > CONVERGENCE {
            let has = match (answer, serial) {
                (Err(error), _) => error.to_string(),
                (_, Some(Some(serial))) => format!("write {serial}"),
                (_, Some(None)) => "nothing".to_owned(),
                (Ok(answer), None) => format!("{} and bytes of no write", answer.status),
            };
            let wanted = ledger.wanted(key, killed);
            return Err(format!(
                "{} {}: {has}, not {wanted}",
                recipe.addr,
                name(key)
            ));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// What a node holds open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    /// Of the process; `None` where there is no `/proc`.
    pub(super) usage: Option<Usage>,
    /// Inbound connections, by its own account.
    pub(super) connections: usize,
    pub(super) spreading: u64,
}

impl Held {
    pub(super) async fn of(node: &Node) -> Option<Self> {
        let page = Node::status(node.recipe.addr).await?;
        // Its own question took one.
        let open = page["connections"]["open"].as_u64()?.saturating_sub(1);
        Some(Self {
            usage: node.pid().and_then(usage),
            connections: usize::try_from(open).ok()?,
            spreading: page["queues"]["spreading"].as_u64()?,
        })
    }
}

/// Waits until a node holds no more than at the start; what it holds, and what of it is too much.
pub(super) async fn released(
    node: &Node,
    before: Held,
    peers: usize,
    since: Instant,
) -> (Held, Option<String>) {
    let slack = KEPT_PER_PEER * peers;
    loop {
        let held = Held::of(node).await;
        let now = held.unwrap_or_default();
        let files = |held: Held| held.usage.map_or(0, |usage| usage.descriptors);
        let addr = node.recipe.addr;
        let excess = if held.is_none() {
            Some(format!("{addr} does not answer"))
        } else if now.connections > before.connections + slack {
            Some(format!(
                "{addr}: {} connections, {} at first",
                now.connections, before.connections
            ))
        } else if files(now) > files(before) + 2 * slack {
            Some(format!(
                "{addr}: {} descriptors, {} at first",
                files(now),
                files(before)
            ))
        } else if now.spreading > 0 {
            Some(format!("{addr}: {} copies under way", now.spreading))
        } else {
            None
        };
        if excess.is_none() || since.elapsed() > IDLE {
            return (now, excess);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// The medians of the middle third and of the last one.
pub(super) fn thirds(samples: &[u64]) -> Option<(u64, u64)> {
    let third = samples.len() / 3;
    let median = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part.get(part.len() / 2).copied()
    };
    let middle = median(samples.get(third..2 * third)?)?;
    Some((middle, median(&samples[2 * third..])?))
}

/// Whether memory stayed as it was: a tenth, and [`SLACK_KIB`].
pub(super) const fn is_flat(middle: u64, last: u64) -> bool {
    last <= middle + middle / 10 + SLACK_KIB
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_grows_is_told_from_memory_that_does_not() {
        let flat: Vec<u64> = (0..90).map(|at| 50_000 + at % 7).collect();
        let leak: Vec<u64> = (0..90).map(|at| 20_000 + at * 1_000).collect();
        let peak: Vec<u64> = (0..90)
            .map(|at| if at == 80 { 900_000 } else { 50_000 })
            .collect();
        let verdict = |samples: &[u64]| thirds(samples).map(|(middle, last)| is_flat(middle, last));
        assert_eq!(verdict(&flat), Some(true));
        assert_eq!(verdict(&leak), Some(false));
        assert_eq!(verdict(&peak), Some(true));
        assert_eq!(verdict(&[1, 2]), None);
    }
}
