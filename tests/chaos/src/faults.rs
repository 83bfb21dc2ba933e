//! The faults, one after the other on one cluster, each healed before the next.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use zerocache_interop::{Failure, Outcome, eventually, same};
use zerocache_proto::op::BEGUN_WITHIN;

use crate::cluster::{CONVERGED, Cluster, Ledger, Victim};
use crate::load::{Load, rate};
use crate::node::Node;
use crate::report::{Row, SLACK};
use crate::rogue::Decoy;
use crate::slow;

/// A peer that does not answer is out this long after the first request that failed.
const BY_REQUESTS: Duration = Duration::from_secs(3);
/// And this long after its death if nobody has any request but pings.
const BY_PINGS: Duration = Duration::from_secs(5);
/// What a node had promised is at all others so long after its death: it is out by then, and nodes have
/// compared.
const KEPT: Duration = Duration::from_secs(10);
/// Detection is waited for this long; whether it took too long is told by the row.
const DETECTED: Duration = Duration::from_secs(30);
/// A third of the nodes: the last one of each region.
const THIRD: [Victim; 3] = [Victim::Ours(2), Victim::Ours(5), Victim::Ours(8)];

/// How nodes are struck.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// SIGKILL; started again as they were.
    Kill,
    /// SIGSTOP, then SIGCONT: the host answers, the node does not.
    Stop,
    /// The cable is pulled: nothing answers.
    Unplug,
}

/// All of them.
pub(crate) fn all(
    cluster: &mut Cluster,
    runtime: &'static str,
    rows: &mut Vec<Row>,
    strict: bool,
) -> Outcome {
    let mut done = |row| tell(row, rows, strict);
    done(start(cluster, runtime)?)?;
    done(idle(
        cluster,
        Row::new("kill -9 of one, no load; restart", runtime),
    )?)?;
    let killed = Row::new("kill -9 of a third; restart", runtime);
    done(outage(cluster, killed, "killed", &THIRD, Blow::Kill)?)?;
    let stopped = Row::new("SIGSTOP of one; SIGCONT", runtime);
    done(outage(
        cluster,
        stopped,
        "stopped",
        &[Victim::Ours(4)],
        Blow::Stop,
    )?)?;
    let unplugged = Row::new("link down of a third; up", runtime);
    done(outage(
        cluster,
        unplugged,
        "unplugged",
        &THIRD,
        Blow::Unplug,
    )?)?;
    done(loss(
        cluster,
        Row::new("20 % of frames lost; none", runtime),
    )?)?;
    done(cut(cluster, Row::new("a region cut off; joined", runtime))?)?;
    let slow = Row::new("all at a byte a second", runtime);
    done(slow::peers(
        cluster,
        slow,
        if strict { Duration::ZERO } else { SLACK },
    )?)?;
    // Whatever was deleted since the beginning has not come back since.
    cluster.agree(CONVERGED)?;
    Ok(())
}

/// Shows a row and keeps it; fails if it is not as promised.
fn tell(row: Row, rows: &mut Vec<Row>, strict: bool) -> Outcome {
    println!("{row}");
    let checked = row.check(strict);
    rows.push(row);
    checked
}

/// Those that a cluster with stock nodes bears: what concerns ours holds as ever. A region cut off is not
/// among them: see docs/faults.md.
pub(crate) fn mixed(
    cluster: &mut Cluster,
    runtime: &'static str,
    rows: &mut Vec<Row>,
    strict: bool,
) -> Outcome {
    let mut done = |row| tell(row, rows, strict);
    done(start(cluster, runtime)?)?;
    let (ours, stock) = (Victim::Ours(1), Victim::Stock(0));
    for (tag, fault, victim, blow) in [
        (
            "killed",
            "kill -9 of one of ours; restart",
            ours,
            Blow::Kill,
        ),
        (
            "stock",
            "kill -9 of a stock node; restart",
            stock,
            Blow::Kill,
        ),
        (
            "stopped",
            "SIGSTOP of a stock node; SIGCONT",
            stock,
            Blow::Stop,
        ),
        (
            "unplugged",
            "link down of a stock node; up",
            Victim::Stock(1),
            Blow::Unplug,
        ),
    ] {
        done(outage(
            cluster,
            Row::new(fault, runtime),
            tag,
            &[victim],
            blow,
        )?)?;
    }
    cluster.agree(CONVERGED)?;
    Ok(())
}

