//! Nodes that leave, die, hang and come back.

use std::time::Duration;

use zerocache_interop::{Failure, Ours as OurNode, Outcome, Rogue, eventually, on_a_lab, same};

use crate::scene::Kind::{Ours, Stock};
use crate::scene::{NOTICED, SEEN, SPREAD, Scene};

/// Before this every write is answered, whatever the peers do: stock clients give up at 500 ms.
const ANSWERED: Duration = Duration::from_millis(450);

#[test]
fn our_goodbye_reaches_stock_within_two_seconds() -> Outcome {
    on_a_lab("our-goodbye", |lab| {
        let mut scene = Scene::start(
            lab,
            &[(Stock, "london"), (Ours, "london"), (Ours, "london")],
        )?;
        let mut client = scene.client(lab, "london")?;
        for interrupted in [false, true] {
            let leaver = scene.ours.pop().ok_or_else(|| Failure::new("no node"))?;
            if interrupted {
                leaver.interrupt()?;
            } else {
                leaver.begin_leaving()?;
            }
            let took = client.sees(&scene.sites(), NOTICED)?;
            println!("a stock client has seen our goodbye after {took:?}");
            scene.settle(NOTICED)?;
            same("exit", leaver.ended()?.code(), Some(0))?;
        }
        Ok(())
    })
}

#[test]
fn a_stock_leave_reaches_ours_within_two_seconds() -> Outcome {
    on_a_lab("stock-goodbye", |lab| {
        let mut scene = Scene::start(
            lab,
            &[(Ours, "london"), (Stock, "london"), (Stock, "paris")],
        )?;
        for _ in 0..2 {
            let mut leaver = scene.stock.pop().ok_or_else(|| Failure::new("no node"))?;
            leaver.begin_leaving()?;
            let sites = scene.sites();
            let others: Vec<_> = sites[1..].to_vec();
            let took = scene.ours[0].sees(&mut scene.probe, &others, NOTICED)?;
            println!("our node has seen a stock server's goodbye after {took:?}");
            scene.settle(NOTICED)?;
            leaver.ended()?;
        }
        Ok(())
    })
}

#[test]
fn a_node_of_ours_that_was_killed_comes_back_without_a_twin() -> Outcome {
    on_a_lab("our-restart", |lab| {
        let host = lab.host()?;
        let mut scene = Scene::start(lab, &[(Stock, "london"), (Ours, "london")])?;
        scene.ours.push(OurNode::start(&host, "london")?);
        scene.settle(SEEN)?;
        let mut client = scene.client(lab, "london")?;
        let before = client.listing()?;
        // Killed without a word, then asked to leave.
        for graceful in [false, true] {
            let node = scene.ours.pop().ok_or_else(|| Failure::new("no node"))?;
            if graceful {
                node.begin_leaving()?;
                node.ended()?;
                client.sees(&scene.sites(), NOTICED)?;
            } else {
                node.kill()?;
            }
            scene.ours.push(OurNode::start(&host, "london")?);
            client.sees(&scene.sites(), SEEN)?;
            scene.settle(SEEN)?;
            for node in &mut scene.ours {
                node.answers(&mut scene.probe, "/readyz", SEEN)?;
            }
            // Not only the same number of entries: the very same names.
            let names = |listing: &zerocache_interop::Listing| {
                let mut names: Vec<_> = listing.regions.values().flatten().cloned().collect();
                names.sort_by(|a, b| a.name.cmp(&b.name));
                names
            };
            same("names", names(&client.listing()?), names(&before))?;
            scene.every_write_is_seen_everywhere()?;
        }
        Ok(())
    })
}

#[test]
fn a_node_that_leaves_as_soon_as_it_is_back_takes_its_former_life_along() -> Outcome {
    on_a_lab("our-brief-return", |lab| {
        let host = lab.host()?;
        let mut scene = Scene::start(lab, &[(Stock, "london")])?;
        scene.ours.push(OurNode::start(&host, "london")?);
        scene.settle(SEEN)?;
        let node = scene.ours.pop().ok_or_else(|| Failure::new("no node"))?;
        node.kill()?;
        let mut node = OurNode::start(&host, "london")?;
        node.answers(&mut scene.probe, "/healthz", SEEN)?;
        node.begin_leaving()?;
        scene.settle(NOTICED)?;
        same("exit", node.ended()?.code(), Some(0))
    })
}

