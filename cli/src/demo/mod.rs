//! `demo`: nine nodes in three regions in this process, with distances between them, and what
//! happens to a few values there. Every step is checked.

mod delay;
mod failover;
mod spread;
mod story;
mod trace;
mod wan;
mod world;

use crate::output::{Code, Failure};
use std::time::Duration;
use story::Story;
use tokio::time::timeout;
use world::{DISTANCES, REGIONS, World};
use zerocache_driver::runtime::Ambient as _;
use zerocache_tokio::Tokio;

/// Every wait of a step is bounded; this bounds the whole on a machine that hardly moves.
const LIMIT: Duration = Duration::from_secs(90);

/// Tells the story; done only if every step went as expected.
pub(crate) async fn run(json: bool) -> Result<Code, Failure> {
    let broken =
        |why: &dyn std::fmt::Display| Failure::new(Code::Miss, format_args!("demo: {why}"));
    let runtime = Tokio::current().map_err(|error| broken(&error))?;
    let mut story = Story::new(json);
    introduce(&mut story);
    let mut world = World::start(runtime).map_err(|error| broken(&error))?;
    let told = timeout(LIMIT, play(&mut world, &mut story)).await;
    world.stop().await;
    let as_expected = told.map_err(|_| broken(&"no end in sight"))??;
    story.close(as_expected)?;
    Ok(if as_expected { Code::Done } else { Code::Miss })
}

fn introduce(story: &mut Story) {
    story
        .aside("Three nodes in each of london, paris and tokyo, all in this process, on loopback,");
    story
        .aside("without multicast. A client in london. Simulated round trips between the regions:");
    for (from, row) in REGIONS.iter().zip(DISTANCES) {
        let far = REGIONS.iter().zip(*row).filter(|(to, _)| from < *to);
        let far: Vec<_> = far.map(|(to, ms)| format!("{from}-{to} {ms} ms")).collect();
        if !far.is_empty() {
            story.aside(&format!("      {}", far.join(", ")));
        }
    }
}

/// Goes through the steps, as long as they go as expected.
async fn play(world: &mut World, story: &mut Story) -> Result<bool, Failure> {
    macro_rules! steps {
        ($($name:literal, $title:literal, $step:path;)*) => {
            $(
                story.begin($name, $title);
                let told = $step(world, story).await;
                if !story.end(told)? {
                    return Ok(false);
                }
            )*
        };
    }
    steps! {
        "discovery", "Each node was told of london-1 alone; all find each other", spread::discovery;
        "ranking", "Regions are ranked by their measured round trips", spread::ranking;
        "put", "A PUT in london is soon in all nine nodes", spread::put;
        "far", "A value written in tokyo is read in london", spread::far;
        "delete", "A DELETE removes it everywhere", spread::delete;
        "expiry", "A value that lives for 2 s dies everywhere together", spread::expiry;
        "kill", "london-2 is killed, without a goodbye: its turn goes to the next node, a PUT does not wait",
            failover::kill;
        "removal", "Nobody asks the dead node any more", failover::removal;
        "return", "london-2 is started again, and is the same node", failover::again;
        "goodbye", "london-3 stops with a goodbye: no node asks it any more, and nothing fails", failover::goodbye;
    }
    Ok(true)
}
