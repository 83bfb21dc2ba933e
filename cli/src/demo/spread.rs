//! The steps in which all is well: who is there, and where values go.

use super::story::{Story, Told, ms, rounded};
use super::world::{DISTANCES, NODES, NODES_A_REGION, REGIONS, Seen, Site, World, timed, until};
use serde_json::{Map, Value, json};
use std::time::Instant;
use zerocache_proto::Duration;
use zerocache_proto::cluster::PeerInfo;

/// How long anything may take to reach everybody, on a slow machine.
const SOON: Duration = Duration::from_secs(10);
/// How long a node may make a writer wait, whatever its peers do.
pub(super) const PROMPT: Duration = Duration::from_millis(400);
/// How long measurements may take to recover from a start on a machine that is busy.
const SETTLED: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_secs(60);
/// The life of a value with a short one.
const SHORT: Duration = Duration::from_secs(2);
/// Nodes count in whole milliseconds.
const TICK: Duration = Duration::from_millis(2);
/// How far apart its copies may die: whole seconds are told, and time on the way comes on top.
const TOGETHER: Duration = Duration::from_millis(1500);

/// Everybody finds everybody.
pub(super) async fn discovery(world: &mut World, story: &mut Story) -> Told {
    for nodes in world.sites.chunks(NODES_A_REGION) {
        let named = |site: &Site| format!("{:<8} {} :{}", site.name, site.id, site.addr.port());
        story.line(&nodes.iter().map(named).collect::<Vec<_>>().join("    "));
    }
    let (_, took) = until(SOON, || {
        for site in &world.sites {
            let known = routable(
                &site
                    .node
                    .as_ref()
                    .map(|node| node.peers())
                    .unwrap_or_default(),
            );
            if known + 1 < NODES {
                return Err(format!("{} knows {known} other nodes", site.name));
            }
        }
        Ok(())
    })
    .await?;
    story.line(&format!(
        "every node knows the eight others after {}",
        ms(took)
    ));
    for (client, region) in [(&world.client, "london"), (&world.far_client, "tokyo")] {
        until(SOON, || match routable(&client.nodes()) {
            NODES => Ok(()),
            known => Err(format!("the client in {region} knows {known} nodes")),
        })
        .await?;
    }
    story.line("and so does each client");
    Ok(json!({ "nodes": NODES, "all_known_ms": rounded(took) }))
}

fn routable(peers: &[PeerInfo]) -> usize {
    peers.iter().filter(|peer| peer.routable).count()
}

/// Everybody ranks the regions as the map says.
pub(super) async fn ranking(world: &mut World, story: &mut Story) -> Told {
    let mut told = Map::new();
    for (from, distances) in REGIONS.iter().zip(DISTANCES) {
        let mut wanted: Vec<_> = REGIONS
            .iter()
            .zip(*distances)
            .filter(|(to, _)| *to != from)
            .collect();
        wanted.sort_by_key(|(_, ms)| **ms);
        let site = world.site(&format!("{from}-1"))?;
        let node = site.node.as_ref().ok_or("not running")?;
        let (ranked, _) = until(SETTLED, || {
            let ranked = node.status().regions;
            let order: Vec<_> = ranked.iter().map(|region| region.name.as_str()).collect();
            let right = order.iter().eq(wanted.iter().map(|(to, _)| *to));
            let measured = ranked.iter().all(|region| region.latency.is_some());
            let order = || format!("{} ranks {}", site.name, order.join(", "));
            if right && measured {
                Ok(ranked)
            } else {
                Err(order())
            }
        })
        .await?;
        let mut places = Vec::new();
        let mut latencies = Map::new();
        for (region, (_, millis)) in ranked.iter().zip(&wanted) {
            let latency = region.latency.unwrap_or_default();
            if latency < Duration::from_millis(**millis) {
                return Err(format!(
                    "{from} to {} in {}: too fast",
                    region.name,
                    ms(latency)
                ));
            }
            places.push(format!("{} {:>8}", region.name, ms(latency)));
            latencies.insert(region.name.to_string(), rounded(latency).into());
        }
        story.line(&format!("from {from:<8} {}", places.join("   then ")));
        told.insert((*from).to_owned(), latencies.into());
    }
    Ok(told.into())
}