/// The nodes find each other; some load without a fault, to compare with.
fn start(cluster: &mut Cluster, runtime: &'static str) -> Outcome<Row> {
    let mut row = Row::new("none: start, then load", runtime);
    recover(cluster, &mut row)?;
    cluster.client.ready(CONVERGED)?;
    let known = prepare(cluster, "calm")?;
    let load = Load::begin(cluster, &cluster.seats, "calm", &known);
    load.go_on_for(100)?;
    finish(cluster, load, &mut row, true)?;
    cluster.agree(CONVERGED)?;
    Ok(row)
}

/// A node dies and nobody wants anything of it.
fn idle(cluster: &mut Cluster, mut row: Row) -> Outcome<Row> {
    let began = Instant::now();
    strike(cluster, &[Victim::Ours(7)], Blow::Kill)?;
    cluster.settle(DETECTED)?;
    row.detected(began.elapsed(), BY_PINGS);
    heal(cluster, &[Victim::Ours(7)], Blow::Kill, &mut row)?;
    Ok(row)
}

/// Nodes fail under load and come back: all they have missed, they have then.
fn outage(
    cluster: &mut Cluster,
    mut row: Row,
    tag: &str,
    victims: &[Victim],
    blow: Blow,
) -> Outcome<Row> {
    let known = prepare(cluster, tag)?;
    let healthy = rate(cluster, &cluster.seats, &known)?;
    let load = Load::begin(cluster, &cluster.seats, tag, &known);
    load.go_on_for(20)?;
    let began = Instant::now();
    strike(cluster, victims, blow)?;
    let promised = load.promised();
    // A write sends a copy to each node of its region, so there it is noticed by requests; a node of
    // another region may happen to send it nothing but pings.
    cluster.without(victims, DETECTED)?;
    row.noticed(began.elapsed(), BY_REQUESTS);
    cluster.settle(DETECTED)?;
    row.detected(began.elapsed(), BY_PINGS);
    cluster.hold(&promised, CONVERGED)?;
    row.kept(began.elapsed(), KEPT);
    drop_some(cluster, tag)?;
    let decoy = match blow {
        // Stock nodes go on asking the dead.
        Blow::Kill if cluster.stock.is_empty() => {
            // A copy that was begun before everybody knew may go out for so long.
            thread::sleep(BEGUN_WITHIN);
            Some(Decoy::begin(cluster.host(victims[0]))?)
        }
        Blow::Kill | Blow::Stop | Blow::Unplug => None,
    };
    load.go_on_for(60)?;
    finish(cluster, load, &mut row, true)?;
    if let Some(decoy) = decoy {
        same("requests to a dead node", decoy.end()?, Vec::new())?;
    }
    row.paced(healthy, rate(cluster, &cluster.seats, &known)?);
    heal(cluster, victims, blow, &mut row)?;
    Ok(row)
}

/// Each frame is lost with some probability; afterwards nobody is left out.
fn loss(cluster: &mut Cluster, mut row: Row) -> Outcome<Row> {
    let known = prepare(cluster, "lossy")?;
    let load = Load::begin(cluster, &cluster.seats, "lossy", &known);
    cluster.lab.tell("loss 20")?;
    load.go_on_for(150)?;
    drop_some(cluster, "lossy")?;
    finish(cluster, load, &mut row, false)?;
    cluster.lab.tell("loss 0")?;
    recover(cluster, &mut row)?;
    Ok(row)
}