#[test]
fn a_stock_peer_that_was_killed_fails_no_write() -> Outcome {
    on_a_lab("killed-stock", |lab| {
        let nodes = [
            (Ours, "london"),
            (Stock, "london"),
            (Stock, "london"),
            (Stock, "paris"),
        ];
        let mut scene = Scene::start(lab, &nodes)?;
        scene.stock.remove(1).kill()?;
        let sites = scene.sites();
        for number in 0..5 {
            let key = format!("key-{number}");
            let answer = scene.probe.put(&sites[0], &key, b"value", 60)?;
            same(
                &format!("PUT in {:?}", answer.took),
                answer.took < ANSWERED,
                true,
            )?;
            scene
                .probe
                .everywhere(&sites, &key, Some(b"value"), SPREAD)?;
        }
        Ok(())
    })
}

#[test]
fn a_stock_peer_that_is_unplugged_fails_no_write() -> Outcome {
    on_a_lab("unplugged-stock", |lab| {
        let host = lab.host()?;
        let mut scene = Scene::start(lab, &[(Ours, "london"), (Stock, "london")])?;
        let unplugged = zerocache_interop::StockServer::start(&host, "london")?;
        scene.stock.push(unplugged);
        scene.settle(SEEN)?;
        let sites = scene.sites();
        lab.cable(&host, false)?;
        for number in 0..5 {
            let key = format!("key-{number}");
            let answer = scene.probe.put(&sites[0], &key, b"value", 60)?;
            same(
                &format!("PUT in {:?}", answer.took),
                answer.took < ANSWERED,
                true,
            )?;
            scene
                .probe
                .everywhere(&sites[..2], &key, Some(b"value"), SPREAD)?;
        }
        // Back on the network, it is believed again.
        lab.cable(&host, true)?;
        let back = eventually("the peer's return", Duration::from_secs(60), || {
            scene.probe.put(&sites[0], "late", b"value", 60)?;
            let seen = scene.probe.get(&sites[2], "late")?;
            Ok(seen.map(|_| ()).ok_or_else(|| "not there".to_owned()))
        })?;
        same(
            &format!("back after {back:?}"),
            back < Duration::from_secs(30),
            true,
        )
    })
}

#[test]
fn a_node_of_ours_that_was_unplugged_is_back_soon() -> Outcome {
    on_a_lab("unplugged-ours", |lab| {
        let host = lab.host()?;
        let mut scene = Scene::start(lab, &[(Stock, "london"), (Ours, "london")])?;
        scene.ours.push(OurNode::start(&host, "london")?);
        scene.settle(SEEN)?;
        let sites = scene.sites();
        lab.cable(&host, false)?;
        // Until the others have noticed: it is out of routing within three seconds of failing.
        let others = [sites[2].clone()];
        let first = scene
            .ours
            .first_mut()
            .ok_or_else(|| Failure::new("no node"))?;
        first.sees(&mut scene.probe, &others, Duration::from_secs(15))?;
        scene.probe.put(&sites[0], "meanwhile", b"value", 60)?;
        lab.cable(&host, true)?;
        scene.settle(SEEN)?;
        // What it missed is handed over.
        scene
            .probe
            .everywhere(&sites, "meanwhile", Some(b"value"), Duration::from_secs(10))?;
        scene.every_write_is_seen_everywhere()
    })
}

/// No stock node is here: the first of these announcements would end its discovery.
#[test]
fn announcements_of_nodes_that_are_none_disturb_nobody() -> Outcome {
    on_a_lab("rogue", |lab| {
        let mut scene = Scene::start(lab, &[(Ours, "london"), (Ours, "london"), (Ours, "paris")])?;
        let host = lab.host()?;
        let mut rogue = Rogue::start(&host)?;
        rogue.begin()?;
        let sites = scene.sites();
        let listed = format!("\"{}:7001\"", host.address());
        eventually("a doubtful peer on the status page", NOTICED, || {
            let status = scene.ours[0].status(&mut scene.probe)?.0.to_string();
            Ok(if status.contains(&listed) {
                Ok(())
            } else {
                Err(status)
            })
        })?;
        for number in 0..20 {
            let (key, site) = (format!("key-{number}"), &sites[number % sites.len()]);
            let answer = scene.probe.put(site, &key, b"value", 60)?;
            same(
                &format!("PUT in {:?}", answer.took),
                answer.took < ANSWERED,
                true,
            )?;
            scene
                .probe
                .everywhere(&sites, &key, Some(b"value"), SPREAD)?;
        }
        scene.settle(NOTICED)?;
        // Discovery goes on: who comes now is seen.
        scene.ours.push(OurNode::start(&lab.host()?, "paris")?);
        scene.settle(SEEN)
    })
}
