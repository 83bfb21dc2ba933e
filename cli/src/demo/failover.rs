//! The steps in which nodes go and come.

use super::spread::PROMPT;
use super::story::{Story, Told, ms, rounded};
use super::trace::Outcome;
use super::world::{NODES_A_REGION, World, routes_to, timed, until};
use serde_json::json;
use std::time::Instant;
use zerocache_proto::{Duration, NodeId};

/// The node that dies.
const VICTIM: &str = "london-2";
/// The node that leaves.
const LEAVER: &str = "london-3";
/// How long the others may take to notice: three seconds, and the pause between two pings.
const NOTICED: Duration = Duration::from_secs(8);
/// How long they may take to use a node again that has come back.
const BACK: Duration = Duration::from_secs(10);
/// How long after a goodbye somebody may still know the node.
const AT_ONCE: Duration = Duration::from_secs(2);
const MINUTE: Duration = Duration::from_secs(60);

/// A node dies in the middle of things; its turn goes to the next one, and writes do not wait for it.
pub(super) async fn kill(world: &mut World, story: &mut Story) -> Told {
    let put = world.client.put("steady", "still here", MINUTE).await;
    put.map_err(|error| error.to_string())?;
    world
        .everywhere("steady", Some("still here"), Instant::now(), BACK)
        .await?;
    world.trace.take("");
    let victim = world.site_mut(VICTIM)?;
    let id = victim.id;
    if let Some(node) = victim.node.take() {
        node.kill();
    }
    let since = Instant::now();
    let (put, answered) = timed(world.client.put("missed", "for your return", MINUTE)).await;
    put.map_err(|error| error.to_string())?;
    let puts = asked(world, "PUT /london/missed");
    story.line(&format!(
        "PUT   {:>8}   {}",
        ms(answered),
        puts.join(", then ")
    ));
    if answered > PROMPT {
        return Err(format!("the answer to a PUT took {}", ms(answered)));
    }
    let mut fell = usize::from(puts.len() > 1);
    let mut reads = Vec::new();
    // One of as many requests in a row as there are nodes begins with the dead one.
    for number in 1..=2 * NODES_A_REGION {
        let (value, took) = timed(world.client.get("steady")).await;
        let value = value.map_err(|error| error.to_string())?;
        if value.is_none_or(|value| value != "still here") {
            return Err(format!("GET {number} did not find the value"));
        }
        let gets = asked(world, "GET /london/steady");
        story.line(&format!(
            "GET {number} {:>8}   {}",
            ms(took),
            gets.join(", then ")
        ));
        fell += usize::from(gets.len() > 1);
        reads.push(json!({ "ms": rounded(took), "asked": gets }));
    }
    if fell == 0 && routes_to(&world.client.nodes(), id) {
        return Err(format!("no request came to {VICTIM}"));
    }
    let seen = world
        .everywhere("missed", Some("for your return"), since, NOTICED)
        .await?;
    story.line(&format!(
        "the PUT is in the eight other nodes after {}",
        ms(seen.last())
    ));
    Ok(json!({
        "killed": VICTIM,
        "put_ms": rounded(answered),
        "put_asked": puts,
        "put_seen_ms": rounded(seen.last()),
        "reads": reads,
        "fell_through": fell,
    }))
}

/// What the client did on the wire for `request`: whom it asked, and how that went.
pub(super) fn asked(world: &World, request: &str) -> Vec<String> {
    let exchanges = world.trace.take(request);
    let tell = |exchange: &super::trace::Exchange| {
        let name = world.name_of(exchange.port);
        let took = ms(exchange.took);
        match exchange.outcome {
            Outcome::Refused => format!("{name} refused ({took})"),
            Outcome::Lost => format!("{name} hung up ({took})"),
            Outcome::Answered(status) => format!("{name} {status} ({took})"),
        }
    };
    exchanges.iter().map(tell).collect()
}

/// The dead node goes out of everybody's routing.
pub(super) async fn removal(world: &mut World, story: &mut Story) -> Told {
    let id = world.site(VICTIM)?.id;
    let (client, nodes) = everybody(world, id, false, NOTICED).await?;
    story.line(&format!(
        "the client does not after {}, nor any node after {}",
        ms(client),
        ms(nodes)
    ));
    Ok(json!({ "client_ms": rounded(client), "nodes_ms": rounded(nodes) }))
}