/// One region hears nothing of the others; both sides write, and the later one is right.
fn cut(cluster: &mut Cluster, mut row: Row) -> Outcome<Row> {
    let (here, there) = (cluster.seats[0], cluster.seats[2]);
    let known = prepare(cluster, "cut")?;
    let load = Load::begin(cluster, &cluster.seats, "cut", &known);
    cluster.lab.tell("cut 2")?;
    load.go_on_for(60)?;
    for number in 0..10 {
        let (first, second) = if number % 2 == 0 {
            (here, there)
        } else {
            (there, here)
        };
        let key = format!("cut-both-{number}");
        cluster.put(first, &key, "the former")?;
        tick();
        cluster.put(second, &key, "the latter")?;
        let key = format!("cut-gone-{number}");
        cluster.put(first, &key, "deleted by the other side")?;
        tick();
        cluster.delete(second, &key)?;
    }
    drop_some(cluster, "cut")?;
    // The last usable node of a region is never put out, whichever that is.
    eventually("a region that is out of sight", DETECTED, || {
        let far = cluster.nodes[there..].iter().map(Node::address);
        let far: BTreeSet<_> = far.map(|address| address.to_string()).collect();
        let seen = cluster.nodes[here].routes()?;
        Ok(if seen.intersection(&far).count() <= 1 {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        })
    })?;
    finish(cluster, load, &mut row, true)?;
    cluster.lab.tell("join")?;
    recover(cluster, &mut row)?;
    Ok(row)
}

/// Lets the wall clock go on by more than two nodes' clocks may differ: what is stamped by nodes that can
/// not hear each other within less has no order.
fn tick() {
    thread::sleep(Duration::from_millis(100));
}

/// Some values every node has: to be read during a fault, and to be deleted during it.
fn prepare(cluster: &mut Cluster, tag: &str) -> Outcome<Ledger> {
    let mut known = Ledger::new();
    for number in 0..10 {
        let seat = cluster.seats[number % cluster.seats.len()];
        let key = format!("{tag}-kept-{number}");
        cluster.put(seat, &key, "kept")?;
        known.insert(key, Some("kept".to_owned()));
        cluster.put(seat, &format!("{tag}-dropped-{number}"), "to be dropped")?;
    }
    cluster.agree(CONVERGED)?;
    Ok(known)
}

/// Deletes what [`prepare`] stored for that.
fn drop_some(cluster: &mut Cluster, tag: &str) -> Outcome {
    for number in 0..10 {
        let seat = cluster.seats[(number + 1) % cluster.seats.len()];
        cluster.delete(seat, &format!("{tag}-dropped-{number}"))?;
    }
    Ok(())
}

/// Ends the load and takes its figures over; unless frames are lost, nothing may have failed.
fn finish(cluster: &mut Cluster, load: Load, row: &mut Row, served: bool) -> Outcome {
    let tally = load.end()?;
    row.load(&tally);
    if served && !tally.unserved.is_empty() {
        return Err(Failure(format!(
            "the client failed {} of {} times, {:?} first",
            tally.unserved.len(),
            tally.client.len(),
            tally.unserved[0]
        )));
    }
    cluster.ledger.extend(tally.ledger);
    Ok(())
}

fn strike(cluster: &mut Cluster, victims: &[Victim], blow: Blow) -> Outcome {
    cluster.strike(victims);
    for victim in victims {
        match (blow, *victim) {
            (Blow::Kill, Victim::Ours(number)) => cluster.nodes[number].kill()?,
            (Blow::Kill, Victim::Stock(number)) => cluster.stock[number].kill()?,
            (Blow::Stop, Victim::Ours(number)) => cluster.nodes[number].pause(true)?,
            (Blow::Stop, Victim::Stock(number)) => cluster.stock[number].pause(true)?,
            (Blow::Unplug, victim) => cluster.host(victim).cable(false)?,
        }
    }
    Ok(())
}

/// Undoes it, and waits until all is well.
fn heal(cluster: &mut Cluster, victims: &[Victim], blow: Blow, row: &mut Row) -> Outcome {
    for victim in victims {
        match (blow, *victim) {
            (Blow::Kill, Victim::Ours(number)) => cluster.nodes[number].restart()?,
            (Blow::Kill, Victim::Stock(number)) => cluster.stock[number].restart()?,
            (Blow::Stop, Victim::Ours(number)) => cluster.nodes[number].pause(false)?,
            (Blow::Stop, Victim::Stock(number)) => cluster.stock[number].pause(false)?,
            (Blow::Unplug, victim) => cluster.host(victim).cable(true)?,
        }
    }
    cluster.heal();
    recover(cluster, row)
}

/// Waits until all see all and hold the same.
fn recover(cluster: &mut Cluster, row: &mut Row) -> Outcome {
    let began = Instant::now();
    cluster.settle(CONVERGED)?;
    let back = began.elapsed();
    cluster.agree(CONVERGED)?;
    row.healed(back, began.elapsed());
    Ok(())
}