/// A value spreads.
pub(super) async fn put(world: &mut World, story: &mut Story) -> Told {
    let since = Instant::now();
    let put = world.client.put("greeting", "hello from london", MINUTE);
    let (everywhere, (put, answered)) = tokio::join!(
        world.everywhere("greeting", Some("hello from london"), since, SOON),
        timed(put)
    );
    put.map_err(|error| error.to_string())?;
    story.line(&format!("PUT answered after {}", ms(answered)));
    let seen = everywhere?;
    show(world, story, &seen);
    if answered > PROMPT {
        return Err(format!("the answer took {}", ms(answered)));
    }
    Ok(json!({ "answered_ms": rounded(answered), "seen_ms": object(world, &seen) }))
}

/// A region's values are readable in all others.
pub(super) async fn far(world: &mut World, story: &mut Story) -> Told {
    let since = Instant::now();
    let (put, answered) = timed(world.far_client.put("tea", "sencha", MINUTE)).await;
    put.map_err(|error| error.to_string())?;
    story.line(&format!("PUT in tokyo answered after {}", ms(answered)));
    // Not waited for: a read that comes before the copy goes down the ladder, as far as tokyo.
    let (value, took) = timed(world.client.get("tea")).await;
    let value = value
        .map_err(|error| error.to_string())?
        .ok_or("london does not find it")?;
    if value != "sencha" {
        return Err(format!("london reads {value:?}"));
    }
    let asked = super::failover::asked(world, "GET /london/tea");
    story.line(&format!(
        "GET in london at once: {}, by {}",
        ms(took),
        asked.join(", ")
    ));
    let seen = world.everywhere("tea", Some("sencha"), since, SOON).await?;
    let (again, near) = timed(world.client.get("tea")).await;
    again
        .map_err(|error| error.to_string())?
        .ok_or("london does not find it again")?;
    story.line(&format!(
        "a copy in all nine nodes after {}; GET in london now {}",
        ms(seen.last()),
        ms(near)
    ));
    Ok(json!({
        "answered_ms": rounded(answered),
        "read_at_once_ms": rounded(took),
        "read_near_ms": rounded(near),
        "seen_ms": object(world, &seen),
    }))
}

/// A value goes from everywhere.
pub(super) async fn delete(world: &mut World, story: &mut Story) -> Told {
    let since = Instant::now();
    let (everywhere, (deleted, answered)) = tokio::join!(
        world.everywhere("greeting", None, since, SOON),
        timed(world.client.delete("greeting"))
    );
    let held = deleted.map_err(|error| error.to_string())?;
    if !held {
        return Err("the node asked did not have it".to_owned());
    }
    story.line(&format!("DELETE answered after {}", ms(answered)));
    let seen = everywhere?;
    show(world, story, &seen);
    Ok(json!({ "answered_ms": rounded(answered), "gone_ms": object(world, &seen) }))
}

/// A value's copies die together.
pub(super) async fn expiry(world: &mut World, story: &mut Story) -> Told {
    let since = Instant::now();
    let put = world.client.put("brief", "for two seconds", SHORT).await;
    put.map_err(|error| error.to_string())?;
    let born = world
        .everywhere("brief", Some("for two seconds"), since, SHORT)
        .await?;
    story.line(&format!(
        "in all nine nodes after {}; gone from them after:",
        ms(born.last())
    ));
    let gone = world.everywhere("brief", None, since, SOON).await?;
    show(world, story, &gone);
    let apart = gone.last().saturating_sub(gone.first());
    if gone.first() + TICK < SHORT {
        return Err(format!("the first copy died after {}", ms(gone.first())));
    }
    if gone.last() > SHORT + TOGETHER {
        return Err(format!("the last copy died after {}", ms(gone.last())));
    }
    Ok(json!({ "gone_ms": object(world, &gone), "apart_ms": rounded(apart) }))
}

/// A line for each region, a column for each node.
fn show(world: &World, story: &mut Story, seen: &Seen) {
    for place in 0..REGIONS.len() {
        let here = |index: usize| world.sites.get(index).filter(|site| site.place.0 == place);
        let times = seen.0.iter().filter_map(|(index, time)| {
            here(*index).map(|site| format!("{:<8} {:>8}", site.name, ms(*time)))
        });
        story.line(&times.collect::<Vec<_>>().join("    "));
    }
}

/// The times by name.
fn object(world: &World, seen: &Seen) -> Value {
    let named = seen.0.iter().filter_map(|(index, time)| {
        world
            .sites
            .get(*index)
            .map(|site| (site.name.clone(), rounded(*time).into()))
    });
    Value::Object(named.collect())
}