/// The node comes back, learns what it missed, and is used again.
pub(super) async fn again(world: &mut World, story: &mut Story) -> Told {
    let before = world.site(VICTIM)?.id;
    let nodes = world.sites.iter().filter_map(|site| site.node.as_ref());
    let kept: u64 = nodes.map(|node| node.status().queues.waiting).sum();
    let since = Instant::now();
    let id = world.start_again(VICTIM)?;
    if id != before {
        return Err(format!("it was {before} and is now {id}"));
    }
    story.line(&format!("it is {id} as before"));
    let (client, nodes) = everybody(world, id, true, BACK).await?;
    story.line(&format!(
        "the client asks it again after {}, all nodes after {}",
        ms(client),
        ms(nodes)
    ));
    // Nothing is kept for it only if whoever took the PUT knew already that it was gone.
    let caught_up = if kept > 0 {
        let seen = world
            .everywhere("missed", Some("for your return"), since, BACK)
            .await?;
        let took = seen.last();
        story.line(&format!(
            "it has the value that it missed after {}",
            ms(took)
        ));
        Some(rounded(took))
    } else {
        None
    };
    let port = world.site(VICTIM)?.addr.port();
    world.trace.take("");
    let began = Instant::now();
    loop {
        let got = world
            .client
            .get("missed")
            .await
            .map_err(|error| error.to_string())?;
        got.ok_or("a GET did not find the value")?;
        let exchanges = world.trace.take("GET /london/missed");
        if exchanges
            .iter()
            .any(|e| e.port == port && e.outcome == Outcome::Answered(200))
        {
            break;
        }
        if began.elapsed() > BACK {
            return Err("no GET came to it".to_owned());
        }
    }
    story.line("and it has answered a GET");
    Ok(json!({
        "id": id.to_string(),
        "client_ms": rounded(client),
        "nodes_ms": rounded(nodes),
        "caught_up_ms": caught_up,
    }))
}

/// A node leaves and says so, to its peers; a client notices by itself.
pub(super) async fn goodbye(world: &mut World, story: &mut Story) -> Told {
    let leaver = world.site_mut(LEAVER)?;
    let id = leaver.id;
    let node = leaver.node.take().ok_or("it was not running")?;
    let (nodes, ((), stopped)) = tokio::join!(
        nodes_route(world, id, false, AT_ONCE),
        timed(node.shutdown())
    );
    let nodes = nodes?;
    story.line(&format!(
        "no node asks it any more after {}; stopped after {}",
        ms(nodes),
        ms(stopped)
    ));
    world.trace.take("");
    let since = Instant::now();
    for number in 1..=NODES_A_REGION {
        let (value, took) = timed(world.client.get("missed")).await;
        value
            .map_err(|error| error.to_string())?
            .ok_or("a GET did not find the value")?;
        let asked = asked(world, "GET /london/missed");
        story.line(&format!(
            "GET {number} {:>8}   {}",
            ms(took),
            asked.join(", then ")
        ));
    }
    client_routes(world, id, false, NOTICED).await?;
    story.line(&format!(
        "the client has done with it after {}",
        ms(since.elapsed())
    ));
    Ok(json!({
        "stopped_ms": rounded(stopped),
        "nodes_ms": rounded(nodes),
        "client_ms": rounded(since.elapsed()),
    }))
}

/// Waits until the client, and until all running nodes, route to a node or do not.
async fn everybody(
    world: &World,
    id: NodeId,
    wanted: bool,
    limit: Duration,
) -> Result<(Duration, Duration), String> {
    let client = client_routes(world, id, wanted, limit);
    let (client, nodes) = tokio::join!(client, nodes_route(world, id, wanted, limit));
    Ok((client?, nodes?))
}

async fn client_routes(
    world: &World,
    id: NodeId,
    wanted: bool,
    limit: Duration,
) -> Result<Duration, String> {
    let look = || {
        let routes = routes_to(&world.client.nodes(), id);
        if routes == wanted {
            Ok(())
        } else {
            Err(format!("the client {}", still(wanted)))
        }
    };
    Ok(until(limit, look).await?.1)
}

async fn nodes_route(
    world: &World,
    id: NodeId,
    wanted: bool,
    limit: Duration,
) -> Result<Duration, String> {
    let look = || {
        for site in world.sites.iter().filter(|site| site.id != id) {
            let Some(node) = &site.node else { continue };
            if routes_to(&node.peers(), id) != wanted {
                return Err(format!("{} {}", site.name, still(wanted)));
            }
        }
        Ok(())
    };
    Ok(until(limit, look).await?.1)
}

fn still(wanted: bool) -> &'static str {
    if wanted {
        "does not ask it"
    } else {
        "still asks it"
    }
}
